"""Runs commands of `orb` that end by themselves."""

import os
import subprocess

import processes

#: A check of the doctor gives up after 15 s.
END_WITHIN_SECONDS = 60


def run(*arguments, environment=None, cwd=None):
    """The command with nothing of this process's settings but what is given here."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ORB_")}
    return subprocess.run(
        [processes.BINARIES / "orb", *arguments],
        env=inherited | {"NO_COLOR": "1"} | (environment or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=END_WITHIN_SECONDS,
        check=False,
    )
