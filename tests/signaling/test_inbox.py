"""What the media thread leaves to the loop: a few packets in each turn, control before handshakes."""

from __future__ import annotations

import asyncio

from signaling.server.inbox import (
    CONTROL_PER_TURN,
    HANDSHAKES_KEPT,
    HANDSHAKES_PER_TURN,
    Inbox,
    Packet,
)
from tests.virtual.loop import run

PEER = ("10.0.0.2", 5000)


def control(number: int) -> Packet:
    return (b"\x40" + number.to_bytes(4), PEER, 0, False)


def handshake(number: int) -> Packet:
    return (b"\xc0" + number.to_bytes(4), PEER, 0, False)


def number_of(packet: Packet) -> int:
    return int.from_bytes(packet[0][1:])


async def inbox() -> tuple[Inbox, list[Packet]]:
    taken: list[Packet] = []
    return Inbox(asyncio.get_running_loop(), taken.append, lambda data: data[:1] == b"\xc0"), taken


def test_what_is_little_is_taken_at_once() -> None:
    async def story() -> None:
        box, taken = await inbox()
        box.put([handshake(1), control(2), (b"", PEER, 0, False)])
        assert taken == [control(2), (b"", PEER, 0, False), handshake(1)]
        assert len(box) == 0
        assert (box.counts.control, box.counts.handshakes) == (2, 1)

    run(story())


def test_a_burst_of_handshakes_leaves_the_loop_to_others_between_a_few() -> None:
    async def story() -> None:
        box, taken = await inbox()
        box.put(handshake(number) for number in range(100))
        turns = 0
        while len(box):
            before = len(taken)
            await asyncio.sleep(0)
            turns += 1
            assert len(taken) - before <= HANDSHAKES_PER_TURN
        assert turns >= 100 // HANDSHAKES_PER_TURN - 1
        assert [number_of(packet) for packet in taken] == list(range(100))

    run(story())


def test_control_overtakes_handshakes_and_keeps_its_order() -> None:
    async def story() -> None:
        box, taken = await inbox()
        box.put(handshake(number) for number in range(20))
        box.put([control(1), control(2)])
        await asyncio.sleep(0)
        assert taken[HANDSHAKES_PER_TURN : HANDSHAKES_PER_TURN + 2] == [control(1), control(2)]

    run(story())


def test_a_first_request_stays_behind_the_packet_that_ends_its_handshake() -> None:
    async def story() -> None:
        taken: list[Packet] = []
        inside: set[bytes] = set()
        box = Inbox(asyncio.get_running_loop(), taken.append, lambda data: data not in inside)
        finished, first = handshake(1), control(2)
        box.put([*(handshake(number) for number in range(10, 15)), finished, first])
        inside.add(control(3)[0])
        box.put([control(3)])
        for _ in range(3):
            await asyncio.sleep(0)
        assert taken.index(finished) < taken.index(first)
        assert taken.index(control(3)) < taken.index(finished)

    run(story())


def test_a_flood_of_control_is_bounded_in_each_turn_too() -> None:
    async def story() -> None:
        box, taken = await inbox()
        box.put(control(number) for number in range(3 * CONTROL_PER_TURN))
        assert len(taken) == CONTROL_PER_TURN
        await asyncio.sleep(0)
        assert len(taken) == 2 * CONTROL_PER_TURN

    run(story())


def test_handshakes_beyond_the_bound_are_dropped_and_counted() -> None:
    async def story() -> None:
        box, taken = await inbox()
        box.put(handshake(number) for number in range(HANDSHAKES_KEPT))
        assert box.counts.handshakes_dropped == 0
        box.put(handshake(number) for number in range(HANDSHAKES_PER_TURN + 1))
        assert box.counts.handshakes_dropped == 1
        box.close()
        before = len(taken)
        await asyncio.sleep(0)
        assert (len(box), len(taken)) == (0, before)

    run(story())
