"""A WebRTC connection to a voice server by aiortc, as far as a viewer needs one: ICE, DTLS, SRTP.

The server describes itself in the abbreviated form of Discord's voice gateway, and is described to in it
(docs.discord.food, "Voice connections", `webrtc` protocol).
"""

import contextlib
import re
import socket
import struct

import aioice.ice
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceTransport,
)
from aiortc.sdp import candidate_from_sdp

#: Simulated servers are on this machine; aioice looks for addresses of others.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]

OPUS, H264, H264_RTX = 120, 101, 102

EXTENSIONS = (
    "2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
)
CODECS = (f"{OPUS} opus/48000/2", f"{H264} H264/90000", f"{H264_RTX} rtx/90000")

RTP_HEADER = struct.Struct(">BBHII")

#: Nothing is sent again for this end, so the kernel has to keep what comes while a busy machine does not let it read:
#: more than ten seconds of film. Beyond the system's limit only who administrates the network gets it (socket(7); Python
#: has no name for that option).
RECEIVE_BUFFER, SO_RCVBUFFORCE = 8 << 20, 33

#: Of H.264 over RTP (RFC 6184): several NAL units in one packet, one in several.
STAP_A, FU_A = 24, 28
START_CODE = b"\x00\x00\x00\x01"


class Dtls(RTCDtlsTransport):
    """Hands decrypted RTP packets over instead of decoding them."""

    on_rtp = None

    async def _handle_rtp_data(self, data, arrival_time_ms):
        self.on_rtp(data)

    async def _handle_rtcp_data(self, data):
        pass


class Path:
    """One media connection. `fragment` goes into op 1; `open` takes what comes in op 4."""

    def __init__(self, on_rtp):
        self.gatherer = RTCIceGatherer(iceServers=[])
        self.ice = RTCIceTransport(self.gatherer)
        self.dtls = Dtls(self.ice, [RTCCertificate.generateCertificate()])
        self.dtls.on_rtp = on_rtp

    async def fragment(self):
        await self.gatherer.gather()
        self.make_room()
        ice = self.gatherer.getLocalParameters()
        digests = {one.algorithm: one.value for one in self.dtls.getLocalParameters().fingerprints}
        lines = [
            "a=extmap-allow-mixed",
            f"a=ice-ufrag:{ice.usernameFragment}",
            f"a=ice-pwd:{ice.password}",
            "a=ice-options:trickle",
            f"a=fingerprint:sha-256 {digests['sha-256']}",
            *[f"a=extmap:{extension}" for extension in EXTENSIONS],
            *[f"a=rtpmap:{codec}" for codec in CODECS],
        ]
        return "\n".join(lines)

    def make_room(self):
        for protocol in self.ice._connection._protocols:
            udp = protocol.transport.get_extra_info("socket")
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            with contextlib.suppress(PermissionError):
                udp.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)

    async def open(self, sdp):
        def line(pattern):
            return re.search(pattern, sdp, re.MULTILINE)[1]

        # The server is ice-lite and waits for DTLS: this end begins both.
        self.ice._connection.ice_controlling = True
        await self.ice.addRemoteCandidate(candidate_from_sdp(line(r"^a=candidate:(.+)$").strip()))
        await self.ice.addRemoteCandidate(None)
        password = line(r"^a=ice-pwd:(\S+)")
        await self.ice.start(RTCIceParameters(usernameFragment=line(r"^a=ice-ufrag:(\S+)"), password=password))
        digest = RTCDtlsFingerprint("sha-256", line(r"^a=fingerprint:sha-256 (\S+)"))
        self.dtls._set_role("client")
        await self.dtls.start(RTCDtlsParameters(fingerprints=[digest], role="server"))

    async def close(self):
        await self.dtls.stop()
        await self.ice.stop()


class Rtp:
    """A packet, without what WebRTC puts around its payload."""

    def __init__(self, data):
        flags, kind, self.sequence, self.timestamp, self.ssrc = RTP_HEADER.unpack_from(data)
        self.marker, self.payload_type = bool(kind & 0x80), kind & 0x7F
        begin, end = RTP_HEADER.size + 4 * (flags & 0x0F), len(data)
        if flags & 0x10:
            begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
        if flags & 0x20:
            end -= data[-1]
        self.payload = data[begin:end]


class Depacketizer:
    """Access units out of packets that come in order."""

    def __init__(self):
        self.picture = b""

    def take(self, packet):
        """The access unit that the packet ends; none: it goes on."""
        kind = packet.payload[0] & 0x1F
        if kind == STAP_A:
            rest = packet.payload[1:]
            while rest:
                length = int.from_bytes(rest[:2], "big")
                self.picture += START_CODE + rest[2 : 2 + length]
                rest = rest[2 + length :]
        elif kind == FU_A:
            indicator, header = packet.payload[:2]
            if header & 0x80:
                self.picture += START_CODE + bytes([indicator & 0xE0 | header & 0x1F])
            self.picture += packet.payload[2:]
        else:
            self.picture += START_CODE + packet.payload
        if not packet.marker:
            return None
        picture, self.picture = self.picture, b""
        return picture
