"""The picture into voice channels, of an installation that did not turn it on: whatever is asked for, there is none."""

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


if __name__ == "__main__":
    unittest.main()
