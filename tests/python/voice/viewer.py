"""A member of a call who watches a Go Live stream: voice gateway version 8, WebRTC, and libdave."""

import asyncio
from typing import NamedTuple

from voice.end_to_end import MARKER, EndToEnd
from voice.frames import SILENCE
from voice.member import IDENTIFY, SELECT_PROTOCOL, SESSION_DESCRIPTION, SPEAKING, Member
from voice.waiting import until
from voice.webrtc import H264, H264_RTX, OPUS, Depacketizer, Path, Rtp

VIDEO = 12

#: Every so many pictures one is offered with one bit changed first: a judge that accepts all is none.
CHANGED_EVERY = 10

CODECS = [
    {"name": "opus", "type": "audio", "priority": 1000, "payload_type": OPUS},
    {"name": "H264", "type": "video", "priority": 1000, "payload_type": H264, "rtx_payload_type": H264_RTX,
     "encode": False, "decode": True},
]


class Seen(NamedTuple):
    """A frame of whoever streams."""

    #: As it stood on the wire.
    sealed: bytes
    #: As libdave decrypted it; none when it could not.
    frame: bytes | None
    rtp_time: int
    #: Whether it still was refused after one bit of it was changed. None: not tried.
    refused_when_changed: bool | None


class Viewer(Member):
    """`join` makes one; `pictures` and `sounds` are what came, in order."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        #: Whose stream it is, and what its op 12 announced.
        self.streamer = self.announced = None
        self.pictures, self.sounds = [], []
        #: Sequence numbers by SSRC, in the order in which they came.
        self.sequences = {}
        self.depacketizer = Depacketizer()
        self.present = set()
        self.path = Path(self.take_rtp)

    @property
    def stream(self):
        return self.credentials["rtc_server_id"]

    async def take(self, op, data):
        if op == SESSION_DESCRIPTION:
            # The group's id is one less than its server's.
            self.dave = EndToEnd(self.user, self.stream - 1, self.ssrc, self.commits)
            self.dave.joined(self.present)
            await self.answer(self.dave.begin(data["dave_protocol_version"]))
            self.tasks.append(asyncio.create_task(self.path.open(data["sdp"])))
        elif op == VIDEO:
            self.streamer, self.announced = data["user_id"], data
        elif op == SPEAKING:
            self.streamer = data["user_id"]
        else:
            await super().take(op, data)

    async def send(self, op, data):
        if op == IDENTIFY:
            streams = [{"type": "screen", "rid": "100", "quality": 100}]
            data = data | {"server_id": str(self.stream), "video": True, "streams": streams}
        await super().send(op, data)

    async def open_path(self, ready):
        self.ssrc = ready["ssrc"]
        fragment = await self.path.fragment()
        data = {"protocol": "webrtc", "data": fragment, "sdp": fragment, "codecs": CODECS}
        await self.send(SELECT_PROTOCOL, data)

    async def leave(self):
        await self.path.close()
        await self.socket.close(1000)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def watches(self):
        """Until the media path is open and it has its part in the group."""
        await until(lambda: self.path.dtls.state == "connected", "the media path is open", self.tasks)
        await until(lambda: self.dave.executed, "the viewer is in the group", self.tasks)

    def take_rtp(self, data):
        packet = Rtp(data)
        self.sequences.setdefault(packet.ssrc, []).append(packet.sequence)
        if packet.payload_type == OPUS and packet.payload != SILENCE:
            frame = self.dave.decrypt(self.streamer, packet.payload)
            self.sounds.append(Seen(packet.payload, frame, packet.timestamp, None))
        elif packet.payload_type == H264 and packet.payload:
            picture = self.depacketizer.take(packet)
            if picture:
                self.see(picture, packet.timestamp)

    def see(self, sealed, rtp_time):
        refused = None
        if len(self.pictures) % CHANGED_EVERY == 0:
            changed = bytearray(sealed)
            changed[-len(MARKER) - 40] ^= 1
            refused = self.dave.decrypt_picture(self.streamer, bytes(changed)) is None
        frame = self.dave.decrypt_picture(self.streamer, sealed)
        self.pictures.append(Seen(sealed, frame, rtp_time, refused))
