"""1-RTT packets in plain Python: sealed and opened by `cryptography`, frames read one by one; RFC 9000."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

KEY_BYTES = {0: 16, 1: 32, 2: 32}


@dataclass(frozen=True)
class Keys:
    """One direction's keys of one phase."""

    suite: int
    key: bytes
    iv: bytes
    hp: bytes

    @classmethod
    def random(cls, suite: int, rng: random.Random, hp: bytes | None = None) -> Keys:
        size = KEY_BYTES[suite]
        return cls(suite, rng.randbytes(size), rng.randbytes(12), hp or rng.randbytes(size))

    def aead(self) -> AESGCM | ChaCha20Poly1305:
        return ChaCha20Poly1305(self.key) if self.suite == 2 else AESGCM(self.key)

    def nonce(self, pn: int) -> bytes:
        return bytes(a ^ b for a, b in zip(self.iv, pn.to_bytes(12, "big"), strict=True))

    def mask(self, sample: bytes) -> bytes:
        if self.suite == 2:
            stream = Cipher(algorithms.ChaCha20(self.hp, sample), None).encryptor()
            return stream.update(bytes(5))
        block = Cipher(algorithms.AES(self.hp), modes.ECB()).encryptor()  # noqa: S305 - as the RFC says
        return block.update(sample)[:5]


def varint(value: int) -> bytes:
    """RFC 9000 section 16."""
    for log, bits in enumerate((6, 14, 30, 62)):
        if value < 1 << bits:
            return (value | log << (8 << log) - 2).to_bytes(1 << log, "big")
    raise ValueError(value)


def seal(
    keys: Keys,
    dcid: bytes,
    pn: int,
    plain: bytes,
    *,
    pn_bytes: int = 2,
    phase: int = 0,
    spin: int = 0,
    reserved: int = 0,
) -> bytes:
    """A protected short header packet."""
    first = 0x40 | spin << 5 | reserved << 3 | phase << 2 | pn_bytes - 1
    number = (pn & (1 << 8 * pn_bytes) - 1).to_bytes(pn_bytes, "big")
    header = bytes([first]) + dcid + number
    text = keys.aead().encrypt(keys.nonce(pn), plain, header)
    sample = (number + text)[4:20]
    mask = keys.mask(sample)
    hidden = bytes(a ^ b for a, b in zip(number, mask[1:], strict=False))
    return bytes([first ^ (mask[0] & 0x1F)]) + dcid + hidden + text


@dataclass
class Opened:
    """A packet without its protection."""

    pn: int
    pn_bytes: int
    phase: int
    spin: int
    plain: bytes
    datagrams: list[bytes] = field(default_factory=list)
    acks: list[list[tuple[int, int]]] = field(default_factory=list)  # each: (first, last), newest first
    ack_delay: int = 0


def unseal(keys: Keys, cid_bytes: int, expected: int, packet: bytes) -> Opened | None:
    """None if it is not authentic."""
    at = 1 + cid_bytes
    mask = keys.mask(packet[at + 4 : at + 20])
    first = packet[0] ^ (mask[0] & 0x1F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[at : at + size], mask[1:], strict=False))
    header = bytes([first]) + packet[1:at] + number
    window = 1 << 8 * size
    near = expected & ~(window - 1) | int.from_bytes(number, "big")
    pn = min((near - window, near, near + window), key=lambda each: (each < 0, abs(each - expected)))
    try:
        plain = keys.aead().decrypt(keys.nonce(pn), packet[at + size :], header)
    except InvalidTag:
        return None
    found = Opened(pn, size, first >> 2 & 1, first >> 5 & 1, plain)
    _read(found)
    return found


def _read(found: Opened) -> None:
    plain, at = found.plain, 0

    def number() -> int:
        nonlocal at
        size = 1 << (plain[at] >> 6)
        value = int.from_bytes(plain[at : at + size], "big") & (1 << 8 * size - 2) - 1
        at += size
        return value

    while at < len(plain):
        kind = number()
        if kind == 0x02:
            largest, found.ack_delay, more = number(), number(), number()
            first = largest - number()
            ranges = [(first, largest)]
            for _ in range(more):
                last = first - number() - 2
                first = last - number()
                ranges.append((first, last))
            found.acks.append(ranges)
        elif kind == 0x31:
            size = number()
            found.datagrams.append(plain[at : at + size])
            at += size
        elif kind not in (0x00, 0x01):
            raise ValueError(f"frame {kind:#x} at {at} of {plain.hex()}")


def ack(ranges: list[tuple[int, int]], delay: int = 0) -> bytes:
    """An ACK frame of (first, last) ranges, newest first."""
    first, last = ranges[0]
    frame = b"\x02" + varint(last) + varint(delay) + varint(len(ranges) - 1) + varint(last - first)
    for below, top in ranges[1:]:
        frame += varint(first - top - 2) + varint(top - below)
        first = below
    return frame


def datagram(payload: bytes) -> bytes:
    """A DATAGRAM frame with its length."""
    return b"\x31" + varint(len(payload)) + payload
