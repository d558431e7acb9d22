"""A member of a call: voice gateway version 8, UDP, and libdave (Discord, "Voice connections")."""

import asyncio
import json
import ssl
import struct
from typing import NamedTuple

import websockets

from voice.end_to_end import MARKER, EndToEnd
from voice.frames import SILENCE, counted
from voice.transport import Transport
from voice.waiting import until

IDENTIFY, SELECT_PROTOCOL, READY, HEARTBEAT, SESSION_DESCRIPTION, SPEAKING = range(6)
HEARTBEAT_ACK, HELLO = 6, 8
CLIENTS_CONNECT, CLIENT_DISCONNECT = 11, 13

#: Type, length, SSRC, address, port ("IP discovery").
DISCOVERY = struct.Struct(">HHI64sH")
DISCOVERY_REQUEST, DISCOVERY_RESPONSE, DISCOVERY_LENGTH = 1, 2, 70
DISCOVERY_PATIENCE_SECONDS = 10

FRAME_SECONDS = 0.02
RTP_TICKS_A_FRAME = 960

#: Every third packet bears a header extension, as those of Discord's own clients do.
EXTENDED_EVERY = 3

#: Every tenth packet is offered to libdave with one bit changed first: a judge that accepts all is none.
CHANGED_EVERY = 10

#: After sound stops ("Voice data interpolation").
SILENT_FRAMES = 5


class Received(NamedTuple):
    """A packet of another member."""

    user: str
    sequence: int
    #: As libdave decrypted it; none when it could not.
    opus: bytes | None
    #: Neither encrypted end to end nor silence, which may be in the clear.
    in_the_clear: bool
    #: How many transitions this member had executed when it came.
    executed: int
    #: Whether it still was refused after one bit of it was changed. None: not tried.
    refused_when_changed: bool | None


class Member(asyncio.DatagramProtocol):
    """`join` makes one; `received` is what it heard."""

    def __init__(self, credentials, mode, commits, end_to_end=EndToEnd):
        self.credentials, self.mode, self.commits = credentials, mode, commits
        self.end_to_end = end_to_end
        self.user = credentials["user_id"]
        self.received = []
        self.sent = 0
        #: How many frames were sent before each transition of `dave.executed`.
        self.sent_at_transitions = []
        self.dave = None
        self.seq_ack = -1
        self.speakers = {}
        #: Packets of SSRCs of which op 5 has not told yet whose they are.
        self.unknown = []
        self.transport = None
        self.sound = None
        self.sequence = self.timestamp = 0

    @classmethod
    async def join(cls, credentials, ca, mode, commits=True, end_to_end=EndToEnd):
        """Comes into the call. Its part in the group takes a while longer: see `dave.executed`."""
        self = cls(credentials, mode, commits, end_to_end)
        trust = ssl.create_default_context(cafile=ca)
        self.socket = await websockets.connect(f"wss://{credentials['endpoint']}/?v=8", ssl=trust)
        self.tasks = [asyncio.create_task(self.converse())]
        await until(lambda: self.dave, "the session is described", self.tasks)
        return self

    async def leave(self):
        await self.socket.close(1000)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.udp.close()

    # The voice gateway

    async def converse(self):
        async for message in self.socket:
            if isinstance(message, bytes):
                self.seq_ack = int.from_bytes(message[:2], "big")
                await self.answer(self.dave.binary(message[2], message[3:]))
            else:
                message = json.loads(message)
                self.seq_ack = message.get("seq", self.seq_ack)
                await self.take(message["op"], message["d"])

    async def take(self, op, data):
        if op == HELLO:
            self.tasks.append(asyncio.create_task(self.beat(data["heartbeat_interval"] / 1000)))
            names = {"server_id": "guild_id", "user_id": "user_id", "session_id": "session_id", "token": "token"}
            identify = {name: self.credentials[field] for name, field in names.items()}
            await self.send(IDENTIFY, identify | {"max_dave_protocol_version": 1})
        elif op == READY:
            await self.open_path(data)
        elif op == SESSION_DESCRIPTION:
            self.transport = Transport(data["mode"], bytes(data["secret_key"]))
            self.dave = self.end_to_end(self.user, self.credentials["channel_id"], self.ssrc, self.commits)
            self.dave.joined(self.present)
            self.dave.on_executed = lambda: self.sent_at_transitions.append(self.sent)
            await self.answer(self.dave.begin(data["dave_protocol_version"]))
        elif op == SPEAKING:
            self.speakers[data["ssrc"]] = data["user_id"]
            early, self.unknown = self.unknown, []
            for packet in early:
                self.hear(packet)
        elif op == CLIENTS_CONNECT:
            # Those who are there are told before the session is described.
            (self.dave.joined if self.dave else self.present.update)(data["user_ids"])
        elif op == CLIENT_DISCONNECT:
            self.dave.left(data["user_id"])
        elif self.dave:
            await self.answer(self.dave.json(op, data))

    async def send(self, op, data):
        await self.socket.send(json.dumps({"op": op, "d": data}))

    async def answer(self, messages):
        for op, data in messages:
            if isinstance(data, bytes):
                await self.socket.send(bytes([op]) + data)
            else:
                await self.send(op, data)

    async def beat(self, interval):
        for nonce in range(1, 1 << 30):
            await asyncio.sleep(interval)
            await self.send(HEARTBEAT, {"t": nonce, "seq_ack": self.seq_ack})

    # UDP

    async def open_path(self, ready):
        self.ssrc = ready["ssrc"]
        self.present = set()
        self.discovered = asyncio.get_running_loop().create_future()
        server = (ready["ip"], ready["port"])
        self.udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=server)
        self.udp.sendto(DISCOVERY.pack(DISCOVERY_REQUEST, DISCOVERY_LENGTH, self.ssrc, b"", 0))
        address, port = await asyncio.wait_for(self.discovered, DISCOVERY_PATIENCE_SECONDS)
        data = {"address": address, "port": port, "mode": self.mode}
        await self.send(SELECT_PROTOCOL, {"protocol": "udp", "data": data})

    def datagram_received(self, datagram, _):
        if not self.discovered.done() and len(datagram) == DISCOVERY.size:
            kind, _, _, address, port = DISCOVERY.unpack(datagram)
            if kind == DISCOVERY_RESPONSE:
                self.discovered.set_result((address.rstrip(b"\0").decode(), port))
            return
        packet = self.transport and self.transport.open(datagram)
        if packet:
            self.hear(packet)

    def hear(self, packet):
        user = self.speakers.get(packet.ssrc)
        if user is None:
            self.unknown.append(packet)
            return
        silence = packet.payload == SILENCE
        refused = None
        if not silence and packet.sequence % CHANGED_EVERY == 0:
            changed = bytes([packet.payload[0] ^ 1]) + packet.payload[1:]
            refused = self.dave.decrypt(user, changed) is None
        heard = Received(
            user=user,
            sequence=packet.sequence,
            opus=self.dave.decrypt(user, packet.payload),
            in_the_clear=not silence and not packet.payload.endswith(MARKER),
            executed=len(self.dave.executed),
            refused_when_changed=refused,
        )
        self.received.append(heard)

    # What it says

    async def begin_to_speak(self, is_known):
        """Announces itself, and sends silence until it is known whose the SSRC is: op 5 and RTP go different ways."""
        await self.send(SPEAKING, {"speaking": 1, "delay": 0, "ssrc": self.ssrc})
        while not is_known():
            self.send_packet(SILENCE)
            await asyncio.sleep(FRAME_SECONDS)
        self.sound = asyncio.create_task(self.speak())
        self.tasks.append(self.sound)

    async def speak(self):
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            # Like any sender it waits while there is no key.
            frame = self.dave.encrypt(counted(self.sent))
            if frame is not None:
                self.send_packet(frame)
                self.sent += 1
            due += FRAME_SECONDS
            await asyncio.sleep(max(0, due - clock()))

    async def stop_speaking(self):
        self.sound.cancel()
        for _ in range(SILENT_FRAMES):
            self.send_packet(SILENCE)
        await self.send(SPEAKING, {"speaking": 0, "delay": 0, "ssrc": self.ssrc})

    def send_packet(self, payload):
        extended = self.sequence % EXTENDED_EVERY == 0
        self.udp.sendto(self.transport.seal(self.ssrc, self.sequence, self.timestamp, payload, extended))
        self.sequence += 1
        self.timestamp += RTP_TICKS_A_FRAME
