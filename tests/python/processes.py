"""The programs under test as processes of their own: `orb up`, `orb demo` and the two simulators.

Nothing here knows the programs' code: they are started as an operator does, by environment and command line, and
found by what they print.
"""

import atexit
import functools
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARIES = ROOT / "target" / "debug"

#: A film is made by ffmpeg first, on a machine that may be busy.
START_WITHIN_SECONDS = 180
STOP_WITHIN_SECONDS = 30

#: Long enough to seek about in, short enough to be made quickly.
FILM_SECONDS = 60


class Process:
    """A child with its output in a file. Ends with `stop`, at the latest when the tests end."""

    def __init__(self, program, arguments, environment, log):
        self.log = pathlib.Path(log)
        # Variables of whoever runs the tests must not reach the programs under test.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORB_")}
        with open(self.log, "ab") as output:
            self.child = subprocess.Popen(
                [BINARIES / program, *arguments],
                env=inherited | {"NO_COLOR": "1"} | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.program = program
        atexit.register(self.stop)

    def output(self):
        return self.log.read_text(errors="replace")

    def printed(self, pattern):
        """Waits until the output has `pattern`; answers its first group."""

        def found():
            match = re.search(pattern, self.output(), re.MULTILINE)
            return match and match.group(1)

        return self.until(found, f"prints {pattern}")

    def until(self, condition, what):
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while not (result := condition()):
            code = self.child.poll()
            if code is not None or time.monotonic() > deadline:
                ended = "too late" if code is None else f"exit code {code}"
                raise RuntimeError(f"{self.program}: waited until it {what}: {ended}\n{self.output()[-3000:]}")
            time.sleep(0.05)
        return result

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, how):
        if self.child.poll() is None:
            self.child.send_signal(how)
            try:
                self.child.wait(STOP_WITHIN_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class JellyfinSim(Process):
    def __init__(self, folder):
        arguments = ["--seconds", str(FILM_SECONDS)]
        super().__init__("jellyfin-sim", arguments, {}, folder / "jellyfin-sim.log")
        self.url = self.printed(r"^url (\S+)$")
        self.api_key = self.printed(r"^api-key (\S+)$")
        self.stream_url = self.printed(r"^stream (\S+)$")


class DiscordSim(Process):
    def __init__(self, folder, *arguments):
        folder.mkdir(exist_ok=True)
        ca = folder / "discord-ca.pem"
        super().__init__("discord-sim", ["--ca-file", str(ca), *arguments], {}, folder / "discord-sim.log")
        self.url = self.printed(r"^api (\S+)$")
        self.ca = self.printed(r"^ca (\S+)$")


class Orb(Process):
    """`orb up` or `orb demo`, ready. `stream_url` is of a film that it may play."""

    def __init__(self, command, folder, environment, tokens=("contract-token",)):
        self.http_addr = f"127.0.0.1:{free_port()}"
        self.grpc_addr = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.http_addr}"
        self.token = tokens[0]
        self.jellyfin_url = None
        self.stream_url = None
        addresses = {
            "ORB_HTTP_ADDR": self.http_addr,
            "ORB_GRPC_ADDR": self.grpc_addr,
            "ORB_API_TOKENS": ",".join(tokens),
        }
        super().__init__("orb", [command], addresses | environment, folder / f"orb-{command}.log")
        self.until(self.is_ready, "is ready")

    def is_ready(self):
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def fault(self, **fault):
        """Breaks the film's server in a way that jellyfin-sim's README describes."""
        requests.post(f"{self.jellyfin_url}/_sim/fault", json=fault, timeout=10).raise_for_status()

    def clear_faults(self):
        requests.delete(f"{self.jellyfin_url}/_sim/fault", timeout=10).raise_for_status()


@functools.cache
def folder():
    """Where this run keeps its logs and databases; gone afterwards."""
    temporary = tempfile.TemporaryDirectory(prefix="orb-python-tests-")
    atexit.register(temporary.cleanup)
    return pathlib.Path(temporary.name)


@functools.cache
def jellyfin_sim():
    return JellyfinSim(folder())


@functools.cache
def up():
    """An `orb up` with two accounts and two API tokens, against both simulators; one for the whole run."""
    return start_up(folder(), tokens=("contract-token", "second-token"))


def start_up(where, tokens=("contract-token",), accounts="account-1,account-2", discord=None, jellyfin=True):
    where.mkdir(exist_ok=True)
    discord = discord or DiscordSim(where)
    environment = {
        "ORB_DATABASE_URL": f"sqlite://{where}/orb.db",
        "ORB_DISCORD_API_URL": discord.url,
        "ORB_DISCORD_CA": discord.ca,
        "ORB_DISCORD_TOKENS": accounts,
    }
    if jellyfin:
        environment["ORB_JELLYFIN_URL"] = jellyfin_sim().url
        environment["ORB_JELLYFIN_API_KEY"] = jellyfin_sim().api_key
    orb = Orb("up", where, environment, tokens)
    orb.discord = discord
    if jellyfin:
        orb.jellyfin_url = jellyfin_sim().url
        orb.stream_url = jellyfin_sim().stream_url
        orb.api_key = jellyfin_sim().api_key
    return orb


@functools.cache
def demo():
    """An `orb demo`; one for the whole run."""
    orb = Orb("demo", folder(), {})
    orb.jellyfin_url = orb.printed(r"^ *Jellyfin +simulated at (\S+)$")
    orb.stream_url = orb.printed(r"^ *film +(\S+)$")
    return orb


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def missing_binaries():
    """What has to be built before the tests can run."""
    programs = ("orb", "discord-sim", "jellyfin-sim", "examples/speak", "examples/seal")
    return [name for name in programs if not os.access(BINARIES / name, os.X_OK)]


if __name__ == "__main__":
    sys.exit("this is a part of the tests; start them with tests/python/run")
