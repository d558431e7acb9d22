"""compose.yaml, as Docker Compose reads it."""

import unittest

from . import rendering
from .rendering import compose, role

CONTRACT_ALIAS = "orb-stream-worker"
FRONT = {"single": "orb", "cluster": "gateway"}
CLUSTER = {"gateway", "scheduler-1", "scheduler-2", "worker-1", "worker-2", "etcd", "postgres"}


class ComposeTest(unittest.TestCase):
    def test_each_profile_has_its_services(self):
        self.assertEqual(set(compose("single")["services"]), {"orb"})
        self.assertEqual(set(compose("cluster")["services"]), CLUSTER)

    def test_the_bot_finds_the_contract_where_it_always_was(self):
        for profile, front in FRONT.items():
            services = compose(profile)["services"]
            self.assertEqual([name for name in services if CONTRACT_ALIAS in aliases(services[name])], [front])
            # The image listens at 8080; the bot's own compose file joins this network by its name.
            self.assertNotIn("ORB_HTTP_ADDR", services[front]["environment"])
            self.assertEqual(compose(profile)["networks"]["default"]["name"], "orb-stream")

    def test_only_this_machine_reaches_the_api(self):
        for profile, front in FRONT.items():
            for name, service in compose(profile)["services"].items():
                published = [(port["host_ip"], port["target"]) for port in service.get("ports", [])]
                self.assertEqual(published, [("127.0.0.1", 8080)] if name == front else [], name)

    def test_every_service_is_watched_and_starts_again(self):
        for profile in FRONT:
            for name, service in compose(profile)["services"].items():
                self.assertIn("test", service["healthcheck"], name)
                self.assertEqual(service["restart"], "unless-stopped", name)
                self.assertRegex(service["image"], r":v?\d+\.\d+(\.\d+)?$", name)

    def test_orb_is_fenced_in_and_has_time_to_drain(self):
        for name, service in orb_services():
            self.assertTrue(service["read_only"], name)
            self.assertEqual(service["cap_drop"], ["ALL"], name)
            self.assertIn("no-new-privileges:true", service["security_opt"], name)
            time = rendering.seconds(service["stop_grace_period"])
            self.assertGreaterEqual(time, rendering.drain_grace_seconds() + 5, name)
            if role(service) in ("worker", "up"):
                self.assertIn("/tmp", {volume["target"] for volume in service["volumes"]}, name)

    def test_the_database_outlives_the_container(self):
        kept = [("single", "orb", "/var/lib/orb"), ("cluster", "postgres", "/var/lib/postgresql/data")]
        for profile, name, folder in kept:
            volumes = compose(profile)["services"][name]["volumes"]
            self.assertTrue(any(mount["target"] == folder and mount.get("source") for mount in volumes), name)

    def test_workers_are_apart_and_reached_at_their_own_address(self):
        workers = {name: found for name, found in compose("cluster")["services"].items() if name.startswith("worker")}
        for name, worker in workers.items():
            environment = worker["environment"]
            self.assertEqual(environment["ORB_WORKER_ID"], name)
            self.assertEqual(environment["ORB_WORKER__MEDIA_URL"], f"http://{name}:8090")
            self.assertEqual(environment["ORB_WORKER__MEDIA_ADDR"], "0.0.0.0:8090")
            self.assertNotIn("ORB_DISCORD_TOKENS", environment)

    def test_what_is_set_arrives(self):
        services = compose("cluster", POSTGRES_PASSWORD="p4", ORB_JELLYFIN_API_KEY="k3")["services"]
        scheduler = services["scheduler-2"]["environment"]
        self.assertEqual(scheduler["ORB_DATABASE_URL"], "postgres://orb:p4@postgres:5432/orb")
        self.assertEqual(scheduler["ORB_SCHEDULER__ADVERTISE"], "http://scheduler-2:50051")
        self.assertEqual(services["worker-2"]["environment"]["ORB_JELLYFIN_API_KEY"], "k3")
        self.assertEqual(services["postgres"]["environment"]["POSTGRES_PASSWORD"], "p4")

    def test_gateways_and_schedulers_have_the_library(self):
        given = {"ORB_JELLYFIN_URL": "http://j:8096", "ORB_JELLYFIN_API_KEY": "k3", "ORB_JELLYFIN__USER": "anna"}
        for profile, name in (("single", "orb"), ("cluster", "gateway"), ("cluster", "scheduler-2")):
            environment = compose(profile, **given)["services"][name]["environment"]
            self.assertEqual({key: environment[key] for key in given}, given, name)

    def test_all_that_send_pictures_know_how_much_at_most(self):
        given = {"ORB_WORKER__GOLIVE_KBITS_PER_SECOND": "2500"}
        for profile, name in (("single", "orb"), ("cluster", "worker-1"), ("cluster", "worker-2")):
            environment = compose(profile, **given)["services"][name]["environment"]
            self.assertEqual({key: environment[key] for key in given}, given, name)

    def test_what_is_missing_is_named(self):
        for missing in ("ORB_API_TOKENS", "ORB_DISCORD_TOKENS"):
            given = {"ORB_API_TOKENS": "a", "ORB_DISCORD_TOKENS": "d"}
            del given[missing]
            refused = rendering.compose_config("single", given)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn(missing, refused.stderr)


def aliases(service):
    return (service["networks"]["default"] or {}).get("aliases", [])


def orb_services():
    for profile in FRONT:
        for name, service in compose(profile)["services"].items():
            if service["image"].startswith("orb-stream:"):
                yield name, service
