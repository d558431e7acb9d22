"""RTP and its transport encryption (Discord, "Voice connections: transport encryption modes")."""

import itertools
import struct
from typing import NamedTuple

from nacl import bindings, exceptions

FIXED_HEADER = struct.Struct(">BBHII")
OPUS = 120
COUNTER_BYTES = 4

#: Mode: encrypt, decrypt, length of the nonce. libsodium's AES needs a processor that has it built in.
CIPHERS = {
    "aead_aes256_gcm_rtpsize": (
        bindings.crypto_aead_aes256gcm_encrypt,
        bindings.crypto_aead_aes256gcm_decrypt,
        bindings.crypto_aead_aes256gcm_NPUBBYTES,
    ),
    "aead_xchacha20_poly1305_rtpsize": (
        bindings.crypto_aead_xchacha20poly1305_ietf_encrypt,
        bindings.crypto_aead_xchacha20poly1305_ietf_decrypt,
        bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    ),
}

#: A one-byte-header extension (RFC 8285) as Discord's clients send it: id 1, one byte of audio level, two of padding.
EXTENSION_HEADER = b"\xbe\xde\x00\x01"
EXTENSION_BODY = b"\x10\x7f\x00\x00"


class Packet(NamedTuple):
    ssrc: int
    sequence: int
    payload: bytes


class Transport:
    """Seals and opens RTP packets with the key of a session description."""

    def __init__(self, mode, key):
        self.encrypt, self.decrypt, self.nonce_bytes = CIPHERS[mode]
        self.key = key
        self.counters = itertools.count()

    def nonce(self, counter):
        return counter + bytes(self.nonce_bytes - COUNTER_BYTES)

    def seal(self, ssrc, sequence, timestamp, payload, extended=False):
        version = 0x90 if extended else 0x80
        header = FIXED_HEADER.pack(version, OPUS, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
        if extended:
            # The extension's header stays clear, its body is encrypted with the payload.
            header, payload = header + EXTENSION_HEADER, EXTENSION_BODY + payload
        counter = next(self.counters).to_bytes(COUNTER_BYTES, "big")
        return header + self.encrypt(payload, header, self.nonce(counter), self.key) + counter

    def open(self, datagram):
        """The packet; none for what is no RTP, or under another key."""
        if len(datagram) < FIXED_HEADER.size + COUNTER_BYTES or datagram[0] >> 6 != 2:
            return None
        flags, _, sequence, _, ssrc = FIXED_HEADER.unpack_from(datagram)
        clear = FIXED_HEADER.size + 4 * (flags & 0x0F)
        extension = 0
        if flags & 0x10:
            extension = 4 * int.from_bytes(datagram[clear + 2 : clear + 4], "big")
            clear += 4
        header, sealed, counter = datagram[:clear], datagram[clear:-COUNTER_BYTES], datagram[-COUNTER_BYTES:]
        try:
            payload = self.decrypt(sealed, header, self.nonce(counter), self.key)[extension:]
        except exceptions.CryptoError:
            return None
        if flags & 0x20:
            payload = payload[: -payload[-1]]
        return Packet(ssrc, sequence, payload)
