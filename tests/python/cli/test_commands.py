"""The commands against `orb demo`, as somebody without a bot would use them: a party from its making to its end."""

import json
import time
import unittest

from cli import commands
import processes

PATIENCE_SECONDS = 30


class CommandsTest(unittest.TestCase):
    def setUp(self):
        self.orb = processes.demo()
        self.environment = {"ORB_SERVER": self.orb.url, "ORB_API_TOKENS": f"{self.orb.token},another"}

    def run_orb(self, *arguments):
        return commands.run(*arguments, environment=self.environment)

    def says(self, *arguments):
        ended = self.run_orb(*arguments)
        self.assertEqual(ended.returncode, 0, f"{arguments}: {ended.stderr}")
        return ended.stdout

    def json(self, *arguments):
        return json.loads(self.says(*arguments, "--json"))

    def until_state(self, *states):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (party := self.json("party", "show"))["playbackState"] not in states:
            self.assertLess(time.monotonic(), deadline, party)
        return party

    def waiting(self):
        queue = self.json("party", "queue", "list")
        return [entry["entryId"] for entry in queue["entries"] if entry["status"] == "queued"]

    def test_a_party_from_its_making_to_its_end(self):
        ids = ("--guild", "81", "--voice-channel", "82", "--text-channel", "83")
        made = self.json("party", "create", *ids, "--title", "From the terminal", "--at-queue-end", "leave")
        self.assertEqual((made["status"], made["atQueueEnd"]), ("draft", "leave"))
        self.environment["ORB_PARTY"] = made["id"][:10]
        self.assertIn("From the terminal", self.says("party", "list"))
        self.addCleanup(self.run_orb, "party", "end")

        # Nothing to play yet.
        refused = self.run_orb("party", "play")
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"^orb: .*\(queue_empty\)\n$")

        film = self.json("library", "search", "clock")["items"][0]
        self.assertEqual(self.json("library", "show", film["id"])["title"], film["title"])
        self.says("party", "queue", "add", "--search", "clock")
        added = self.json("party", "queue", "add", film["id"], film["id"])["added"]
        first, second, third = self.waiting()
        self.assertEqual(added, [second, third])
        next_one = self.json("party", "queue", "next", film["id"])["added"][0]
        self.says("party", "queue", "move", str(first), "4")
        self.assertEqual(self.waiting(), [next_one, second, third, first])
        self.says("party", "queue", "reorder", str(first), str(third))
        self.assertEqual(self.waiting(), [first, third, next_one, second])
        self.says("party", "queue", "remove", str(third), str(next_one))
        self.assertEqual(self.waiting(), [first, second])

        self.says("party", "play")
        self.assertEqual(self.until_state("playing")["entryId"], first)
        self.says("party", "pause")
        self.until_state("paused")
        self.says("party", "seek", "1:00")
        self.says("party", "seek", "-10")
        self.assertAlmostEqual(self.until_state("paused")["positionMs"], 50_000, delta=200)
        self.assertEqual(self.run_orb("party", "seek", "2:00:00").returncode, 1)
        self.says("party", "resume")
        self.assertIn("The Clock", self.says("party", "status"))
        self.says("party", "skip")
        self.assertEqual(self.until_state("playing")["entryId"], second)
        self.says("party", "previous")
        self.assertEqual(self.until_state("playing")["entryId"], first)
        self.assertEqual(self.waiting(), [second])
        self.says("party", "queue", "clear")
        self.assertEqual(self.waiting(), [])

        events = self.json("party", "events", "--limit", "500")["events"]
        calls = [event["type"] for event in events if event["actor"] == "cli"]
        self.assertEqual(calls[0], "created")
        self.assertTrue({"pause", "seek", "resume", "skip", "previous", "queue_added", "queue_cleared"} <= set(calls), calls)
        self.assertIn("queue_cleared", self.says("party", "events", "--after", str(events[-3]["id"])))

        self.says("party", "stop")
        self.says("party", "end")
        self.assertEqual(self.json("party", "show")["playbackState"], "stopped")

    def test_workers(self):
        worker = self.json("workers")["workers"][0]
        self.assertRegex(self.says("workers"), rf"(?m)^{worker['id']} +ready ")
        refused = self.run_orb("workers", "drain", "no-such-worker")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("worker_not_found", refused.stderr)

    def test_a_refused_token_names_its_variable(self):
        self.environment["ORB_API_TOKENS"] = "wrong-one"
        refused = self.run_orb("party", "list")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("token of ORB_API_TOKENS", refused.stderr)
        self.assertNotIn("wrong-one", refused.stderr)
