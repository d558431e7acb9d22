"""An etcd and a PostgreSQL of this machine's, for roles that are to find them."""

import glob
import os
import pathlib
import pwd
import shutil
import subprocess

import requests

import processes

#: Debian's user for a server that refuses to run as root.
POSTGRES_USER = "postgres"


def start_etcd(folder):
    """Answers its URL and its process."""
    url = f"http://127.0.0.1:{processes.free_port()}"
    clients = [f"--listen-client-urls={url}", f"--advertise-client-urls={url}"]
    arguments = [f"--data-dir={folder / 'etcd'}", *clients, "--listen-peer-urls=http://127.0.0.1:0"]
    process = processes.Process(shutil.which("etcd"), arguments, {}, folder / "etcd.log")
    process.until(lambda: answers(f"{url}/health"), "is healthy")
    return url, process


def start_postgres(folder):
    """Answers the URL of a database and the process."""
    programs = pathlib.Path(max(glob.glob("/usr/lib/postgresql/*/bin")))
    data = folder / "postgres"
    data.mkdir()
    drop_root = []
    if os.geteuid() == 0:
        user = pwd.getpwnam(POSTGRES_USER)
        for owned in (folder, data):
            os.chown(owned, user.pw_uid, user.pw_gid)
        drop_root = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    make = [programs / "initdb", "--pgdata", data, "--username=orb", "--auth=trust", "--no-sync"]
    subprocess.run([*drop_root, *make], check=True, capture_output=True, timeout=60, cwd=folder)
    port = processes.free_port()
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
    serve = [programs / "postgres", "-D", data, "-p", port, "-k", data, *settings]
    program, *arguments = map(str, [*drop_root, *serve])
    process = processes.Process(shutil.which(program), arguments, {}, folder / "postgres.log")
    ready = [programs / "pg_isready", "--host=127.0.0.1", f"--port={port}"]
    process.until(lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0, "takes connections")
    return f"postgres://orb@127.0.0.1:{port}/postgres", process


def answers(url):
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False
