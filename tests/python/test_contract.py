"""The worker contract, as the bot uses it, against `orb up` and against `orb demo`."""

import itertools
import pathlib
import time
import unittest

import processes
from contract_client import ContractClient, Refused

#: A film's length as it was made, and how far a container's rounding may be from it.
LENGTH_TOLERANCE_SECONDS = 1

#: Media time that may pass between a request and the status that answers it, besides the wall time measured.
POSITION_TOLERANCE_MS = 500

session_numbers = itertools.count(1)


class ContractTests:
    """What holds for every way to run the program. `start` gives the process to test."""

    @staticmethod
    def start():
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.orb = cls.start()
        cls.client = ContractClient(cls.orb.url, cls.orb.token)

    def setUp(self):
        # A guild of its own for each test: the accounts of one guild are few.
        number = next(session_numbers)
        self.session = f"{type(self).__name__}-{number}"
        self.guild = str(1000 + number)
        self.addCleanup(self.leave_the_channel)
        self.addCleanup(self.orb.clear_faults)

    def leave_the_channel(self):
        """Else each test's film would play on and take the next one's processor time."""
        try:
            self.client.control(self.session, "stop")
        except Refused as refused:
            self.assertEqual(refused.status_code, 404)

    def item(self, entry, **playback):
        """A body of `play`, as the bot sends it."""
        return {
            "queueEntryId": entry,
            "jellyfinSourceId": "abc123",
            "title": f"Title {entry}",
            "mediaType": "movie",
            "playback": {
                "itemId": f"item-{entry}",
                "sourceId": "abc123",
                "title": f"Title {entry}",
                "mediaType": "movie",
                "streamUrl": self.orb.stream_url,
                "downloadUrl": None,
                "durationSeconds": None,
                "posterUrl": None,
                "year": "2024",
                "tmdbId": "1234",
                "imdbId": "tt1234567",
                "episode": None,
            }
            | playback,
        }

    def create(self):
        status = self.client.create(self.session, self.guild)
        self.assertEqual(status.http_status, 201)
        return status

    def play(self, entry=1, **playback):
        """Creates the session, plays, and waits until it does."""
        self.create()
        self.client.play(self.session, self.item(entry, **playback))
        return self.client.wait_until_it_grows(self.session, seconds=1)

    def refused(self, status_code, call, *arguments):
        with self.assertRaises(Refused) as caught:
            call(self.session, *arguments)
        self.assertEqual(caught.exception.status_code, status_code, caught.exception)
        return caught.exception

    def control(self, body, until):
        """A control call whose effect is awaited also where it answers 202."""
        status = self.client.control(self.session, body)
        return status if until(status) else self.client.wait_until(self.session, f"done: {body}", until)

    def test_the_whole_path(self):
        status = self.create()
        self.assertEqual((status.state, status["currentTitle"], status.position_ms), ("idle", None, 0))

        status = self.client.play(self.session, self.item(12))
        self.assertIn(status.state, {"loading", "playing"})
        self.assertEqual(status["currentTitle"], "Title 12")
        status = self.client.wait_until_it_grows(self.session, seconds=3)
        self.assertEqual((status["workerStatus"], status["lastError"]), ("connected", None))
        self.assertIsNotNone(status["durationSeconds"])
        self.assertGreater(status["durationSeconds"], 30)

        paused = self.control("pause", lambda status: status.state == "paused")
        time.sleep(1.5)
        later = self.client.get(self.session)
        self.assertEqual(later.state, "paused")
        self.assertAlmostEqual(later.position_ms, paused.position_ms, delta=100)

        self.control("resume", lambda status: status.state == "playing")
        status = self.client.wait_until_it_grows(self.session)
        self.assertGreater(status.position_ms, paused.position_ms)

        asked = time.monotonic()
        status = self.control(
            {"action": "seek", "positionSeconds": 30},
            lambda status: status.state == "playing" and status["positionSeconds"] >= 29,
        )
        passed_ms = 1000 * (time.monotonic() - asked)
        self.assertGreaterEqual(status.position_ms, 30_000 - POSITION_TOLERANCE_MS)
        self.assertLessEqual(status.position_ms, 30_000 + passed_ms + POSITION_TOLERANCE_MS)
        self.client.wait_until_it_grows(self.session)

        status = self.control("skip", lambda status: status.state == "ended")
        self.assertEqual((status["endReason"], status["queueEntryId"]), ("skipped", 12))

        self.client.play(self.session, self.item(13))
        status = self.client.wait_until_it_grows(self.session)
        self.assertEqual((status["currentTitle"], status["endReason"]), ("Title 13", None))
        self.assertLess(status["positionSeconds"], 30)

        status = self.control("stop", lambda status: status.state == "stopped")
        self.assertEqual(status["endReason"], "stopped")
        self.client.wait_until(
            self.session, "out of the channel", lambda status: status["workerStatus"] == "disconnected"
        )

    def test_creating_again_is_harmless(self):
        created = self.create()
        again = self.client.create(self.session, self.guild)
        self.assertEqual(again.http_status, 200)
        self.assertEqual(again["workerSessionId"], created["workerSessionId"])
        other_text = self.client.create(self.session, self.guild, text_channel_id="444")
        self.assertEqual(other_text.http_status, 200)
        self.refused(409, self.client.create, self.guild, "777")
        self.refused(409, self.client.create, str(int(self.guild) + 5000))
        self.assertEqual(self.client.get(self.session).state, "idle")

    def test_position_is_media_time(self):
        self.play()
        first, began = self.client.get(self.session), time.monotonic()
        time.sleep(5)
        second, ended = self.client.get(self.session), time.monotonic()
        wall_ms = 1000 * (ended - began)
        self.assertAlmostEqual(second.position_ms - first.position_ms, wall_ms, delta=POSITION_TOLERANCE_MS)

    def test_seeks_while_playing_and_while_paused(self):
        self.play()
        for seconds in (40, 3, 25.5):
            with self.subTest(seconds=seconds):
                asked = time.monotonic()
                status = self.client.seek(self.session, seconds)
                self.assertEqual(status.http_status, 200)
                passed_ms = 1000 * (time.monotonic() - asked)
                self.assertGreaterEqual(status.position_ms, 1000 * seconds - POSITION_TOLERANCE_MS)
                self.assertLessEqual(status.position_ms, 1000 * seconds + passed_ms + POSITION_TOLERANCE_MS)
        self.control("pause", lambda status: status.state == "paused")
        status = self.client.seek(self.session, 45)
        self.assertEqual(status.state, "paused")
        self.assertAlmostEqual(status.position_ms, 45_000, delta=POSITION_TOLERANCE_MS)
        self.control("resume", lambda status: status.state == "playing")
        status = self.client.wait_until_it_grows(self.session, seconds=1)
        self.assertGreaterEqual(status["positionSeconds"], 45)

    def test_every_name_of_the_action_and_of_the_target(self):
        self.play()
        bodies = [
            {name: "seek", field: 20}
            for name in ("action", "command")
            for field in ("positionSeconds", "position", "seconds", "seekSeconds")
        ] + [
            {"action": "seek", "payload": {"positionSeconds": 20}},
            {"action": "seek", "params": {"seconds": 20}},
            {"action": "seek", "value": {"position": 20}},
            {"payload": {"action": "seek", "positionSeconds": 20}},
            {"params": {"command": "seek", "seekSeconds": 20}},
            {"value": {"action": "seek", "position": 20}},
        ]
        for body in bodies:
            with self.subTest(body=body):
                self.client.seek(self.session, 5)
                status = self.client.control(self.session, body)
                self.assertAlmostEqual(status["positionSeconds"], 20, delta=2)

    def test_unknown_fields_are_ignored(self):
        status = self.client.create(self.session, self.guild, ownerUserId="1", nested={"a": [None]})
        self.assertEqual(status.http_status, 201)
        body = self.item(1, rating=9.5, chapters=[{"at": 1}]) | {"requestedBy": {"id": "7"}, "x": None}
        self.client.play(self.session, body)
        self.client.wait_until_it_grows(self.session, seconds=1)
        status = self.client.control(self.session, {"action": "pause", "reason": "popcorn", "n": 1})
        self.assertEqual(status.state, "paused")

    def test_the_same_play_again_changes_nothing(self):
        before = self.play()
        again = self.client.play(self.session, self.item(1))
        self.assertEqual((again.http_status, again.state), (200, "playing"))
        self.assertGreaterEqual(again.position_ms, before.position_ms)
        self.control("pause", lambda status: status.state == "paused")
        again = self.client.play(self.session, self.item(1))
        self.assertEqual((again.http_status, again.state), (200, "paused"))

    def test_another_entry_replaces_the_current_one(self):
        self.play(1)
        self.client.seek(self.session, 30)
        status = self.client.play(self.session, self.item(2))
        self.assertEqual((status["queueEntryId"], status["currentTitle"]), (2, "Title 2"))
        status = self.client.wait_until_it_grows(self.session, seconds=1)
        self.assertLess(status["positionSeconds"], 25)

    def test_an_end_is_kept_until_the_next_play(self):
        self.play(7)
        duration = self.client.get(self.session)["durationSeconds"]
        self.client.seek(self.session, duration - 3)
        ended = self.client.wait_for_state(self.session, "ended")
        self.assertEqual((ended["endReason"], ended["queueEntryId"]), ("finished", 7))
        self.assertAlmostEqual(ended["positionSeconds"], duration, delta=LENGTH_TOLERANCE_SECONDS)
        time.sleep(3)
        still = self.client.get(self.session)
        self.assertEqual((still.state, still["endReason"], still["queueEntryId"]), ("ended", "finished", 7))

        # A skip of what has ended changes nothing; a stop leaves the channel and keeps the reason.
        again = self.client.control(self.session, "skip")
        self.assertEqual((again.http_status, again["endReason"]), (200, "finished"))
        self.assertEqual(again["generation"], still["generation"])
        for _ in range(2):
            stopped = self.client.control(self.session, "stop")
            self.assertEqual(
                (stopped.http_status, stopped.state, stopped["endReason"]), (200, "stopped", "finished")
            )

        # After an end the same play plays anew, and joins again.
        self.client.play(self.session, self.item(7))
        status = self.client.wait_until_it_grows(self.session)
        self.assertEqual((status["workerStatus"], status["endReason"]), ("connected", None))
        self.assertLess(status["positionSeconds"], duration - 3)

    def test_a_command_is_carried_out_once(self):
        self.create()
        first = self.client.play(self.session, self.item(1), command_id=f"{self.session}-play")
        self.client.wait_until_it_grows(self.session, seconds=1)
        self.client.seek(self.session, 40, command_id=f"{self.session}-seek")
        self.client.seek(self.session, 10)
        self.client.seek(self.session, 40, command_id=f"{self.session}-seek")
        self.assertLess(self.client.get(self.session)["positionSeconds"], 25)

        self.control("skip", lambda status: status.state == "ended")
        # It bears the id of the call that was answered, so it is that call and not a new one.
        again = self.client.play(self.session, self.item(1), command_id=f"{self.session}-play")
        self.assertEqual(again.http_status, first.http_status)
        self.assertEqual(self.client.get(self.session).state, "ended")
        self.client.play(self.session, self.item(1), command_id=f"{self.session}-anew")
        self.client.wait_until_it_grows(self.session, seconds=1)

    def test_a_command_id_of_another_request_is_refused(self):
        self.play()
        self.client.seek(self.session, 40, command_id=f"{self.session}-id")
        refused = self.refused(409, self.client.seek, 10, f"{self.session}-id")
        self.assertEqual(refused.code, "command_id_reused")
        self.assertGreaterEqual(self.client.get(self.session)["positionSeconds"], 39)

    def test_control_with_nothing_to_act_on(self):
        self.create()
        bodies = ("pause", "resume", {"action": "seek", "positionSeconds": 3})
        for body in bodies:
            with self.subTest(body=body, state="idle"):
                self.assertEqual(self.refused(409, self.client.control, body).code, "nothing_playing")
        self.assertEqual(self.client.get(self.session).state, "idle")
        self.client.play(self.session, self.item(1))
        self.client.wait_until_it_grows(self.session, seconds=1)
        self.control("skip", lambda status: status.state == "ended")
        for body in bodies:
            with self.subTest(body=body, state="ended"):
                self.assertEqual(self.refused(409, self.client.control, body).code, "nothing_playing")
        self.assertEqual(self.client.get(self.session).state, "ended")

    def test_pause_and_resume_twice(self):
        self.play()
        for action, state in (("pause", "paused"), ("pause", "paused"), ("resume", "playing"), ("resume", "playing")):
            status = self.client.control(self.session, action)
            self.assertEqual((status.http_status, status.state), (200, state))

    def test_an_episode_plays_as_a_film_does(self):
        status = self.play(5, mediaType="episode", episode="S01E02")
        self.assertEqual(status["queueEntryId"], 5)

    def test_an_episode_may_be_an_object(self):
        """The contract names the field and says no more of it than `null`; the bot may send what it has."""
        status = self.play(5, mediaType="episode", episode={"season": 1, "number": 2, "title": "Two"})
        self.assertEqual(status["queueEntryId"], 5)

    def test_the_fallback_is_tried_by_itself(self):
        missing = f"{self.orb.jellyfin_url}/Videos/nosuchfilm/stream?static=true"
        status = self.play(1, streamUrl=missing, downloadUrl=self.orb.stream_url)
        self.assertEqual(status.state, "playing")

    def test_both_sources_missing_is_a_typed_failure(self):
        self.create()
        missing = f"{self.orb.jellyfin_url}/Videos/nosuchfilm/stream?static=true&ApiKey=wq7secret"
        asked = time.monotonic()
        self.client.play(self.session, self.item(9, streamUrl=missing, downloadUrl=missing))
        status = self.client.wait_for_state(self.session, "ended")
        self.assertLess(time.monotonic() - asked, 5)
        self.assertEqual((status["endReason"], status["queueEntryId"]), ("failed", 9))
        self.assertNotIn("wq7secret", status["lastError"])
        # The party is not lost: it plays what comes next, and the error is of the past.
        self.client.play(self.session, self.item(10))
        status = self.client.wait_until_it_grows(self.session, seconds=1)
        self.assertIsNone(status["lastError"])

    def test_a_source_that_is_no_media_fails(self):
        self.create()
        self.orb.fault(scope="all", kind="not_media")
        self.client.play(self.session, self.item(9))
        status = self.client.wait_for_state(self.session, "ended")
        self.assertEqual(status["endReason"], "failed")

    def test_a_redirect_to_another_origin_is_not_followed(self):
        self.create()
        elsewhere = f"http://localhost:{processes.free_port()}/secret"
        self.orb.fault(scope="stream", kind="redirect", to=elsewhere)
        self.client.play(self.session, self.item(9))
        status = self.client.wait_for_state(self.session, "ended")
        self.assertEqual(status["endReason"], "failed")

    def test_no_key_of_a_url_is_logged_or_on_a_command_line(self):
        secret = "s3cretK3yOfTheFilm"
        self.play(1, streamUrl=f"{self.orb.stream_url}&ApiKey={secret}")
        command_lines = [command_line(process) for process in pathlib.Path("/proc").glob("[0-9]*")]
        self.assertTrue(any("ffmpeg" in line for line in command_lines), "no ffmpeg runs")
        self.assertFalse([line for line in command_lines if secret in line])
        self.assertNotIn(secret, self.orb.output())
        self.assertNotIn(self.orb.token, self.orb.output().replace(f"token      {self.orb.token}", ""))

    def test_two_parties_of_one_guild(self):
        self.play()
        other = f"{self.session}-b"
        self.addCleanup(lambda: self.client.control(other, "stop"))
        self.client.create(other, self.guild, voice_channel_id="9222")
        self.client.play(other, self.item(1))
        self.client.wait_until_it_grows(other)
        self.assertEqual(self.client.get(self.session).state, "playing")

    def test_the_key_header_is_accepted(self):
        ContractClient(self.orb.url, self.orb.token, header="X-API-Key").create(self.session, self.guild)


def command_line(process):
    try:
        return process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def children_of(parent):
    return [
        process
        for process in pathlib.Path("/proc").glob("[0-9]*")
        # The name in brackets may have spaces; the parent is the second field after it.
        if stat_fields(process)[1:2] == [str(parent)]
    ]


def stat_fields(process):
    try:
        return process.joinpath("stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class UpTest(ContractTests, unittest.TestCase):
    start = staticmethod(processes.up)

    def test_every_configured_token_is_valid(self):
        ContractClient(self.orb.url, "second-token").create(self.session, self.guild)

    def test_no_free_account_is_a_503_that_says_when_to_retry(self):
        sessions = [f"{self.session}-{n}" for n in range(3)]
        self.addCleanup(lambda: [self.stop_if_there(session) for session in sessions])
        with self.assertRaises(Refused) as caught:
            # Two accounts: the third party of one guild has none.
            for number, session in enumerate(sessions):
                self.client.create(session, self.guild, voice_channel_id=str(500 + number))
                self.client.play(session, self.item(1))
        self.assertEqual(caught.exception.status_code, 503)
        self.assertGreaterEqual(int(caught.exception.headers["Retry-After"]), 1)
        self.assertEqual(self.client.get(sessions[0])["lastError"], None)

    def stop_if_there(self, session):
        try:
            self.client.control(session, "stop")
        except Refused as refused:
            self.assertEqual(refused.status_code, 404)


class DemoTest(ContractTests, unittest.TestCase):
    start = staticmethod(processes.demo)

    def test_the_party_of_the_demo_plays(self):
        status = self.client.wait_until(
            "demo", "playing", lambda status: status.state in {"playing", "ended"}
        )
        self.assertEqual(status["workerStatus"], "connected")


class RestartTest(unittest.TestCase):
    """What was acknowledged outlives the process."""

    def test_a_killed_orb_goes_on_where_it_was(self):
        where = processes.folder() / "restart"
        orb = processes.start_up(where)
        client = ContractClient(orb.url, orb.token)
        client.create("kept-idle", "5001")
        client.create("kept-playing", "5002")
        body = ContractTests.item(type("Case", (), {"orb": orb}), 3)
        client.play("kept-playing", body)
        client.wait_until_it_grows("kept-playing", seconds=1)
        client.seek("kept-playing", 20)
        before = client.wait_until_it_grows("kept-playing", seconds=2)
        children = children_of(orb.child.pid)
        self.assertTrue(children, "no ffmpeg runs")
        orb.kill()
        deadline = time.monotonic() + 10
        while any(child.exists() for child in children) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertFalse([command_line(child) for child in children if child.exists()], "orphans")

        orb = processes.start_up(where, discord=orb.discord)
        client = ContractClient(orb.url, orb.token)
        self.assertEqual(client.get("kept-idle").state, "idle")
        status = client.wait_until_it_grows("kept-playing", seconds=2)
        self.assertEqual(status["queueEntryId"], 3)
        # Positions are checkpointed at most 1 s old.
        self.assertGreaterEqual(status.position_ms, before.position_ms - 1000)
        orb.stop()


if __name__ == "__main__":
    unittest.main()
