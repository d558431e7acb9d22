"""The commands in a real terminal, against `orb demo`: what moves, what is asked, what is left behind."""

import http.server
import json
import re
import threading
import unittest

from cli import commands
from cli.terminal import Terminal
import processes

BAR = r"^(━*)(─*)  (\d+):(\d\d) / (\d+):(\d\d)$"


class WatchTest(unittest.TestCase):
    """`orb party status --watch`."""

    @classmethod
    def setUpClass(cls):
        # Its own: the parties of the shared one are for other tests to stop.
        folder = processes.folder() / "terminal"
        folder.mkdir()
        cls.orb = processes.Orb("demo", folder, {})
        cls.addClassCleanup(cls.orb.stop)
        cls.environment = {"ORB_SERVER": cls.orb.url, "ORB_API_TOKEN": cls.orb.token}

    def watch(self, **environment):
        terminal = Terminal(self.environment | environment)
        self.addCleanup(terminal.close)
        terminal.type("orb party status --watch; echo code=$?")
        terminal.until_shown("^▶ playing  The Clock$")
        return terminal

    def orb_says(self, *arguments):
        ended = commands.run(*arguments, environment=self.environment)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return ended.stdout

    def test_1_progress_moves_and_ctrl_c_restores(self):
        terminal = self.watch()
        self.assertFalse(terminal.has_cursor(), "no cursor blinks in the middle of the bar")
        self.assertIn("\x1b[32m▶ playing", terminal.coloured_screen())
        began, cells = position(terminal), played(terminal)
        terminal.until(lambda: position(terminal) >= began + 3, "three more seconds were played")
        self.assertGreaterEqual(played(terminal), cells + 1, "two minutes on a bar of 60")

        self.orb_says("party", "pause")
        terminal.until_shown("^‖ paused  The Clock$")
        stands = position(terminal)
        self.orb_says("party", "seek", "+30")
        terminal.until(lambda: position(terminal) >= stands + 30, "it is 30 s further on")
        self.assertLessEqual(position(terminal), stands + 31, "nothing moves while it is paused")
        self.orb_says("party", "resume")
        terminal.until_shown("^▶ playing  The Clock$")
        self.assertEqual(len(re.findall(BAR, terminal.screen(), re.MULTILINE)), 1, "it is drawn in place")

        terminal.press("C-c")
        terminal.until_shown("^code=0$")
        self.assertTrue(terminal.has_cursor())
        self.assertRegex(terminal.screen(), r"(?m)^▶ playing  The Clock\n━+─*  .*\n.*worker connected(\^C)?\ncode=0\n[$#]")
        terminal.type("echo works")
        terminal.until_shown("^works$")

    def test_2_a_narrow_terminal_and_one_without_colours(self):
        terminal = self.watch(NO_COLOR="1")
        terminal.resize(30)
        # All columns but the last one.
        terminal.until(lambda: bar_widths(terminal) == [29], "the bar fits")
        self.assertEqual(terminal.screen().count("▶ playing"), 1, "nothing is left of what was wrapped")
        self.assertNotRegex(terminal.coloured_screen(), "\x1b\\[[0-9;]*m")
        terminal.press("C-c")
        terminal.until_shown("^code=0$")

    def test_3_a_server_that_is_killed_and_started_again(self):
        terminal = self.watch()
        self.orb.kill()
        terminal.until_shown("connecting again$")
        self.assertIn("▶ playing", terminal.screen(), "what is known stays")
        addresses = {"ORB_HTTP_ADDR": self.orb.http_addr, "ORB_GRPC_ADDR": self.orb.grpc_addr}
        again = processes.Process("orb", ["demo"], addresses | {"ORB_API_TOKENS": self.orb.token}, self.orb.log)
        self.addClassCleanup(again.stop)
        terminal.until(lambda: "connecting again" not in terminal.screen(), "it is connected again")
        terminal.until_shown("^▶ playing  The Clock$")
        terminal.press("C-c")
        terminal.until_shown("^code=0$")

    def test_4_it_ends_with_the_party(self):
        terminal = self.watch()
        self.orb_says("party", "end")
        terminal.until_shown("^■ stopped")
        terminal.until_shown("^code=0$")
        self.assertTrue(terminal.has_cursor())
        shown = json.loads(self.orb_says("party", "show", "--json"))
        self.assertEqual(shown["playbackState"], "stopped")


class AskingTest(unittest.TestCase):
    """`orb party queue add --search` where several titles fit."""

    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
        self.server.added = []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.terminal = Terminal({"ORB_SERVER": url, "ORB_API_TOKEN": "token"})
        self.addCleanup(self.terminal.close)

    def test_whoever_sits_there_is_asked(self):
        self.terminal.type("orb party queue add --search alien; echo code=$?")
        self.terminal.until_shown(r"^  1  Alien \(1979\)  \(movie\)\n  2  Aliens \(1986\)  \(movie\)\nWhich\? \[1-2\]")
        self.terminal.type("2")
        self.terminal.until_shown("^code=0$")
        self.assertEqual(self.server.added, [["b"]])

    def test_nothing_is_an_answer_too(self):
        self.terminal.type("orb party queue add --search alien; echo code=$?")
        self.terminal.until_shown(r"^Which\? ")
        self.terminal.press("Enter")
        self.terminal.until_shown("^code=2$")
        self.assertEqual(self.server.added, [])


class StandIn(http.server.BaseHTTPRequestHandler):
    """A library with two films, and a party with an empty queue."""

    def do_GET(self):
        if self.path.startswith("/api/v1/library/search"):
            film = {"kind": "movie", "durationSeconds": 7000}
            films = [film | {"id": "a", "title": "Alien", "year": 1979}, film | {"id": "b", "title": "Aliens", "year": 1986}]
            self.answer(200, {"items": films, "start": 0, "total": 2})
        else:
            self.answer(200, {"parties": [{"id": "party"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.added.append(body["itemIds"])
        self.answer(201, {"added": [], "version": 2, "entries": []})

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def bar(terminal):
    return terminal.until_shown(BAR)


def position(terminal):
    match = bar(terminal)
    return int(match[3]) * 60 + int(match[4])


def played(terminal):
    return len(bar(terminal)[1])


def bar_widths(terminal):
    return [len(match[0]) for match in re.finditer(BAR, terminal.screen(), re.MULTILINE)]
