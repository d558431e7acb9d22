"""Clients that do not know of each other, that send twice, and that lose their connection: against a real `orb up`."""

import concurrent.futures
import unittest

import processes

from .client import Listener, Party


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.where = processes.folder() / "clients"
        cls.orb = processes.start_up(cls.where, accounts="one,two,three,four")
        cls.addClassCleanup(lambda: cls.orb.stop())

    def party(self, name, guild):
        party = Party(self.orb, name, guild)
        self.assertEqual(party.create().status_code, 201)
        return party

    def test_a_call_that_is_sent_again_is_carried_out_once(self):
        party = self.party("twice", "7001")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: Party(self.orb, "twice", "7001").add(2, key="add-1"), range(8)))
        self.assertEqual({answer.status_code for answer in answers}, {201})
        self.assertEqual([answer.json()["added"] for answer in answers], [[1, 2]] * 8)
        self.assertEqual(party.waiting(), [1, 2])
        # The key of another request is not this one.
        refused = party.add(3, key="add-1")
        self.assertEqual((refused.status_code, refused.json()["code"]), (409, "command_id_reused"))
        self.assertEqual(sum(event["type"] == "queue_added" for event in party.all_events()), 1)

        unnamed = {name: value for name, value in party.creation.items() if name != "id"} | {"guildId": "7002"}
        made = [party.call("POST", "", unnamed, key="create-1") for _ in range(2)]
        self.assertEqual(made[0].json()["id"], made[1].json()["id"])

    def test_of_editors_at_once_none_loses_an_edit(self):
        self.party("edited", "7003")
        editors, edits = 4, 8

        def edit(number):
            party, refused = Party(self.orb, "edited", "7003"), 0
            for _ in range(edits):
                while True:
                    tag = party.queue().headers["ETag"]
                    answer = party.add(if_match=tag)
                    if answer.status_code == 201:
                        break
                    self.assertEqual((answer.status_code, answer.json()["code"]), (412, "queue_changed"))
                    refused += 1
                    # Whoever is refused lost against another's edit: there are not that many.
                    self.assertLess(refused, 10 * editors * edits)
            return refused

        with concurrent.futures.ThreadPoolExecutor(editors) as pool:
            refused = sum(pool.map(edit, range(editors)))
        self.assertGreater(refused, 0, "nobody was in anybody's way")
        party = Party(self.orb, "edited", "7003")
        self.assertEqual(party.waiting(), list(range(1, editors * edits + 1)))
        # Without a look at the queue there is nothing to compare; an order of what does not wait is refused still.
        answer = party.call("PUT", "/edited/queue/order", {"entryIds": [1, 2]})
        self.assertEqual((answer.status_code, answer.json()["code"]), (409, "queue_changed"))

    def test_who_comes_back_misses_nothing(self):
        party = self.party("resumed", "7004")
        listener = Listener(party)
        listener.wait(lambda heard: heard.states)
        party.add(2)
        party.call("POST", "/resumed/play")
        listener.wait(lambda heard: any(row["type"] == "play" for row in heard.rows))
        listener.wait(lambda heard: heard.states[-1]["playbackState"] == "playing")
        self.orb.kill()
        listener.thread.join(processes.STOP_WITHIN_SECONDS)
        self.assertFalse(listener.thread.is_alive())
        heard = listener.rows

        type(self).orb = processes.start_up(self.where, accounts="one,two,three,four", discord=self.orb.discord)
        party = Party(self.orb, "resumed", "7004")
        # Happens before it is back.
        self.assertEqual(party.add(key="while-away").status_code, 201)
        listener = Listener(party, heard[-1]["id"])
        listener.wait(lambda heard: any(row["type"] == "queue_added" for row in heard.rows))
        ended = party.call("DELETE", "/resumed")
        self.assertIn(ended.status_code, (200, 202))
        listener.wait(lambda heard: heard.states[-1]["playbackState"] == "stopped")
        last = party.all_events()[-1]["id"]
        listener.wait(lambda heard: heard.rows[-1]["id"] >= last)
        heard = heard + listener.rows
        behind = [event for event in party.all_events() if event["id"] >= heard[0]["id"]]
        self.assertEqual(heard[: len(behind)], behind)
        self.assertTrue(all(event["cause"] and event["actor"] for event in behind), behind)


if __name__ == "__main__":
    unittest.main()
