"""Bad peers in a room of good ones: whatever they do costs them, and nobody else hears anything of it."""

from __future__ import annotations

import random

from spacecore import parse_audio
from spacecore._media import Room
from spacecore._plane import DONE, DROP, VIOLATION
from tests.media_pair import World, sound
from tests.oracles import plane_reference as reference
from tests.spacecore.plane_peers import Peer

ACK_EVERY = 10
ACK_AFTER_US = 600_000
REMEMBERED = 128
LEAST_WINDOW_BYTES = 16 * 1024
LONGEST_PROBE_TICKS = 25
TICK_US = 20_000


class Hearer(Peer):
    """Somebody in the room, in plain Python; `is_reachable` says whether packets still arrive there."""

    def __init__(self, world: World, room: Room, number: int) -> None:
        super().__init__(world.server, seed=number, address=(f"198.51.100.{number}", 5_000))
        self.world = world
        self.seqs: list[int] = []
        self.is_reachable = True
        self.unacked: list[int] = []
        self.unacked_since_us = 0
        self.largest = -1
        self.kept: list[bytes] = []
        room.enter(self.connection)

    def take(self, packet: bytes) -> None:
        """A packet of the server's."""
        if not self.is_reachable:
            self.unacked.clear()
            return
        opened = self.read(packet)
        if not self.unacked:
            self.unacked_since_us = self.world.now_us
        self.largest = max(self.largest, opened.pn)
        self.unacked.append(opened.pn)
        for datagram in opened.datagrams:
            audio = parse_audio(datagram, True)
            self.seqs += [audio.seq + i for i in range(len(audio.frames))]

    def send(self, *frames: bytes) -> int:
        """A packet up; the verdict."""
        self.kept.append(self.packet(*frames))
        return self.give_media(self.kept[-1])

    def give_media(self, packet: bytes) -> int:
        return self.world.media.receive(packet, self.address, self.world.now_us)

    def acknowledge_fairly(self) -> None:
        """As our client does."""
        waited_us = self.world.now_us - self.unacked_since_us
        if len(self.unacked) >= ACK_EVERY or (self.unacked and waited_us >= ACK_AFTER_US):
            assert self.send(reference.ack([(self.unacked[0], self.unacked[-1])])) == DONE
            self.unacked.clear()


class Hall:
    """A room in which somebody is always heard."""

    def __init__(self) -> None:
        self.world = World(connections=64)
        _, self.room = self.world.room(1)
        self.hearers: dict[tuple[str, int], Hearer] = {}
        self.world.run(3)

    def enter(self) -> Hearer:
        hearer = Hearer(self.world, self.room, len(self.hearers) + 1)
        self.hearers[hearer.address] = hearer
        return hearer

    def tick(self) -> None:
        """20 ms."""
        for space, seat in self.world.speakers:
            space.put_pcm(seat, sound(seat, self.world.now_us))
        self.world.media.step(self.world.now_us)
        for packet, address in self.world.media.take_sent():
            self.hearers[address].take(packet)
        self.world.now_us += TICK_US


def consecutive(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_bad_peers_disturb_nobody() -> None:
    hall, rng = Hall(), random.Random(1)
    good = [hall.enter() for _ in range(3)]
    silent, verbose, doubling, forging, lying = (hall.enter() for _ in range(5))
    for tick in range(400):
        hall.tick()
        for each in (*good, doubling, forging):
            each.acknowledge_fairly()
        if verbose.largest >= 2 * 500:  # hundreds of ranges, in every packet
            ranges = [(pn, pn) for pn in range(verbose.largest, verbose.largest - 2 * 500, -2)]
            assert verbose.send(reference.ack(ranges)) == DONE
        elif verbose.largest > 1:
            assert verbose.send(reference.ack([(pn, pn) for pn in range(verbose.largest, -1, -2)])) == DONE
        for packet in doubling.kept[-20:]:
            assert doubling.give_media(packet) == DROP
        for _ in range(20):
            assert forging.give_media(b"\x40" + forging.own_cid + rng.randbytes(60)) == DROP
        assert lying.send(reference.ack([(10**6 + tick, 10**6 + tick)])) == VIOLATION
    for each in hall.hearers.values():
        if each not in (silent, lying):
            assert consecutive(each.seqs), f"{each.address} missed something"
            assert len(each.seqs) == 400
    for each in good:
        assert each.connection.stats.lost == 0
    for each in (silent, lying):  # who acknowledges nothing gets what may be in flight, and then ever less
        told = each.connection.stats
        assert each.seqs == sorted(set(each.seqs))
        assert told.acked == 0
        assert told.lost + each.connection.in_flight_packets >= told.datagrams_out
        assert each.connection.in_flight_packets <= REMEMBERED
        assert each.connection.in_flight_bytes <= LEAST_WINDOW_BYTES + 1_200
    stats = verbose.connection.stats
    assert stats.acked + stats.lost + verbose.connection.in_flight_packets >= stats.datagrams_out
    assert doubling.connection.stats.duplicates > 5_000
    assert forging.connection.stats.forged == forging.connection.forged == 400 * 20
    assert hall.world.server.stats.violations == 400


def test_a_stalled_listener_hears_the_present_when_it_wakes() -> None:
    """Within the longest pause between probes, and the longest delay of a client's acknowledgement."""
    hall = Hall()
    good, stalled = hall.enter(), hall.enter()
    fell, woke, well = 50, 650, 650 + 2 * LONGEST_PROBE_TICKS + ACK_AFTER_US // TICK_US
    first = None
    for tick in range(well + 100):
        stalled.is_reachable = not fell <= tick < woke
        before = len(stalled.seqs)
        hall.tick()
        for each in (good, stalled):
            if each.is_reachable:
                each.acknowledge_fairly()
        assert stalled.connection.in_flight_packets <= REMEMBERED
        if tick >= woke and len(stalled.seqs) > before:
            assert stalled.seqs[before:] == good.seqs[-1:]  # nothing of the past
            first = tick if first is None else first
    assert first is not None
    assert first - woke <= LONGEST_PROBE_TICKS
    assert stalled.seqs[-100:] == good.seqs[-100:]
    assert stalled.seqs[:fell] == good.seqs[:fell]
    assert consecutive(good.seqs)
    assert good.connection.stats.lost == 0
    assert stalled.connection.stats.lost >= 16
    assert stalled.connection.stats.window_dropped > 100
