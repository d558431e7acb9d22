"""The worker contract is for the bot, each part for its callers, and viewers reach the watch page alone."""

import unittest

from .network import Network, Outside, Pod
from .rendering import BASE, DEV, FOLDERS, of_kind, pod_template

HERE = "the-pool"
DISCORD = Outside("162.159.128.233")
DISCORD_V6 = Outside("2606:4700::6810:1")
PRIVATE = Outside("10.20.30.40")
METADATA = Outside("169.254.169.254")

CLIENT = (("orb-stream/client", "true"),)
BOT = Pod(HERE, CLIENT)
BOT_ELSEWHERE = Pod("bots", CLIENT, (("orb-stream/clients", "true"),))
INGRESS = Pod("ingress", (), (("orb-stream/ingress", "true"),))
COLLECTOR = Pod("observability", (), (("orb-stream/collector", "true"),))
STRANGERS = (
    Pod(HERE, (("app", "stranger"),)),
    Pod("bots", (), (("orb-stream/clients", "true"),)),
    Pod("elsewhere", CLIENT),
    Outside("203.0.113.7"),
)
PORTS = {"gateway": 8080, "scheduler": 50051, "worker": 8090, "etcd": 2379, "postgres": 5432}


class NetworkPolicyTest(unittest.TestCase):
    def setUp(self):
        self.pods = {workload["metadata"]["name"].removeprefix("orb-"): pod_of(workload) for workload in workloads(DEV)}
        self.base = Network(of_kind(BASE, "NetworkPolicy"), HERE)
        self.dev = Network(of_kind(DEV, "NetworkPolicy"), HERE)

    def test_only_these_speak_to_each_other(self):
        allowed = {
            ("gateway", "scheduler"), ("gateway", "worker"), ("worker", "scheduler"),
            ("gateway", "etcd"), ("scheduler", "etcd"), ("worker", "etcd"), ("scheduler", "postgres"),
        }  # fmt: skip
        found = {
            (source, target)
            for source in self.pods
            for target, port in PORTS.items()
            if self.dev.allows(self.pods[source], self.pods[target], port)
        }
        self.assertEqual(found, allowed)

    def test_the_contract_is_for_clients(self):
        for network in (self.base, self.dev):
            for client in (BOT, BOT_ELSEWHERE):
                self.assertTrue(network.allows(client, self.pods["gateway"], 8080))
            for stranger in STRANGERS:
                self.assertFalse(network.allows(stranger, self.pods["gateway"], 8080), stranger)

    def test_nobody_else_reaches_the_other_parts(self):
        for name in ("scheduler", "worker", "etcd", "postgres"):
            for outsider in (BOT, BOT_ELSEWHERE, INGRESS, *STRANGERS):
                self.assertFalse(self.dev.allows(outsider, self.pods[name], PORTS[name]), (outsider, name))

    def test_viewers_come_by_the_ingress_where_there_is_one(self):
        self.assertFalse(self.base.allows(INGRESS, self.pods["gateway"], 8080))
        self.assertTrue(self.dev.allows(INGRESS, self.pods["gateway"], 8080))
        (ingress,) = of_kind(DEV, "Ingress")
        self.assertNotIn("defaultBackend", ingress["spec"])
        paths = [path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]]
        self.assertEqual([path["path"] for path in paths], ["/watch/", "/assets/"])
        self.assertEqual({path["pathType"] for path in paths}, {"Prefix"})

    def test_traces_go_to_a_collector_where_there_is_one(self):
        for name in ("gateway", "scheduler", "worker"):
            self.assertFalse(self.base.allows(self.pods[name], COLLECTOR, 4317), name)
            self.assertTrue(self.dev.allows(self.pods[name], COLLECTOR, 4317), name)
            self.assertFalse(self.dev.allows(self.pods[name], STRANGERS[0], 4317), name)
        self.assertFalse(self.dev.allows(self.pods["etcd"], COLLECTOR, 4317))

    def test_the_way_out(self):
        table = [
            ("scheduler", DISCORD, 443, "TCP", True),
            ("scheduler", DISCORD_V6, 443, "TCP", True),
            ("scheduler", DISCORD, 50_001, "UDP", False),
            ("scheduler", PRIVATE, 8096, "TCP", True),
            ("scheduler", PRIVATE, 443, "TCP", False),
            ("worker", DISCORD, 443, "TCP", True),
            ("worker", DISCORD, 8443, "TCP", True),
            ("worker", DISCORD, 19_302, "UDP", True),
            ("worker", DISCORD, 50_001, "UDP", True),
            ("worker", DISCORD, 25, "TCP", False),
            ("worker", PRIVATE, 8096, "TCP", True),
            ("worker", PRIVATE, 443, "TCP", False),
            ("worker", PRIVATE, 5432, "TCP", False),
            ("worker", METADATA, 443, "TCP", False),
            ("gateway", DISCORD, 443, "TCP", False),
            ("gateway", PRIVATE, 8096, "TCP", True),
            ("gateway", PRIVATE, 443, "TCP", False),
            ("gateway", METADATA, 80, "TCP", False),
            ("postgres", DISCORD, 443, "TCP", False),
        ]
        for name, target, port, protocol, expected in table:
            self.assertEqual(self.dev.allows(self.pods[name], target, port, protocol), expected, (name, target, port))
        for name, pod in self.pods.items():
            self.assertTrue(self.dev.allows(pod, PRIVATE, 53, "UDP"), f"{name} finds names")

    def test_every_port_named_is_one_that_somebody_listens_on(self):
        for folder in FOLDERS:
            listening = {
                (port["containerPort"], port.get("protocol", "TCP"))
                for workload in workloads(folder)
                for container in pod_template(workload)["spec"]["containers"]
                for port in container["ports"]
            }
            for policy in of_kind(folder, "NetworkPolicy"):
                for rule in policy["spec"].get("ingress", []):
                    self.assertTrue(rule.get("ports"), "an opening names its ports")
                    for port in rule["ports"]:
                        self.assertIn((port["port"], port["protocol"]), listening, policy["metadata"]["name"])

    def test_no_pod_is_left_out(self):
        for folder in FOLDERS:
            for workload in workloads(folder):
                nobody = Network(of_kind(folder, "NetworkPolicy"), HERE)
                self.assertFalse(nobody.allows(STRANGERS[0], pod_of(workload), 9999))
                self.assertFalse(nobody.allows(pod_of(workload), PRIVATE, 9999))


def workloads(folder):
    return of_kind(folder, "Deployment", "StatefulSet")


def pod_of(workload):
    return Pod(HERE, tuple(pod_template(workload)["metadata"]["labels"].items()))
