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

from . import backends, rendering
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
        self.probes_of = {}

    def start(self, name, port_variable, port=None, **changes):
        container = orb_container(name)
        port = port or processes.free_port()
        environment = environment_of(container, BASE) | {port_variable: f"127.0.0.1:{port}"} | changes
        process = processes.Process("orb", container["args"], environment, self.folder / f"{name}-{port}.log")
        self.addCleanup(process.stop)
        return process, port

    def assert_understood(self, process):
        self.assertNotRegex(process.output(), "means nothing here")

    def test_a_gateway_without_a_leader_lives_and_is_not_ready(self):
        process, port = self.start("gateway", "ORB_HTTP_ADDR", ORB_ETCD_ENDPOINTS=NOBODY)
        process.until(lambda: listens(port), "listens")
        alive, ready = probed("gateway")
        self.assertEqual([status(port, alive), status(port, ready)], [200, 503])
        self.assertEqual([healthcheck(port, alive), healthcheck(port)], [0, 0])
        self.assertNotEqual(healthcheck(port, "/no-such-path"), 0)
        self.assertNotEqual(healthcheck(processes.free_port()), 0)
        self.assert_understood(process)

    def test_a_worker_without_a_leader_listens_and_spools_into_its_volume(self):
        spool = self.folder / "spool"
        spool.mkdir()
        settings = {"TMPDIR": str(spool), "ORB_ETCD_ENDPOINTS": NOBODY}
        process, port = self.start("worker", "ORB_WORKER__MEDIA_ADDR", **settings)
        process.until(lambda: listens(port), "listens")
        self.assertTrue(any(spool.iterdir()), "it spools into TMPDIR")
        self.assertEqual([status(port, path) for path in probed("worker")], [200, 503])
        self.assertEqual(status(port, "/metrics"), 200)
        self.assert_understood(process)

    def test_the_base_finds_its_leader_and_a_standby_is_as_ready(self):
        etcd, etcd_process = backends.start_etcd(self.folder)
        self.addCleanup(etcd_process.stop)
        database, postgres_process = backends.start_postgres(self.folder)
        self.addCleanup(postgres_process.stop)
        shared = {"ORB_ETCD_ENDPOINTS": etcd}
        schedulers = [self.start_scheduler(ORB_DATABASE_URL=database, **shared) for _ in range(2)]
        for process, port in schedulers:
            # One of them does not lead, and neither has a Discord: no reason to kill it.
            process.until(lambda port=port: serves(port), "serves by gRPC health")
            probes = self.probes_of[port]
            self.assertEqual([status(probes, path) for path in probed("scheduler")], [200, 200])
            self.assertEqual(healthcheck(probes, "/readyz"), 0)
        # Who balances by gRPC health finds the one that leads.
        leading = [serves(port, "orb.v1.SessionService") for _, port in schedulers]
        self.assertEqual(sorted(leading), [False, True])
        gateway, port = self.start("gateway", "ORB_HTTP_ADDR", **shared)
        started = orb_container("gateway")["startupProbe"]["httpGet"]["path"]
        gateway.until(lambda: status(port, started) == 200, "is ready")
        worker, _ = self.start("worker", "ORB_WORKER__MEDIA_ADDR", **shared)
        worker.until(lambda: re.search(r'"attached"', worker.output()), "is attached")
        for process in (gateway, worker, *(process for process, _ in schedulers)):
            self.assert_understood(process)

    def start_scheduler(self, **changes):
        port, self.probes_of[port] = processes.free_port(), processes.free_port()
        changes |= {
            "ORB_SCHEDULER__ADVERTISE": f"http://127.0.0.1:{port}",
            "ORB_SCHEDULER__HTTP_ADDR": f"127.0.0.1:{self.probes_of[port]}",
            "ORB_DISCORD_API_URL": NOBODY,
        }
        return self.start("scheduler", "ORB_GRPC_ADDR", port, **changes)


def orb_container(name):
    (container,) = pod_template(named(BASE, "Deployment", f"orb-{name}"))["spec"]["containers"]
    return container


def probed(name):
    """What kubelet asks to know whether the role lives, and whether it is ready."""
    container = orb_container(name)
    return [container[kind]["httpGet"]["path"] for kind in ("livenessProbe", "readinessProbe")]


def status(port, path):
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=20).status_code
    except requests.RequestException:
        return None


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
    """What the container would see, with a made-up value for each secret that must be there."""
    assert is_orb(container) and role(container)
    environment = {}
    for reference in container.get("envFrom", []):
        name = reference["configMapRef"]["name"]
        environment |= named(folder, "ConfigMap", name)["data"]
    made_up = {"status.podIP": "127.0.0.1", "metadata.name": "orb-pod-1"}
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if source.get("secretKeyRef", {}).get("optional"):
            continue  # The Secret of this container has none of those.
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


def serves(port, service=""):
    """`grpc.health.v1.Health/Check` answers SERVING (1); of the empty name, as Kubernetes' own gRPC probe asks."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        try:
            asked = b"\n" + bytes([len(service)]) + service.encode() if service else b""
            return check(asked, timeout=2) == b"\x08\x01"
        except grpc.RpcError:
            return False


def healthcheck(*arguments):
    """The image's own, as Compose runs it."""
    script = rendering.DEPLOY / "healthcheck"
    return subprocess.run([script, *map(str, arguments)], check=False, capture_output=True, timeout=30).returncode
