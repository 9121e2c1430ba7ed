"""Opens SRTP packets (RFC 3711, AES_CM_128_HMAC_SHA1_80), to check what a server sent."""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.peer.ocb2 import ForgedError
from bench.peer.rtp import HEADER_BYTES

KEY_BYTES = 16
SALT_BYTES = 14
TAG_BYTES = 10


def keystream(key: bytes, iv: int, n_bytes: int) -> bytes:
    """AES in counter mode (section 4.1.1); the counter is the lowest 16 bits of the IV."""
    encryptor = Cipher(algorithms.AES128(key), modes.CTR(iv.to_bytes(16))).encryptor()
    return encryptor.update(bytes(n_bytes))


def derive(master: bytes, salt: bytes, label: int, n_bytes: int) -> bytes:
    """A session key (section 4.3.1), with a key derivation rate of 0."""
    return keystream(master, (int.from_bytes(salt) ^ label << 48) << 16, n_bytes)


class Opener:
    """One direction of one sender. `secret` is key and salt, 30 bytes, as SDES carries them."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES + SALT_BYTES:
            raise ValueError(
                f"a secret of {len(secret)} bytes: {KEY_BYTES} of key and {SALT_BYTES} of salt are needed"
            )
        master, salt = secret[:KEY_BYTES], secret[KEY_BYTES:]
        self._key = derive(master, salt, 0, KEY_BYTES)
        self._authentication_key = derive(master, salt, 1, 20)
        self._salt = int.from_bytes(derive(master, salt, 2, SALT_BYTES))

    def open(self, packet: bytes) -> bytes:
        """The RTP packet, header and payload; the header has neither contributors nor an extension.

        Raises:
            ForgedError: the tag is wrong with a roll-over count of 0 and of 1; no run lasts longer.
        """
        body, tag = packet[:-TAG_BYTES], packet[-TAG_BYTES:]
        for rolled_over in (0, 1):
            signed = body + rolled_over.to_bytes(4)
            if hmac.digest(self._authentication_key, signed, hashlib.sha1)[:TAG_BYTES] == tag:
                return body[:HEADER_BYTES] + self._decrypt(body, rolled_over)
        raise ForgedError(f"an SRTP packet of {len(packet)} bytes has a wrong tag")

    def _decrypt(self, body: bytes, rolled_over: int) -> bytes:
        index = rolled_over << 16 | int.from_bytes(body[2:4])
        iv = self._salt << 16 ^ int.from_bytes(body[8:12]) << 64 ^ index << 16
        payload = body[HEADER_BYTES:]
        return bytes(a ^ b for a, b in zip(payload, keystream(self._key, iv, len(payload)), strict=True))
