"""The overlay with mutual TLS: certificates, addresses and probes agree, and the real roles run with them."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import requests
import urllib3
import yaml

import processes

from . import backends, rendering
from .rendering import BASE, MUTUAL_TLS, containers, named, pod_template, role
from .test_kubernetes import CERTIFICATES, FILES
from .test_settings import environment_of, listens

CERT_MANAGER = rendering.DEPLOY / "kustomize" / "components" / "mutual-tls" / "cert-manager.yaml"


class ManifestTest(unittest.TestCase):
    def test_every_role_has_all_three_files(self):
        roles = set()
        for _, pod, container in containers(MUTUAL_TLS):
            roles.add(role(container))
            environment = {variable["name"]: variable.get("value") for variable in container["env"]}
            self.assertEqual({name: environment[name] for name in FILES}, {k: f"/etc/orb/tls/{v}" for k, v in FILES.items()})
            (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "tls"]
            # A file that is mounted by itself is never renewed.
            self.assertEqual(mount, {"name": "tls", "mountPath": "/etc/orb/tls", "readOnly": True})
            self.assertEqual(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsGroup"])
        self.assertEqual(roles, {"gateway", "scheduler", "worker"})

    def test_addresses_say_what_is_spoken(self):
        for folder, scheme in ((BASE, "http"), (MUTUAL_TLS, "https")):
            for _, _, container in containers(folder):
                environment = {variable["name"]: variable.get("value") for variable in container["env"]}
                for name in ("ORB_SCHEDULER__ADVERTISE", "ORB_WORKER__MEDIA_URL"):
                    if name in environment:
                        self.assertTrue(environment[name].startswith(f"{scheme}://$(POD_IP):"), environment[name])

    def test_kubelet_asks_nothing_that_needs_a_certificate(self):
        open_paths = set(re.findall(r'"(/\w+)"', (rendering.ROOT / "tls" / "src" / "certified.rs").read_text()))
        for _, _, container in containers(MUTUAL_TLS):
            encrypted = {"scheduler": "grpc", "worker": "media"}.get(role(container))
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container[kind]
                self.assertEqual([how for how in ("httpGet", "grpc", "tcpSocket", "exec") if how in probe], ["httpGet"])
                probe = probe["httpGet"]
                if probe["port"] == encrypted:
                    self.assertEqual((role(container), probe["scheme"]), ("worker", "HTTPS"))
                    self.assertIn(probe["path"], open_paths)
                else:
                    self.assertNotIn("scheme", probe)

    def test_cert_manager_makes_what_is_mounted(self):
        objects = list(yaml.safe_load_all(CERT_MANAGER.read_text()))
        certificates = {found["spec"]["secretName"]: found for found in objects if found["kind"] == "Certificate"}
        leaf = certificates[CERTIFICATES["secretName"]]["spec"]
        source = (rendering.ROOT / "config" / "src" / "sections.rs").read_text()
        self.assertEqual(leaf["dnsNames"], re.findall(r'SERVER_NAME: .* = "(.+)";', source))
        self.assertLessEqual({"server auth", "client auth"}, set(leaf["usages"]))
        issuers = {found["metadata"]["name"]: found["spec"] for found in objects if found["kind"] == "Issuer"}
        authority = certificates[issuers[leaf["issuerRef"]["name"]]["ca"]["secretName"]]["spec"]
        self.assertTrue(authority["isCA"])
        # An authority that signs for others would let them in.
        self.assertNotIn("ClusterIssuer", {spec["issuerRef"]["kind"] for spec in (leaf, authority)})


class RolesTest(unittest.TestCase):
    """Each role with the overlay's environment, and certificates as cert-manager would issue them, here by openssl."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        issue(self.folder)

    def start(self, name, **changes):
        (container,) = pod_template(named(MUTUAL_TLS, "Deployment", f"orb-{name}"))["spec"]["containers"]
        files = {variable: str(self.folder / file) for variable, file in FILES.items()}
        environment = environment_of(container, MUTUAL_TLS) | files | changes
        process = processes.Process("orb", container["args"], environment, self.folder / f"{name}.log")
        self.addCleanup(process.stop)
        return process, container

    def test_they_find_each_other_and_kubelet_sees_that_they_live(self):
        etcd, etcd_process = backends.start_etcd(self.folder)
        self.addCleanup(etcd_process.stop)
        database, postgres_process = backends.start_postgres(self.folder)
        self.addCleanup(postgres_process.stop)
        grpc, probes, media, http = (processes.free_port() for _ in range(4))
        shared = {"ORB_ETCD_ENDPOINTS": etcd}
        scheduler, described = self.start(
            "scheduler",
            ORB_DATABASE_URL=database,
            ORB_GRPC_ADDR=f"127.0.0.1:{grpc}",
            ORB_SCHEDULER__ADVERTISE=f"https://127.0.0.1:{grpc}",
            ORB_SCHEDULER__HTTP_ADDR=f"127.0.0.1:{probes}",
            ORB_DISCORD_API_URL="http://127.0.0.1:9",
            **shared,
        )
        for kind in ("startupProbe", "livenessProbe"):
            url = f"http://127.0.0.1:{probes}{described[kind]['httpGet']['path']}"
            scheduler.until(lambda url=url: status(url) == 200, f"passes its {kind}")
        worker, described = self.start(
            "worker",
            ORB_WORKER__MEDIA_ADDR=f"127.0.0.1:{media}",
            ORB_WORKER__MEDIA_URL=f"https://127.0.0.1:{media}",
            TMPDIR=str(self.folder),
            **shared,
        )
        worker.until(lambda: listens(media), "listens")
        worker.until(lambda: re.search(r'"attached"', worker.output()), "is attached")
        gateway, described_gateway = self.start("gateway", ORB_HTTP_ADDR=f"127.0.0.1:{http}", **shared)
        ready = described_gateway["startupProbe"]["httpGet"]["path"]
        gateway.until(lambda: status(f"http://127.0.0.1:{http}{ready}") == 200, "is ready")
        # As kubelet asks: over TLS, without looking at the certificate and without showing one.
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            self.assertEqual(status(f"https://127.0.0.1:{media}{described[kind]['httpGet']['path']}"), 200, kind)
        self.assertEqual(status(f"https://127.0.0.1:{media}/watch/1/index.m3u8"), 403)
        self.assertIsNone(status(f"http://127.0.0.1:{media}/healthz"))
        for process in (scheduler, worker, gateway):
            self.assertNotRegex(process.output(), "means nothing here|without TLS")


def status(url):
    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    try:
        return requests.get(url, timeout=20, verify=False).status_code
    except requests.RequestException:
        return None


def issue(folder):
    """What a cert-manager Secret holds: an authority, and a certificate for the name and both uses."""
    extension = folder / "leaf.ext"
    extension.write_text(
        "subjectAltName=DNS:orb-stream\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=digitalSignature\n"
    )
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-subj", "/CN=orb-stream", "-keyout", folder / "ca.key", "-out", folder / "ca.crt",
            "-addext", "keyUsage=keyCertSign", "-days", "2")  # fmt: skip
    openssl("req", *curve, "-subj", "/", "-keyout", folder / "tls.key", "-out", folder / "leaf.csr")
    openssl("x509", "-req", "-in", folder / "leaf.csr", "-CA", folder / "ca.crt", "-CAkey", folder / "ca.key",
            "-CAcreateserial", "-days", "1", "-extfile", extension, "-out", folder / "tls.crt")  # fmt: skip


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
