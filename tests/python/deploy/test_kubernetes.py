"""Manifests: valid for the versions named, and fit for a cluster that trusts nobody."""

import copy
import re
import unittest

import kubernetes_validate

from . import rendering
from .rendering import BASE, DEV, FOLDERS, containers, is_orb, named, of_kind, pod_template, rendered, role

SECRET_NAME = re.compile(r"TOKEN|KEY|PASSWORD|SECRET|DATABASE_URL")

#: Variables that name a file, which is in a Secret.
FILES = {"ORB_TLS__CA": "ca.crt", "ORB_TLS__CERT": "tls.crt", "ORB_TLS__KEY": "tls.key"}

#: The only Secret that is mounted, where it is.
CERTIFICATES = {"secretName": "orb-tls", "defaultMode": 0o440}

#: What each role may be given of the Secret. Workers hold no bot token.
SECRETS = {
    "gateway": {"ORB_API_TOKENS", "ORB_JELLYFIN_API_KEY", "ORB_SCHEDULER__TOKEN"},
    "scheduler": {
        "ORB_DATABASE_URL",
        "ORB_DISCORD_TOKENS",
        "ORB_DISCORD__GOLIVE_TOKENS",
        "ORB_JELLYFIN_API_KEY",
        "ORB_SCHEDULER__TOKEN",
    },
    "worker": {"ORB_JELLYFIN_API_KEY", "ORB_SCHEDULER__TOKEN"},
}


class SchemaTest(unittest.TestCase):
    def test_every_object_is_valid(self):
        for folder in FOLDERS:
            for version in rendering.KUBERNETES_VERSIONS:
                for found in rendered(folder):
                    with self.subTest(folder=folder.name, kind=found["kind"], name=found["metadata"]["name"]):
                        kubernetes_validate.validate(found, version, strict=True)

    def test_the_judge_sees_a_wrong_field(self):
        wrong = copy.deepcopy(named(BASE, "Deployment", "orb-gateway"))
        pod_template(wrong)["spec"]["containers"][0]["livenesProbe"] = {}
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, rendering.KUBERNETES_VERSIONS[-1], strict=True)


class ContainerPolicyTest(unittest.TestCase):
    def check_each(self, check):
        for folder in FOLDERS:
            for _, pod, container in containers(folder):
                with self.subTest(folder=folder.name, container=container["name"]):
                    check(pod, container)

    def test_all_three_probes_ask_a_port_that_is_there(self):
        def check(_, container):
            names = {port["name"] for port in container["ports"]}
            numbers = {port["containerPort"] for port in container["ports"]}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container[kind]
                asked = probe.get("httpGet") or probe.get("grpc") or probe.get("tcpSocket")
                if asked:
                    self.assertIn(asked["port"], names | numbers, kind)
                else:
                    self.assertIn("exec", probe, kind)

        self.check_each(check)

    def test_orb_is_alive_by_one_path_and_ready_by_another(self):
        def check(_, container):
            if is_orb(container):
                asked = {kind: container[kind]["httpGet"]["path"] for kind in ("livenessProbe", "readinessProbe")}
                self.assertEqual(asked, {"livenessProbe": "/healthz", "readinessProbe": "/readyz"})

        self.check_each(check)

    def test_nobody_is_root_and_nothing_is_writable(self):
        def check(pod, container):
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertGreater(pod["securityContext"]["runAsUser"], 0)
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            own = container["securityContext"]
            self.assertTrue(own["readOnlyRootFilesystem"])
            self.assertFalse(own["allowPrivilegeEscalation"])
            self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
            self.assertNotIn("privileged", own)
            for forbidden in ("hostNetwork", "hostPID", "hostIPC"):
                self.assertNotIn(forbidden, pod)
            self.assertFalse(pod["automountServiceAccountToken"])
            for volume in pod.get("volumes", []):
                if "secret" in volume:
                    self.assertEqual(volume, {"name": "tls", "secret": CERTIFICATES})
                else:
                    self.assertLessEqual(volume.keys(), {"name", "emptyDir"})
            for mount in container.get("volumeMounts", []):
                self.assertTrue(mount["name"] != "tls" or mount["readOnly"])

        self.check_each(check)

    def test_resources_are_asked_for_and_memory_is_limited(self):
        def check(_, container):
            resources = container["resources"]
            self.assertLessEqual({"cpu", "memory"}, resources["requests"].keys())
            self.assertIn("memory", resources["limits"])
            if is_orb(container):
                # Throttling would make a worker late and a leader step down.
                self.assertNotIn("cpu", resources["limits"])

        self.check_each(check)

    def test_images_have_a_version(self):
        def check(_, container):
            self.assertRegex(container["image"], r":v?\d+\.\d+(\.\d+)?$")

        self.check_each(check)

    def test_no_service_becomes_a_variable(self):
        def check(pod, _):
            # A Service orb-scheduler would set ORB_SCHEDULER_PORT and its like in every pod.
            self.assertFalse(pod["enableServiceLinks"])

        self.check_each(check)

    def test_what_is_written_to_is_a_volume(self):
        def check(_, container):
            if is_orb(container) and role(container) == "worker":
                temporary = {variable["name"]: variable.get("value") for variable in container["env"]}["TMPDIR"]
                self.assertIn(temporary, {mount["mountPath"] for mount in container["volumeMounts"]})

        self.check_each(check)


class SecretsTest(unittest.TestCase):
    def test_no_secret_is_in_the_repository(self):
        for folder in FOLDERS:
            self.assertEqual(of_kind(folder, "Secret"), [])
            for config in of_kind(folder, "ConfigMap"):
                for name, value in config["data"].items():
                    self.assertNotRegex(name, SECRET_NAME)
                    self.assertNotRegex(value, r"//[^/]*:[^/]*@", f"{name} has a password in its URL")
            for _, _, container in containers(folder):
                for variable in container.get("env", []):
                    if variable["name"] in FILES:
                        self.assertEqual(variable["value"], f"/etc/orb/tls/{FILES[variable['name']]}")
                    elif SECRET_NAME.search(variable["name"]):
                        self.assertIn("secretKeyRef", variable.get("valueFrom", {}), variable["name"])

    def test_examples_are_empty(self):
        for example in (rendering.DEPLOY / "env.example", BASE / "secrets.env.example"):
            for line in example.read_text().splitlines():
                name, _, value = line.partition("=")
                if not line.startswith("#") and SECRET_NAME.search(name):
                    self.assertEqual(value, "", f"{name} in {example.name}")

    def test_the_example_names_every_key_that_is_asked_for(self):
        lines = (BASE / "secrets.env.example").read_text().splitlines()
        offered = {line.partition("=")[0] for line in lines if line and not line.startswith("#")}
        asked = set()
        for folder in FOLDERS:
            for _, _, container in containers(folder):
                asked |= {key for name, key in secret_keys(container) if name == "orb-secrets"}
        self.assertEqual(asked, offered)

    def test_each_role_gets_its_own_secrets_and_no_more(self):
        for _, _, container in containers(BASE):
            self.assertEqual({key for _, key in secret_keys(container)}, SECRETS[role(container)])


class OperationTest(unittest.TestCase):
    def test_a_pod_has_time_to_drain(self):
        grace = rendering.drain_grace_seconds()
        for _, pod, container in containers(BASE):
            wait = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            self.assertGreaterEqual(pod["terminationGracePeriodSeconds"], wait + grace + 5, container["name"])

    def test_updates_and_disruptions_take_one_at_a_time(self):
        for workload in of_kind(BASE, *rendering.POD_OWNERS):
            name = workload["metadata"]["name"]
            self.assertGreater(workload["spec"]["replicas"], 1)
            self.assertEqual(workload["spec"]["strategy"]["rollingUpdate"], {"maxSurge": 1, "maxUnavailable": 0})
            budget = named(BASE, "PodDisruptionBudget", name)["spec"]
            self.assertEqual(budget["maxUnavailable"], 1)
            self.assertEqual(budget["selector"], workload["spec"]["selector"])
            spread = pod_template(workload)["spec"]["topologySpreadConstraints"]
            self.assertIn("kubernetes.io/hostname", {constraint["topologyKey"] for constraint in spread})
            for constraint in spread:
                self.assertEqual(constraint["labelSelector"], workload["spec"]["selector"])

    def test_selectors_find_their_pods(self):
        for folder in FOLDERS:
            templates = [pod_template(workload) for workload in of_kind(folder, *rendering.POD_OWNERS)]
            for service in of_kind(folder, "Service"):
                with self.subTest(folder=folder.name, service=service["metadata"]["name"]):
                    wanted = service["spec"]["selector"].items()
                    found = [template for template in templates if wanted <= template["metadata"]["labels"].items()]
                    self.assertEqual(len(found), 1, "a Service leads to one kind of pod")
                    ports = {port["name"] for port in found[0]["spec"]["containers"][0]["ports"]}
                    self.assertLessEqual({port["targetPort"] for port in service["spec"]["ports"]}, ports)
                    self.assertNotIn(service["spec"].get("type"), ("NodePort", "LoadBalancer"))

    def test_the_bot_finds_the_contract_where_it_always_was(self):
        service = named(BASE, "Service", "orb-stream-worker")["spec"]
        self.assertEqual([port["port"] for port in service["ports"]], [8080])
        self.assertEqual(service["selector"]["app.kubernetes.io/component"], "gateway")

    def test_a_worker_admits_what_it_asked_for(self):
        (container,) = pod_template(named(BASE, "Deployment", "orb-worker"))["spec"]["containers"]
        variables = {variable["name"]: variable.get("valueFrom") for variable in container["env"]}
        self.assertEqual(
            variables["ORB_WORKER__CAPACITY_MILLICORES"]["resourceFieldRef"],
            {"containerName": "worker", "resource": "requests.cpu", "divisor": "1m"},
        )

    def test_what_a_variable_refers_to_comes_before_it(self):
        for folder in FOLDERS:
            for _, _, container in containers(folder):
                known = set()
                for variable in container.get("env", []):
                    # Kubernetes leaves a reference to what comes later as it is written.
                    self.assertLessEqual(set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))), known)
                    known.add(variable["name"])

    def test_the_base_names_no_namespace(self):
        self.assertEqual([found for found in rendered(BASE) if "namespace" in found["metadata"]], [])
        self.assertEqual(of_kind(BASE, "Namespace", "Ingress"), [])

    def test_dev_brings_what_the_base_expects(self):
        (config,) = of_kind(DEV, "ConfigMap")
        host, port = re.fullmatch(r"http://(.+):(\d+)", config["data"]["ORB_ETCD_ENDPOINTS"]).groups()
        self.assertEqual([entry["port"] for entry in named(DEV, "Service", host)["spec"]["ports"]], [int(port)])
        named(DEV, "Service", "postgres")


def secret_keys(container):
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        if reference:
            yield reference["name"], reference["key"]
