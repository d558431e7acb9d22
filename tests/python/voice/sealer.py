"""The driver's end-to-end encryption by itself, as a process: the `seal` example of the crate `orb-voice`."""

import json
import subprocess

import processes
from voice.end_to_end import EXECUTE_TRANSITION

PROGRAM = processes.BINARIES / "examples" / "seal"


class DriversEndToEnd:
    """One connection's, with the face of `end_to_end.EndToEnd`: a member's messages can go through it."""

    def __init__(self, user, channel, *_):
        self.process = subprocess.Popen(
            [PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self.may_send = False
        #: Transitions that it took part in, in order.
        self.executed = []
        self.on_executed = lambda: None
        self.ask("start", user=user, group=channel)

    def ask(self, do, **fields):
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        answer = json.loads(self.process.stdout.readline())
        self.may_send = answer.get("may_send", False)
        return answer

    def messages(self, do, **fields):
        """What it would send, as `(opcode, data)`."""
        return [
            (bytes.fromhex(message)[0], bytes.fromhex(message)[1:])
            if isinstance(message, str)
            else (message["op"], message["d"])
            for message in self.ask(do, **fields)["messages"]
        ]

    def frame(self, do, frame, **fields):
        digits = self.ask(do, frame=frame.hex(), **fields)["frame"]
        return None if digits is None else bytes.fromhex(digits)

    def begin(self, version):
        return self.messages("begin", version=version)

    def joined(self, users):
        self.ask("joined", users=sorted(users))

    def left(self, user):
        self.ask("left", user=user)

    def json(self, op, data):
        answers = self.messages("text", message={"op": op, "d": data})
        if op == EXECUTE_TRANSITION:
            self.executed.append(data["transition_id"])
            self.on_executed()
        return answers

    def binary(self, op, payload):
        # The sequence number in front says nothing to the encryption.
        return self.messages("binary", message=(bytes([0, 0, op]) + payload).hex())

    def encrypt(self, opus):
        return self.frame("seal", opus, media="sound")

    def encrypt_picture(self, picture):
        return self.frame("seal", picture, media="picture")

    def decrypt(self, user, frame):
        return self.frame("open", frame, media="sound", user=user)

    def decrypt_picture(self, user, picture):
        return self.frame("open", picture, media="picture", user=user)

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()
