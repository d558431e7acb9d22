"""The project's voice driver as a process: the `speak` example of the crate `orb-voice`."""

import asyncio
import contextlib
import json
import os
import signal
from typing import NamedTuple

import processes
from voice.waiting import until

PROGRAM = processes.BINARIES / "examples" / "speak"
END_WITHIN_SECONDS = 10


class Heard(NamedTuple):
    #: "0" until op 5 has told it whose the SSRC is.
    user: str
    ssrc: int
    #: Decrypted; none when it could not.
    opus: bytes | None


class Speaker:
    """`start` makes one; `heard` is what it printed of other members."""

    @classmethod
    async def start(cls, credentials, ca, *arguments):
        self = cls()
        self.user = credentials["user_id"]
        self.heard, self.events = [], []
        self.process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"SSL_CERT_FILE": ca},
        )
        self.command(json.dumps(credentials))
        self.reading = asyncio.create_task(self.read())
        await self.until(self.connected, "it is connected")
        return self

    async def read(self):
        async for line in self.process.stdout:
            event = json.loads(line)
            if event["event"] == "heard":
                opus = None if event["opus"] is None else bytes.fromhex(event["opus"])
                self.heard.append(Heard(event["user"], event["ssrc"], opus))
            else:
                self.events.append(event)
        raise RuntimeError(f"the speaker ended: {self.events[-1:]}")

    async def until(self, condition, what):
        return await until(condition, what, [self.reading])

    def command(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def connected(self):
        return {"event": "connected", "resumed": False} in self.events

    def encrypted(self):
        states = [event["state"] for event in self.events if event["event"] == "encryption"]
        return states[-1:] == ["end_to_end"]

    def knows(self, member):
        return any(heard.user == member.user and heard.ssrc == member.ssrc for heard in self.heard)

    async def pause(self):
        """Answers how many frames it has sent, ever."""
        before = len(self.pauses())
        self.command("pause")
        await self.until(lambda: len(self.pauses()) > before, "it pauses")
        return self.pauses()[-1]

    def pauses(self):
        return [event["sent"] for event in self.events if event["event"] == "idle"]

    @contextlib.contextmanager
    def stopped(self):
        """The process stands still meanwhile, and finds all at once afterwards."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    async def stop(self):
        self.reading.cancel()
        if self.process.returncode is None:
            self.command("leave")
            try:
                await asyncio.wait_for(self.process.wait(), END_WITHIN_SECONDS)
            except asyncio.TimeoutError:
                self.process.kill()
                await self.process.wait()
