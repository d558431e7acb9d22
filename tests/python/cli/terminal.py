"""A real terminal: tmux, with a shell in it."""

import os
import re
import subprocess
import tempfile
import time

import processes

PATIENCE_SECONDS = 30
POLL_SECONDS = 0.05

#: Of a plain shell: anybody's, and root's.
PROMPTS = ("$", "#")


class Terminal:
    """One of `columns` by `rows`, at a server of its own. The shell has `environment` and nothing of `ORB_` besides."""

    def __init__(self, environment, columns=100, rows=24):
        self.folder = tempfile.TemporaryDirectory(prefix="orb-terminal-")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("ORB_", "TMUX"))}
        path = f"{processes.BINARIES}:{os.environ['PATH']}"
        self.environment = inherited | {"LC_ALL": "C.UTF-8", "PATH": path} | environment
        size = ["-x", str(columns), "-y", str(rows)]
        self.tmux("-f", "/dev/null", "new-session", "-d", *size, "sh")
        self.until(lambda: self.screen().startswith(PROMPTS), "the shell asks")

    def tmux(self, *arguments):
        command = ["tmux", "-u", "-S", f"{self.folder.name}/socket", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def type(self, line):
        self.tmux("send-keys", "-l", line)
        self.press("Enter")

    def press(self, key):
        self.tmux("send-keys", key)

    def resize(self, columns, rows=24):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def coloured_screen(self):
        return self.tmux("capture-pane", "-p", "-e")

    def has_cursor(self):
        return self.tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def until_shown(self, pattern):
        """Waits until the screen has `pattern`; answers the match."""
        return self.until(lambda: re.search(pattern, self.screen(), re.MULTILINE), f"it shows {pattern}")

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (result := condition()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain until {what}; the screen:\n{self.screen()}")
            time.sleep(POLL_SECONDS)
        return result

    def close(self):
        self.tmux("kill-server")
        self.folder.cleanup()
