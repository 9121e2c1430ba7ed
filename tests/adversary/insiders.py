"""Attacks by frames of a connection that is up: streams, acknowledgements, datagrams, ids and paths."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

from spacecore import pack_audio
from tests.adversary import frames
from tests.adversary.ground import Ground
from tests.adversary.intruder import Intruder

__all__ = [
    "cid_flood",
    "datagram_flood",
    "forged_acks",
    "gap_fragments",
    "gaps",
    "odd_frames",
    "path_flood",
    "scattered",
    "sparse_frames",
    "stream_flood",
]

WINDOW_BYTES = 64 * 1024
_PIECES = 100  # of one byte, in one packet
_FAR = 1 << 40


@contextlib.asynccontextmanager
async def _intruders(ground: Ground) -> AsyncIterator[_Front]:
    front = _Front(ground)
    try:
        yield front
    finally:
        if front.now is not None:
            front.now.leave()


class _Front:
    """One intruder after the other: whoever is thrown out comes again."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.now: Intruder | None = None
        self._came = 0

    def replace(self) -> None:
        """Let another one come next."""
        if self.now is not None:
            self.now.leave()
            self.now = None

    async def inside(self) -> Intruder | None:
        """Somebody who listens in the honest room; None where nobody gets in at present."""
        if self.now is not None and self.now.closed is None:
            return self.now
        if self.now is not None:
            self.ground.tally["thrown_out"] += 1
            self.now.leave()
        self._came += 1
        self.now = Intruder(self.ground)
        if await self.now.join(f"eve-{self._came % 8}"):
            return self.now
        self.ground.tally["not_let_in"] += 1
        self.now.leave()
        self.now = None
        return None


async def _pelt(
    ground: Ground, per_s: float, packet: Callable[[Intruder], bytes], *, life: int | None = None
) -> None:
    """Packets with what `packet` says, from one intruder after the other, each of so many packets.

    Who gave away their connection ids does not hear of their end: without `life` they would speak to nobody.
    """
    async with _intruders(ground) as front:
        async for n in ground.paced(per_s):
            if life is not None and n % life == 0:
                front.replace()
            intruder = await front.inside()
            if intruder is not None:
                intruder.inject(packet(intruder))


def scattered(ground: Ground) -> Iterator[bytes]:
    """One byte each, anywhere in the window of the control stream."""
    while True:
        yield frames.stream(0, ground.dice.randrange(100, WINDOW_BYTES), b"x")


def gaps(ground: Ground) -> Iterator[bytes]:
    """Packets of many pieces of one byte, each behind a gap of its own."""
    at = 100
    while True:
        yield b"".join(frames.stream(0, at + 2 * n, b"x") for n in range(_PIECES))
        at = 100 + (at + 2 * _PIECES) % (WINDOW_BYTES - 4 * _PIECES)


async def sparse_frames(ground: Ground) -> None:
    """STREAM frames of one byte, far apart."""
    pieces = scattered(ground)
    await _pelt(ground, 500, lambda intruder: next(pieces))


async def gap_fragments(ground: Ground) -> None:
    """A hundred pieces a packet, none of which meets another."""
    pieces = gaps(ground)
    await _pelt(ground, 200, lambda intruder: next(pieces))


async def stream_flood(ground: Ground) -> None:
    """Streams are opened, reset, stopped and asked for, also more than may be."""
    dice = ground.dice

    def packet(intruder: Intruder) -> bytes:
        number = dice.choice((4 * dice.randrange(1, 4), 2 + 4 * dice.randrange(4), 4 * dice.randrange(4096)))
        kinds = (
            lambda: frames.stream(number, 0, dice.randbytes(20), fin=dice.random() < 0.5),
            lambda: frames.reset_stream(number, 7, 0),
            lambda: frames.stop_sending(number & ~2, 7),
            lambda: frames.streams_blocked(dice.randrange(1 << 30)),
        )
        return b"".join(dice.choice(kinds)() for _ in range(8))

    await _pelt(ground, 500, packet)


async def forged_acks(ground: Ground) -> None:
    """ACKs of packets that were never sent, before they are sent, and of many ranges."""
    dice = ground.dice

    def packet(intruder: Intruder) -> bytes:
        seen = 64 + intruder.audio
        many = tuple((dice.randrange(4), dice.randrange(4)) for _ in range(200))
        return dice.choice(
            (
                lambda: frames.ack(dice.randrange(_FAR)),
                lambda: frames.ack(seen + dice.randrange(50), first_range=seen),
                lambda: frames.ack(seen * 40, *many),
                lambda: frames.ack(2, delay=dice.randrange(_FAR)),
                lambda: frames.ack(0, *many),
            )
        )()

    await _pelt(ground, 500, packet)


async def datagram_flood(ground: Ground) -> None:
    """3,000 datagrams a second of somebody who may not speak: audio, reports, nonsense."""
    dice = ground.dice
    seq = 0

    def packet(intruder: Intruder) -> bytes:
        nonlocal seq
        seq += 1
        audio = pack_audio(
            [bytes([0x78]) + dice.randbytes(60)], seq=seq & 0xFFFF, timestamp=960 * seq, level=10
        )
        claims = pack_audio([bytes([0x0B, 6, *bytes(60)])], seq=seq & 0xFFFF, timestamp=0, level=10)
        data = dice.choice(
            (audio, claims, b"\x00\x02" + dice.randbytes(12), b"\x00\x63abc", b"", dice.randbytes(1_000))
        )
        return frames.datagram(data)

    await _pelt(ground, 3_000, packet)


async def cid_flood(ground: Ground) -> None:
    """Connection ids are announced, retired and asked for without end."""
    dice = ground.dice
    numbers = iter(range(8, 1 << 30))

    def packet(intruder: Intruder) -> bytes:
        some = dice.randrange(3)
        if some == 0:
            return b"".join(
                frames.new_connection_id(number, number, dice.randbytes(8))
                for number in (next(numbers) for _ in range(8))
            )
        if some == 1:
            return b"".join(frames.retire_connection_id(n) for n in range(1, 1 + dice.randrange(1, 20)))
        number = next(numbers)
        retire = dice.randrange(number + 1)
        return frames.new_connection_id(number, retire, dice.randbytes(dice.randrange(1, 21)))

    await _pelt(ground, 300, packet, life=10)


async def path_flood(ground: Ground) -> None:
    """Challenges of many paths, from addresses that change with every packet."""
    dice = ground.dice
    async with _intruders(ground) as front:
        async for n in ground.paced(500):
            intruder = await front.inside()
            if intruder is None:
                continue
            challenges = b"".join(frames.path_challenge(dice.randbytes(8)) for _ in range(30))
            if len(intruder._others) < 32:
                await intruder.another_socket()
            through = dice.choice(intruder._others) if n % 2 else None
            intruder.inject(challenges + frames.path_response(dice.randbytes(8)), through=through)


async def odd_frames(ground: Ground) -> None:
    """Any frames at all in authentic packets, well-formed ones among them, with bytes changed."""
    dice = ground.dice

    def packet(intruder: Intruder) -> bytes:
        kinds = (
            lambda: frames.stream(4 * dice.randrange(3), dice.randrange(_FAR), dice.randbytes(9)),
            lambda: frames.crypto(dice.randrange(1 << 16), dice.randbytes(30)),
            lambda: frames.ack(dice.randrange(200)),
            lambda: frames.max_data(dice.randrange(_FAR)),
            lambda: frames.new_connection_id(dice.randrange(20), dice.randrange(20), dice.randbytes(8)),
            lambda: frames.retire_connection_id(dice.randrange(10)),
            lambda: frames.reset_stream(0, 1, dice.randrange(_FAR)),
            lambda: bytes([dice.randrange(0x40)]) + dice.randbytes(dice.randrange(40)),
        )
        data = bytearray(b"".join(dice.choice(kinds)() for _ in range(dice.randrange(1, 4))))
        for _ in range(dice.randrange(3)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        return bytes(data)

    await _pelt(ground, 200, packet, life=10)
