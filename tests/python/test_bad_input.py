"""Bad input: each request gets its documented 4xx as problem+json with a stable code, and nothing is lost.

Every case runs against a session that plays and is paused, so that the status before and after can be compared to
the millisecond; at the end the film goes on.
"""

import json
import pathlib
import re
import time
import unittest
import urllib.parse

import requests

import processes
from contract_client import ContractClient, checked_problem

SESSION = "bad-input"
TEN_MEGABYTES = 10 * 1024 * 1024

#: What moves in a status although nothing was changed.
MOVING_FIELDS = ("updatedAt", "health")

MALFORMED = (400, "malformed_json", None)
TOO_LARGE = (413, "body_too_large", None)
UNKNOWN_SESSION = (404, "session_not_found", None)
UNAUTHENTICATED = (401, "unauthenticated", None)
NOTHING_PLAYING = (409, "nothing_playing", None)


def invalid(field):
    return (422, "invalid_argument", field)


def invalid_id(field):
    return (422, "invalid_id", field)


def out_of_range(field="positionSeconds"):
    return (422, "seek_out_of_range", field)


def forbidden(field, url):
    """`source_invalid`: no plain http or https URL; `source_not_allowed`: one, but of another origin."""
    is_plain = re.match(r"https?://[^/:@\\]+(:\d{1,5})?([/?#\\]|$)", url) or "[" in url
    return (422, "source_not_allowed" if is_plain and ":99999/" not in url else "source_invalid", field)


CREATE = {"sessionId": "never-made", "guildId": "61", "voiceChannelId": "62", "textChannelId": "63"}

#: Bodies that are wrong for each of the three POST calls, whatever the call wants.
WRONG_BODIES = {
    "empty": (b"", MALFORMED),
    "white space": (b" \n\t ", MALFORMED),
    "text": (b"pause", MALFORMED),
    "a form": (b"action=pause", MALFORMED),
    "cut off": (b'{"action":"pau', MALFORMED),
    "single quotes": (b"{'action':'pause'}", MALFORMED),
    "two objects": (b'{"action":"pause"}{"action":"pause"}', MALFORMED),
    "bad UTF-8": (b'{"action":"\xff\xfe"}', MALFORMED),
    "UTF-16": ('{"action":"pause"}'.encode("utf-16"), MALFORMED),
    "a lone surrogate": (b'{"action":"pause","title":"\\ud800"}', MALFORMED),
    "NUL bytes": (b"\0" * 100, MALFORMED),
    "NaN": (b'{"action":NaN,"queueEntryId":NaN,"sessionId":NaN}', MALFORMED),
    "Infinity": (b'{"action":-Infinity}', MALFORMED),
    "a number too large for JSON's readers": (b'{"action":"pause","x":1e999999}', MALFORMED),
    "an array": (b'[{"action":"pause"}]', invalid(None)),
    "an empty array": (b"[]", invalid(None)),
    "null": (b"null", invalid(None)),
    "a string": (b'"pause"', invalid(None)),
    "a number": (b"12", invalid(None)),
    "true": (b"true", invalid(None)),
    "10,000 arrays in each other": (b"[" * 10_000 + b"]" * 10_000, MALFORMED),
    "10,000 objects in each other": (b'{"payload":' * 10_000 + b"1" + b"}" * 10_000, MALFORMED),
    "10 MB of white space": (b" " * TEN_MEGABYTES, TOO_LARGE),
    "10 MB of brackets": (b"[" * TEN_MEGABYTES, TOO_LARGE),
    "10 MB of an unknown field": (b'{"action":"pause","x":"' + b"x" * TEN_MEGABYTES + b'"}', TOO_LARGE),
}

#: JSON values that are no string.
NO_STRINGS = [12, 1.5, True, None, [], ["12"], {}, {"id": "12"}]

#: JSON values that are no whole number that an entry's id can be.
NO_ENTRY_IDS = ["x", "", 1.5, True, None, [], {}, -1, 0, 1e30, 2**64, 10**400]

WRONG_SEEKS = {
    "missing": ({}, invalid("positionSeconds")),
    "null": ({"positionSeconds": None}, invalid("positionSeconds")),
    "text": ({"positionSeconds": "soon"}, invalid("positionSeconds")),
    "empty": ({"positionSeconds": ""}, invalid("positionSeconds")),
    "true": ({"positionSeconds": True}, invalid("positionSeconds")),
    "an array": ({"positionSeconds": [1]}, invalid("positionSeconds")),
    "an object": ({"positionSeconds": {"at": 1}}, invalid("positionSeconds")),
    "below zero": ({"positionSeconds": -1}, out_of_range()),
    "a little below zero": ({"positionSeconds": -0.001}, out_of_range()),
    "far below zero": ({"positionSeconds": -(2**63)}, out_of_range()),
    "past the end": ({"positionSeconds": processes.FILM_SECONDS + 2}, out_of_range()),
    "far past the end": ({"positionSeconds": 10**9}, out_of_range()),
    "2^53": ({"positionSeconds": 2**53}, out_of_range()),
    "2^64": ({"positionSeconds": 2**64}, out_of_range()),
    "1e300": ({"positionSeconds": 1e300}, out_of_range()),
    "past the end, inside payload": ({"payload": {"seconds": 10**9}}, out_of_range()),
    "text NaN": ({"positionSeconds": "NaN"}, invalid("positionSeconds")),
    "text inf": ({"positionSeconds": "inf"}, invalid("positionSeconds")),
}

WRONG_ACTIONS = [None, "", "dance", "PAUSE ", "pause\0", 5, True, [], ["pause"], {}, {"pause": True}, "x" * 10_000]


def forbidden_sources(allowed):
    """URLs of nowhere that may be opened; `allowed` is the URL of the film."""
    parts = urllib.parse.urlsplit(allowed)
    host, port, path = parts.hostname, parts.port, parts.path
    return [
        "file:///etc/passwd",
        "file:/etc/passwd",
        "FILE:///etc/passwd",
        "/etc/passwd",
        "../../etc/passwd",
        f"concat:{allowed}|/etc/passwd",
        "concat:/etc/passwd|/etc/hostname",
        "subfile,,start,0,end,0,,:/etc/passwd",
        f"async:{allowed}",
        f"cache:{allowed}",
        f"crypto:{allowed}",
        f"hls+{allowed}",
        "data:text/plain,hello",
        "pipe:0",
        f"tcp://{host}:{port}",
        f"ftp://{host}:{port}{path}",
        "http://169.254.169.254/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://2852039166/",
        f"https://{host}:{port}{path}",
        f"http://{host}:{port + 1 if port < 65535 else 1}{path}",
        f"http://{host}{path}",
        f"http://localhost:{port}{path}",
        f"http://127.0.0.2:{port}{path}",
        f"http://[::1]:{port}{path}",
        "http://example.com/film.mkv",
        f"http://{host}.example.com:{port}{path}",
        f"http://{host}:{port}@example.com{path}",
        f"http://{host}:{port}%40example.com{path}",
        f"http://example.com#@{host}:{port}{path}",
        f"http://example.com?@{host}:{port}{path}",
        f"http://example.com\\@{host}:{port}{path}",
        f"http://example.com/{allowed}",
        f"//{host}:{port}{path}",
        f"http://user:password@169.254.169.254:{port}{path}",
        "http://",
        "http:///",
        "http://:80/",
        f"http://{host}:99999{path}",
        "javascript:alert(1)",
        "\\\\server\\share\\film.mkv",
    ]


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.orb = processes.up()
        cls.client = ContractClient(cls.orb.url, cls.orb.token)
        cls.codes = set()
        cls.client.create(SESSION, "60")
        cls.client.play(SESSION, cls.item())
        cls.client.wait_until_it_grows(SESSION, seconds=1)
        cls.client.control(SESSION, "pause")
        cls.client.wait_for_state(SESSION, "paused")
        # The last frame before a pause may be counted a moment after it.
        time.sleep(1)
        cls.client.create("bad-input-idle", "64")
        cls.client.wait_until("bad-input-idle", "connected", lambda status: status["workerStatus"] == "connected")

    @classmethod
    def tearDownClass(cls):
        cls.client.control(SESSION, "stop")
        cls.client.control("bad-input-idle", "stop")

    @classmethod
    def item(cls, **playback):
        sources = {"streamUrl": cls.orb.stream_url, "downloadUrl": None}
        return {
            "queueEntryId": 1,
            "jellyfinSourceId": "abc123",
            "title": "A film",
            "mediaType": "movie",
            "playback": {"itemId": "abc123", "sourceId": "abc123", "title": "A film", "mediaType": "movie"}
            | sources
            | playback,
        }

    def setUp(self):
        self.before = self.at_rest()
        self.idle_before = self.at_rest("bad-input-idle")
        self.addCleanup(self.nothing_is_lost)

    def at_rest(self, session=SESSION):
        status = dict(self.client.get(session))
        for field in MOVING_FIELDS:
            status.pop(field, None)
        return status

    def nothing_is_lost(self):
        self.assertEqual(self.at_rest(), self.before)
        self.assertEqual(self.at_rest("bad-input-idle"), self.idle_before)
        self.assertEqual(requests.get(f"{self.orb.url}/healthz", timeout=10).status_code, 200)

    def send(self, method, path, body, headers=None):
        """`body`: bytes as they are, an iterator in chunks, all else as JSON (also where JSON has no such value)."""
        if not isinstance(body, bytes) and not hasattr(body, "__next__") and body is not None:
            body = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self.orb.token}"} | (headers or {})
        return requests.request(method, self.orb.url + path, data=body, headers=headers, timeout=30)

    def refused(self, what, method, path, body, expected, headers=None):
        """One case, as a sub-test."""
        status_code, code, field = expected
        with self.subTest(what):
            response = self.send(method, path, body, headers)
            self.assertEqual(response.status_code, status_code, response.text[:500])
            problem = checked_problem(response)
            self.assertEqual(problem["code"], code, problem)
            self.assertEqual(problem.get("field"), field, problem)
            self.assertNotIn(self.orb.token, response.text)
            self.assertEqual(self.at_rest(), self.before)
            type(self).codes.add(code)
            return problem

    def calls(self):
        return {
            "create": "/sessions",
            "play": f"/sessions/{SESSION}/play",
            "control": f"/sessions/{SESSION}/control",
        }

    def test_bodies_that_no_call_takes(self):
        for call, path in self.calls().items():
            for what, (body, expected) in WRONG_BODIES.items():
                self.refused(f"{call}: {what}", "POST", path, body, expected)

    def test_large_bodies_in_chunks(self):
        for call, path in self.calls().items():
            chunks = iter([b"[" * 65536] * (TEN_MEGABYTES // 65536))
            self.refused(call, "POST", path, chunks, TOO_LARGE)

    def test_create(self):
        for field in CREATE:
            body = {name: value for name, value in CREATE.items() if name != field}
            self.refused(f"{field} missing", "POST", "/sessions", body, invalid(field))
            for value in NO_STRINGS:
                self.refused(f"{field} {value!r}", "POST", "/sessions", CREATE | {field: value}, invalid(field))
            self.refused(f"{field} empty", "POST", "/sessions", CREATE | {field: ""}, invalid(field))
        for field in ("guildId", "voiceChannelId", "textChannelId"):
            for value in ("abc", "-1", "1.5", "1e3", " 12", "12 ", "0x12", "1" * 100, "١٢", "12\n"):
                self.refused(f"{field} {value!r}", "POST", "/sessions", CREATE | {field: value}, invalid_id(field))
        for value in ("a/b", "a b", "../x", "a\0b", "ä", "x" * 1000):
            body = CREATE | {"sessionId": value}
            self.refused(f"sessionId {value[:9]!r}", "POST", "/sessions", body, invalid_id("sessionId"))
        self.refused("none was made", "GET", "/sessions/never-made", None, UNKNOWN_SESSION)

    def test_play(self):
        path = f"/sessions/{SESSION}/play"
        body = self.item() | {"queueEntryId": 2}
        for field in ("queueEntryId", "playback"):
            lacking = {name: value for name, value in body.items() if name != field}
            self.refused(f"{field} missing", "POST", path, lacking, invalid(field))
        for value in NO_ENTRY_IDS:
            # The report is read by people: not 400 digits in a test's name.
            what = f"queueEntryId {str(value)[:30]!r}"
            raw = json.dumps(body | {"queueEntryId": value}).encode()
            expected = MALFORMED if value == 10**400 else invalid("queueEntryId")
            self.refused(what, "POST", path, raw, expected)
        for value in ("film", 5, True, None, [], [body["playback"]]):
            self.refused(f"playback {value!r}", "POST", path, body | {"playback": value}, invalid("playback"))
        self.refused("playback empty", "POST", path, body | {"playback": {}}, invalid("playback.streamUrl"))
        for value in [*NO_STRINGS, ""]:
            wrong = self.item(streamUrl=value) | {"queueEntryId": 2}
            self.refused(f"streamUrl {value!r}", "POST", path, wrong, invalid("playback.streamUrl"))
        for value in (12, True, [], {}):
            wrong = self.item(downloadUrl=value) | {"queueEntryId": 2}
            self.refused(f"downloadUrl {value!r}", "POST", path, wrong, invalid("playback.downloadUrl"))
        for value in ("long", -1, True, [], {}, 1e30):
            wrong = self.item(durationSeconds=value) | {"queueEntryId": 2}
            self.refused(f"durationSeconds {value!r}", "POST", path, wrong, invalid("playback.durationSeconds"))
        for value in (12, True, [], {}):
            wrong = self.item(title=value) | {"queueEntryId": 2}
            self.refused(f"title {value!r}", "POST", path, wrong, invalid("playback.title"))

    def test_control(self):
        path = f"/sessions/{SESSION}/control"
        self.refused("no action", "POST", path, {}, invalid("action"))
        self.refused("no action in payload", "POST", path, {"payload": {}}, invalid("action"))
        for action in WRONG_ACTIONS:
            self.refused(f"action {str(action)[:20]!r}", "POST", path, {"action": action}, invalid("action"))
        for what, (body, expected) in WRONG_SEEKS.items():
            self.refused(f"seek {what}", "POST", path, {"action": "seek"} | body, expected)
        for raw in (b"NaN", b"Infinity", b"1e999", b"0x10", b"1_000", b"--1"):
            body = b'{"action":"seek","positionSeconds":' + raw + b"}"
            self.refused(f"seek {raw}", "POST", path, body, MALFORMED)

    def test_control_before_play(self):
        path = "/sessions/bad-input-idle/control"
        for body in ({"action": "pause"}, {"action": "resume"}, {"action": "seek", "positionSeconds": 1}):
            self.refused(body["action"], "POST", path, body, NOTHING_PLAYING)

    def test_sources_that_are_not_allowed(self):
        path = f"/sessions/{SESSION}/play"
        for url in forbidden_sources(self.orb.stream_url):
            body = self.item(streamUrl=url) | {"queueEntryId": 2}
            self.refused(f"streamUrl {url}", "POST", path, body, forbidden("playback.streamUrl", url))
            body = self.item(downloadUrl=url) | {"queueEntryId": 2}
            self.refused(f"downloadUrl {url}", "POST", path, body, forbidden("playback.downloadUrl", url))

    def test_a_refused_source_is_not_echoed(self):
        url = "http://example.com/film.mkv?ApiKey=k3yInAUrl"
        body = self.item(streamUrl=url) | {"queueEntryId": 2}
        problem = self.refused("key", "POST", f"/sessions/{SESSION}/play", body, forbidden("playback.streamUrl", url))
        self.assertNotIn("k3yInAUrl", json.dumps(problem))
        self.assertNotIn("k3yInAUrl", self.orb.output())

    def test_ids_that_do_not_exist(self):
        ids = ["none", "0", "%00", "%ff", "..%2f..%2fetc%2fpasswd", "a" * 4000, "%F0%9F%8E%AC", "'%20OR%201=1--"]
        for session in ids:
            path = f"/sessions/{session}"
            self.refused(f"GET {session[:30]}", "GET", path, None, UNKNOWN_SESSION)
            self.refused(f"play {session[:30]}", "POST", f"{path}/play", self.item(), UNKNOWN_SESSION)
            self.refused(f"control {session[:30]}", "POST", f"{path}/control", {"action": "pause"}, UNKNOWN_SESSION)

    def test_paths_and_methods_that_do_not_exist(self):
        for path in ("/session", f"/sessions/{SESSION}/pause", f"/sessions/{SESSION}/play/x", "/api/v1/nothing"):
            self.refused(path, "POST", path, {}, (404, "route_not_found", None))
        for method, path in (
            ("PUT", f"/sessions/{SESSION}"),
            ("DELETE", f"/sessions/{SESSION}"),
            ("GET", f"/sessions/{SESSION}/play"),
            ("PATCH", f"/sessions/{SESSION}/control"),
        ):
            self.refused(f"{method} {path}", method, path, None, (405, "method_not_allowed", None))

    def test_tokens(self):
        right = self.orb.token
        wrong = {
            "missing": None,
            "empty": "",
            "a word": "Bearer",
            "no token": "Bearer ",
            "wrong": "Bearer wrong",
            "shorter": f"Bearer {right[:-1]}",
            "longer": f"Bearer {right}x",
            "other case": f"Bearer {right.upper()}",
            "twice": f"Bearer {right} {right}",
            "the list": f"Bearer {right},second-token",
            "basic": "Basic " + right,
            "no scheme": right,
            "not ASCII": "Bearer töken".encode(),
            "long": "Bearer " + "x" * 4000,
        }
        requests_to_make = (
            ("GET", f"/sessions/{SESSION}", None),
            ("GET", "/sessions/none", None),
            ("POST", "/sessions", CREATE),
            ("POST", f"/sessions/{SESSION}/play", self.item() | {"queueEntryId": 2}),
            ("POST", f"/sessions/{SESSION}/control", {"action": "stop"}),
            # Who may not call learns nothing of what is wrong with the call.
            ("POST", f"/sessions/{SESSION}/control", b"not JSON"),
        )
        for what, value in wrong.items():
            for method, path, body in requests_to_make:
                headers = {"Authorization": value}
                self.refused(f"{what}: {method} {path}", method, path, body, UNAUTHENTICATED, headers)
        for method, path, body in requests_to_make:
            headers = {"Authorization": None, "X-API-Key": "wrong"}
            self.refused(f"X-API-Key: {method} {path}", method, path, body, UNAUTHENTICATED, headers)
            query = f"{path}?token={right}&access_token={right}&api_key={right}"
            self.refused(f"query: {method} {path}", method, query, body, UNAUTHENTICATED, {"Authorization": None})

    def test_unusable_command_ids(self):
        path = f"/sessions/{SESSION}/control"
        for key in ("", "x" * 5000, "a\tb", "clé".encode()):
            with self.subTest(key=key[:20]):
                response = self.send("POST", path, {"action": "seek", "positionSeconds": -1}, {"Idempotency-Key": key})
                self.assertIn(response.status_code, range(400, 500))
                type(self).codes.add(checked_problem(response)["code"])

    def test_odd_requests_never_get_a_5xx(self):
        path = f"/sessions/{SESSION}/control"
        seek = b'{"action":"seek","positionSeconds":-1}'
        odd = (
            {"Content-Type": "text/plain"},
            {"Content-Type": "application/x-www-form-urlencoded"},
            {"Content-Type": "multipart/form-data"},
            {"Content-Type": "\xff/\xfe".encode("latin-1")},
            {"Content-Encoding": "gzip"},
            {"Content-Encoding": "br"},
            {"Accept": "text/html"},
            {"X-Request-Id": "x" * 5000},
            {"X-Request-Id": "line%0abreak"},
            {"X-Orb-Page": "1", "Cookie": "orb_page=forged"},
        )
        for headers in odd:
            with self.subTest(headers=headers):
                response = self.send("POST", path, seek, headers)
                self.assertIn(response.status_code, range(400, 500))
                checked_problem(response)

    def test_zz_every_code_is_documented(self):
        """Runs last, by its name: looks up the codes that the other tests saw."""
        documented = pathlib.Path(processes.ROOT, "docs", "errors.md").read_text()
        self.assertGreater(len(self.codes), 5)
        self.assertFalse([code for code in sorted(self.codes) if f"`{code}`" not in documented])

    def test_zz_the_film_goes_on(self):
        self.addCleanup(lambda: setattr(self, "before", self.at_rest()))
        self.client.control(SESSION, "resume")
        status = self.client.wait_until_it_grows(SESSION)
        self.assertGreaterEqual(status.position_ms, self.before["positionMs"])
        self.assertEqual(status["queueEntryId"], 1)
        self.client.control(SESSION, "pause")
        self.client.wait_for_state(SESSION, "paused")


class NoOriginTest(unittest.TestCase):
    def test_the_refusal_names_the_variable(self):
        orb = processes.start_up(processes.folder() / "no-origin", jellyfin=False)
        self.addCleanup(orb.stop)
        client = ContractClient(orb.url, orb.token)
        client.create("s", "1")
        playback = {"itemId": "a", "sourceId": "a", "title": "A", "streamUrl": "http://jellyfin:8096/Videos/a/stream"}
        response = client.http.post(
            f"{orb.url}/sessions/s/play", json={"queueEntryId": 1, "playback": playback}, timeout=30
        )
        self.assertEqual(response.status_code, 422)
        self.assertIn("ORB_JELLYFIN_URL", checked_problem(response)["detail"])
        self.assertEqual(client.get("s").state, "idle")


if __name__ == "__main__":
    unittest.main()
