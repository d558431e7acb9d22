"""The picture into voice channels: of an installation that did not turn it on there is none, whatever is asked for; of one
that did, a member of the channel sees it."""

import time
import unittest

import requests

import processes

IDS = {"guildId": "8001", "voiceChannelId": "8101", "textChannelId": "8201"}


class Off(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.orb = processes.start_up(processes.folder() / "golive", accounts="one,two,three")
        cls.addClassCleanup(lambda: cls.orb.stop())

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.orb.token}"}
        return requests.request(method, self.orb.url + path, json=body, headers=headers, timeout=30)

    def test_capabilities_say_that_it_is_off_and_why(self):
        outputs = self.call("GET", "/api/v1/capabilities").json()["outputs"]
        self.assertEqual([output["name"] for output in outputs], ["voice", "watch", "golive"])
        self.assertEqual([output["available"] for output in outputs], [True, True, False])
        self.assertRegex(outputs[2]["reason"], "ORB_GOLIVE")

    def test_no_call_of_any_api_turns_it_on(self):
        asked = self.call("POST", "/api/v1/parties", IDS | {"id": "asked", "goLive": True})
        self.assertEqual((asked.status_code, asked.json()["code"], asked.json()["field"]), (409, "golive_off", "goLive"))
        self.assertEqual(self.call("GET", "/api/v1/parties/asked").status_code, 404)

        contract = {"sessionId": "contract", "goLive": True, "go_live": True, "golive": "accept-account-risk"}
        self.assertEqual(self.call("POST", "/sessions", IDS | contract).status_code, 201)
        silent = self.call("POST", "/api/v1/parties", IDS | {"id": "silent", "guildId": "8002"})
        self.assertEqual(silent.status_code, 201)

        # Every call that there is, about a party that is there, with all the words there are.
        document = self.call("GET", "/api/openapi.json").json()
        words = contract | {"goLive": True, "capabilities": ["golive"], "action": "resume"}
        tried = 0
        for path, item in document["paths"].items():
            if "{id}" not in path or path.endswith("/stop"):
                continue
            for method in item.keys() & {"post", "put", "patch"}:
                tried += 1
                concrete = path.replace("{id}", "silent").replace("{entryId}", "1")
                self.assertLess(self.call(method.upper(), concrete, words).status_code, 500, path)
        self.assertGreater(tried, 8)
        self.assertEqual(self.call("POST", "/api/v1/parties", IDS | {"id": "silent", "guildId": "8002", "goLive": True})
                         .status_code, 409)

        for party in ("contract", "silent"):
            shown = self.call("GET", f"/api/v1/parties/{party}").json()
            self.assertEqual(shown["capabilities"], ["voice", "watch"])
            self.assertIs(shown["goLive"], False)
            self.assertNotIn("picture", shown)
            events = self.call("GET", f"/api/v1/parties/{party}/events").json()["events"]
            self.assertFalse([event for event in events if event["type"].startswith("golive")])
        record = requests.get(f"{self.orb.discord.url}/_sim/record", timeout=30).text
        self.assertIn("voice_state_request", record, "what the accounts sent is in it")
        self.assertNotIn("stream_request", record)


class On(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.where = processes.folder() / "golive-on"
        cls.discord = processes.DiscordSim(cls.where)
        cls.addClassCleanup(cls.discord.stop)
        cls.start()
        cls.addClassCleanup(lambda: cls.orb.stop())

    @classmethod
    def start(cls):
        environment = {
            "ORB_DATABASE_URL": f"sqlite://{cls.where}/orb.db",
            "ORB_DISCORD_API_URL": cls.discord.url,
            "ORB_DISCORD_CA": cls.discord.ca,
            "ORB_DISCORD_TOKENS": "one",
            "ORB_GOLIVE": "accept-account-risk",
            # By their beginning the simulator knows the tokens of people.
            "ORB_DISCORD__GOLIVE_TOKENS": "user.two",
            "ORB_JELLYFIN_URL": processes.jellyfin_sim().url,
            "ORB_JELLYFIN_API_KEY": processes.jellyfin_sim().api_key,
        }
        cls.orb = processes.Orb("up", cls.where, environment)

    def call(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.orb.token}"}
        answer = requests.request(method, f"{self.orb.url}/api/v1{path}", json=body, headers=headers, timeout=30)
        self.assertLess(answer.status_code, 300, answer.text)
        return answer.json()

    def until(self, what, condition):
        deadline = time.monotonic() + 60
        while not (found := condition()):
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)
        return found

    def seen(self):
        """What a member of the channel saw, over all connections."""
        connections = requests.get(f"{self.discord.url}/_sim/seen?guild=8001", timeout=30).json()["connections"]
        counters = [connection["counters"] for connection in connections]
        return {name: sum(each[name] for each in counters) for name in ("pictures", "decodable", "in_the_clear")}

    def test_a_member_sees_the_film_also_after_a_restart(self):
        self.until("it can", lambda: all(output["available"] for output in self.call("GET", "/capabilities")["outputs"]))
        party = self.call("POST", "/parties", IDS | {"id": "live", "goLive": True})
        self.assertIs(party["goLive"], True)
        film = processes.jellyfin_sim().stream_url.rsplit("/", 2)[1]
        self.call("POST", "/parties/live/queue", {"itemIds": [film]})
        self.call("POST", "/parties/live/play")
        self.until("two seconds of film", lambda: self.seen()["decodable"] > 48)
        picture = self.until("it shows", lambda: self.call("GET", "/parties/live").get("picture"))
        self.assertGreater(picture["width"] * picture["height"], 0)

        # A party without one has a bot beside it, in the same guild.
        self.assertIs(self.call("POST", "/parties", IDS | {"id": "plain"})["goLive"], False)

        self.orb.kill()
        before = self.seen()["decodable"]
        self.start()
        self.until("the picture is back", lambda: self.seen()["decodable"] > before + 48)
        seen = self.seen()
        self.assertEqual(seen["in_the_clear"], 0)
        self.assertEqual(self.call("GET", "/parties/live")["capabilities"], ["voice", "watch", "golive"])
        self.call("POST", "/parties/live/stop")
        self.until("the stream ends", lambda: not self.streams())

    def streams(self):
        return requests.get(f"{self.discord.url}/_sim/streams?guild=8001", timeout=30).json()["streams"]


if __name__ == "__main__":
    unittest.main()
