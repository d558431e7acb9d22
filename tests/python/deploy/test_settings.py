"""Manifests and product agree: every variable means something, and each role comes up with what it is given there.

The real `orb` runs with the environment of its container (addresses on this machine, secrets made up), and is asked
what the cluster would ask it.
"""

import pathlib
import re
import socket
import subprocess
import tempfile
import unittest

import grpc
import requests

import processes

from . import rendering
from .rendering import BASE, FOLDERS, compose, containers, is_orb, named, of_kind, pod_template, role

#: A port of this machine that nobody listens on; nothing here may wait for the world outside.
NOBODY = "http://127.0.0.1:9"


class SettingsTest(unittest.TestCase):
    def test_every_variable_means_something(self):
        known = rendering.known_variables()
        self.assertLess({"ORB_HTTP_ADDR", "ORB_WORKER__MEDIA_URL", "ORB_TIMING__DRAIN_GRACE"}, known)
        for where, names in variables_in_use():
            with self.subTest(where=where):
                self.assertEqual({name for name in names if name.startswith("ORB_")} - known, set())


class RolesTest(unittest.TestCase):
    """Each role, with the environment that the base gives it."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)

    def start(self, name, port_variable, **changes):
        container = pod_template(named(BASE, "Deployment", f"orb-{name}"))["spec"]["containers"][0]
        port = processes.free_port()
        environment = environment_of(container, BASE) | {port_variable: f"127.0.0.1:{port}"} | changes
        process = processes.Process("orb", container["args"], environment, self.folder / f"{name}.log")
        self.addCleanup(process.stop)
        return container, process, port

    def assert_understood(self, process):
        self.assertNotRegex(process.output(), "means nothing here")

    def test_gateway(self):
        changes = {"ORB_SCHEDULER_URL": NOBODY, "ORB_ETCD_ENDPOINTS": NOBODY}
        container, process, port = self.start("gateway", "ORB_HTTP_ADDR", **changes)
        process.until(lambda: listens(port), "listens")
        url = f"http://127.0.0.1:{port}"
        alive = container["livenessProbe"]["httpGet"]["path"]
        ready = container["readinessProbe"]["httpGet"]["path"]
        self.assertEqual(requests.get(url + alive, timeout=10).status_code, 200)
        # Without a scheduler it lives, and says that it is not ready.
        self.assertEqual(requests.get(url + ready, timeout=20).status_code, 503)
        self.assertEqual([healthcheck(port, alive), healthcheck(port)], [0, 0])
        self.assertNotEqual(healthcheck(port, "/no-such-path"), 0)
        self.assertNotEqual(healthcheck(processes.free_port()), 0)
        self.assert_understood(process)

    def test_worker(self):
        spool = self.folder / "spool"
        spool.mkdir()
        media = {"ORB_WORKER__MEDIA_URL": NOBODY, "TMPDIR": str(spool)}
        changes = media | {"ORB_SCHEDULER_URL": NOBODY, "ORB_ETCD_ENDPOINTS": NOBODY}
        _, process, port = self.start("worker", "ORB_WORKER__MEDIA_ADDR", **changes)
        process.until(lambda: listens(port), "listens")
        self.assertTrue(any(spool.iterdir()), "it spools into TMPDIR")
        self.assertEqual(healthcheck(port), 0)
        self.assert_understood(process)

    def test_scheduler(self):
        # Alone: PostgreSQL and etcd are for the tests of the cluster.
        alone = {"ORB_DATABASE_URL": f"sqlite://{self.folder}/orb.db", "ORB_ETCD_ENDPOINTS": ""}
        _, process, port = self.start("scheduler", "ORB_GRPC_ADDR", **alone, ORB_DISCORD_API_URL=NOBODY)
        # Discord does not answer: no reason to kill it or to take it out of the Service.
        process.until(lambda: serves(port), "serves by gRPC health")
        self.assertEqual(healthcheck(port), 0)
        self.assert_understood(process)


def variables_in_use():
    for folder in FOLDERS:
        for config in of_kind(folder, "ConfigMap"):
            yield f"{folder.name}: ConfigMap", config["data"]
        for _, _, container in containers(folder):
            yield f"{folder.name}: {container['name']}", [entry["name"] for entry in container.get("env", [])]
    for profile in ("single", "cluster"):
        for name, service in compose(profile)["services"].items():
            yield f"compose: {name}", service["environment"] if "environment" in service else []
    dockerfile = (rendering.DEPLOY / "Dockerfile").read_text()
    yield "Dockerfile", re.findall(r"\b(ORB_\w+)=", dockerfile)
    for example in (rendering.DEPLOY / "env.example", BASE / "secrets.env.example"):
        names = set(re.findall(r"^(ORB_\w+)=", example.read_text(), re.MULTILINE))
        # Read by Compose alone.
        yield example.name, names - {"ORB_PUBLISH"}


def environment_of(container, folder):
    """What the container would see, with a made-up value for each secret."""
    assert is_orb(container) and role(container)
    environment = {}
    for reference in container.get("envFrom", []):
        name = reference["configMapRef"]["name"]
        environment |= named(folder, "ConfigMap", name)["data"]
    made_up = {"status.podIP": "127.0.0.1", "metadata.name": "orb-pod-1"}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            value = "made-up"
        elif "fieldRef" in source:
            value = made_up[source["fieldRef"]["fieldPath"]]
        elif "resourceFieldRef" in source:
            value = "2000"
        else:
            value = re.sub(r"\$\((\w+)\)", lambda match: environment[match.group(1)], variable["value"])
        environment[variable["name"]] = value
    return environment


def listens(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serves(port):
    """Kubernetes' gRPC probe: `grpc.health.v1.Health/Check` of the empty name answers SERVING (1)."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            return check(b"", timeout=2) == b"\x08\x01"
        except grpc.RpcError:
            return False


def healthcheck(*arguments):
    """The image's own, as Compose runs it."""
    script = rendering.DEPLOY / "healthcheck"
    return subprocess.run([script, *map(str, arguments)], check=False, capture_output=True, timeout=30).returncode
