"""Attacks by people who got in, or nearly: bombs, replays, somebody who stalls, and ghosts at every door."""

from __future__ import annotations

import asyncio
import datetime

import msgpack
from aioquic.quic.connection import QuicConnection
from aioquic.tls import CipherSuite, SessionTicket

from signaling.protocol import frame
from signaling.protocol import messages as wire
from spacecore import pack_audio
from tests.adversary import frames
from tests.adversary.ground import Ground
from tests.adversary.intruder import Intruder, configuration

__all__ = ["BOMBS", "ghosts", "msgpack_bombs", "replays", "stalled_listener"]

BOMBS = (
    b"\x91" * 10_000 + b"\x90",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\x92\x01\xdb\x7f\xff\xff\xff",
    b"\xdc\x3f\xf0" + b"\x80" * 0x3FF0,
    msgpack.packb([3, 9, ["x"] * 5_000]),
    msgpack.packb([3, 9, {str(n): {} for n in range(2_000)}]),
    b"\x93\x03\x01\xd9\xff" + b"\xff" * 255,
    b"\xc7\xff\x01" + bytes(255),
    b"\xc1",
)
_MOST_STALLED = 16
_GONE_S = 8.0  # longer than a stalled listener may stay


async def msgpack_bombs(ground: Ground) -> None:
    """Messages that claim to be far larger than they are, whole and in pieces."""
    dice = ground.dice
    intruder: Intruder | None = None
    came = 0
    async for n in ground.paced(100):
        if intruder is None or intruder.closed is not None:
            came += 1
            intruder = Intruder(ground)
            if not await intruder.enter(f"bomber-{came % 8}"):
                intruder.leave()
                intruder = None
                continue
        body = BOMBS[n % len(BOMBS)] if n < len(BOMBS) else dice.choice(BOMBS)
        data = frame(body[: dice.randrange(1, len(body) + 1)] if dice.random() < 0.2 else body)
        ground.tally["packets"] += 1
        ground.tally["bytes"] += len(data)
        intruder.say(data)
    if intruder is not None:
        intruder.leave()


async def replays(ground: Ground) -> None:
    """All that was ever sent is sent again: handshakes, requests, tokens; and a made-up session ticket."""
    known: list[bytes] = []
    async for n in ground.paced(400):
        if n % 100 == 0:
            intruder = Intruder(ground)
            intruder.sent = []
            await intruder.join("replayed")  # the same bearer token each time
            known = [*known[-200:], *intruder.sent]
            elsewhere = await ground.open(ground.host(), asyncio.DatagramProtocol)
            for packet in intruder.sent:
                intruder.emit(packet)
                intruder.emit(packet, through=elsewhere)
            intruder.leave()
            for packet in known:
                ground.tally["packets"] += 1
                elsewhere.sendto(packet)
            elsewhere.close()
        if n % 100 == 50:
            await _early(ground)


async def _early(ground: Ground) -> None:
    """0-RTT with a ticket that the server never gave: the request in it must not be carried out."""
    chosen = configuration()
    now = datetime.datetime.now(datetime.UTC)
    chosen.session_ticket = SessionTicket(
        age_add=ground.dice.randrange(1 << 32),
        cipher_suite=CipherSuite.AES_128_GCM_SHA256,
        not_valid_before=now - datetime.timedelta(hours=1),
        not_valid_after=now + datetime.timedelta(hours=1),
        resumption_secret=ground.dice.randbytes(32),
        server_name="localhost",
        ticket=ground.dice.randbytes(64),
        max_early_data_size=0xFFFF_FFFF,
    )
    intruder = Intruder(ground, quic=QuicConnection(configuration=chosen))
    intruder.quic.send_stream_data(0, frame(b"\x93\x01\x01\xa0"))
    if await intruder.connect() and intruder.quic.tls.session_resumed:
        ground.tally["resumed"] += 1
    intruder.leave()


async def stalled_listener(ground: Ground) -> None:
    """Listeners who acknowledge nothing any more but give signs of life; how long they are kept."""
    loop = asyncio.get_running_loop()
    stalled: list[tuple[Intruder, float, int]] = []
    for n in range(_MOST_STALLED):
        intruder = Intruder(ground)
        if await intruder.join(f"stalled-{n}"):
            stalled.append((intruder, loop.time(), intruder.audio))
            intruder.is_mute = True
    ground.tally["stalled"] = len(stalled)
    end_s = loop.time() + max(ground.seconds, _GONE_S)
    gone: set[int] = set()
    while loop.time() < end_s and len(gone) < len(stalled):
        for n, (intruder, began_s, _) in enumerate(stalled):
            if n in gone:
                continue
            if intruder.closed is not None:
                gone.add(n)
                ground.mark("out_after_s", loop.time() - began_s)
                ground.tally[f"closed_{intruder.closed.error_code:#x}"] += 1
            else:
                intruder.inject(frames.PING)
        await asyncio.sleep(0.1)
    for n, (intruder, began_s, before) in enumerate(stalled):
        if n not in gone:
            ground.tally["never_out"] += 1
            ground.mark("out_after_s", loop.time() - began_s)
        ground.mark("sent_to_one", intruder.audio - before)
        intruder.leave()


async def ghosts(ground: Ground) -> None:
    """At every door without a right to it: nobody outside a room may hear a sound of it."""
    doors = (_before_hello, _by_a_wrong_id, _without_joining, _after_leaving, _after_a_removal)
    n = 0
    async for _ in ground.paced(20):
        await doors[n % len(doors)](ground, n)
        n += 1


async def _before_hello(ground: Ground, n: int) -> None:
    ghost = Intruder(ground)
    if await ghost.connect():
        for kind, fields in (
            (wire.Join, (ground.space,)),
            (wire.ListPeople, ()),
            (wire.Resume, (ground.space, 0)),
        ):
            _must_be_refused(ground, await ghost.ask(kind, *fields))
        bad = (b"", b"a.b.c", ground.token("ghost").encode()[:-4] + b"AAAA")[n % 3].decode()
        if bad:
            _must_be_refused(ground, await ghost.ask(wire.Hello, bad))
        await _listen(ground, ghost)
    ghost.leave()


async def _by_a_wrong_id(ground: Ground, n: int) -> None:
    ghost = Intruder(ground)
    if await ghost.enter("ghost-1"):
        wrong = bytearray(ground.space)
        wrong[n % len(wrong)] ^= 1 << n % 8
        for kind, fields in ((wire.Join, ()), (wire.Resume, (0,)), (wire.Oversee, ())):
            _must_be_refused(ground, await ghost.ask(kind, bytes(wrong), *fields))
        _must_be_refused(ground, await ghost.ask(wire.Oversee, ground.space))
        await _listen(ground, ghost)
    ghost.leave()


async def _without_joining(ground: Ground, n: int) -> None:
    ghost = Intruder(ground)
    if await ghost.enter("ghost-2"):
        for kind, fields in (
            (wire.Ask, ()),
            (wire.Admit, ("ghost-2",)),
            (wire.ListPeople, ()),
            (wire.MuteAll, ()),
        ):
            _must_be_refused(ground, await ghost.ask(kind, *fields))
        ghost.inject(
            frames.datagram(pack_audio([b"\x78" + bytes(60)], seq=n & 0xFFFF, timestamp=0, level=10))
        )
        await _listen(ground, ghost)
    ghost.leave()


async def _after_leaving(ground: Ground, n: int) -> None:
    ghost = Intruder(ground)
    if await ghost.join("ghost-3"):
        await ghost.ask(wire.Leave)
        await asyncio.sleep(0.1)  # what was under way
        ghost.audio = 0
        _must_be_refused(ground, await ghost.ask(wire.ListPeople))
        await _listen(ground, ghost)
    ghost.leave()


async def _after_a_removal(ground: Ground, n: int) -> None:
    host, ghost = Intruder(ground), Intruder(ground)
    if await host.enter(f"other-host-{n % 4}") and await ghost.enter("ghost-4"):
        opened = await host.ask(wire.Open, "A room of our own")
        if isinstance(opened, wire.Joined):
            joined = await ghost.ask(wire.Join, opened.space)
            removed = await host.ask(wire.Remove, "ghost-4")
            if isinstance(joined, wire.Joined) and isinstance(removed, wire.Ok):
                ground.tally["removed"] += 1
                ghost.leave()  # the removal has ended the connection: they come back over another
                ghost = Intruder(ground)
                if await ghost.enter("ghost-4"):
                    ground.tally["came_back"] += 1
                    for kind, fields in ((wire.Join, ()), (wire.Resume, (0,))):
                        _must_be_refused(ground, await ghost.ask(kind, opened.space, *fields))
                for seq in range(5):
                    speech = pack_audio(
                        [b"\x78" + ground.dice.randbytes(60)], seq=seq, timestamp=960 * seq, level=9
                    )
                    host.inject(frames.datagram(speech))
                await _listen(ground, ghost)
            await host.ask(wire.End)
    host.leave()
    ghost.leave()


def _must_be_refused(ground: Ground, answer: object) -> None:
    ground.tally["doors"] += 1
    if answer is None:
        ground.tally["unanswered"] += 1
    elif not isinstance(answer, wire.Error):
        ground.tally["let_in"] += 1


async def _listen(ground: Ground, ghost: Intruder) -> None:
    await asyncio.sleep(0.1)
    ground.tally["heard"] += ghost.audio
