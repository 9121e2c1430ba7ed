"""The media thread on real sockets: audio goes on whatever Python does, and nothing is left behind."""

from __future__ import annotations

import gc
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from signaling.media._thread import MediaThread
from spacecore import Report as ReceiverReport
from spacecore import Space, pack_report, parse_audio
from spacecore._media import Media, Room
from spacecore._plane import DONE, Plane
from tests.media_pair import Listener, join, sound

PATIENCE_S = 20.0
HELD_S = 0.2
TICK_S = 0.02
FRAMES_AHEAD = 24


def local_socket() -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    found.bind(("127.0.0.1", 0))
    found.setblocking(False)
    return found


class Venue:
    """A Media with a thread and a socket, one room in which somebody is heard, a socket for each listener."""

    def __init__(self, listeners: int, **media: int) -> None:
        rng = random.Random(3)
        self.server, self.clients = Plane(connections=4_096), Plane(connections=4_096)
        self.media = Media(self.server, **media)
        self.socket = local_socket()
        self.sockets = [local_socket() for _ in range(listeners)]
        address = self.socket.getsockname()
        self.listeners = [
            join(self.server, self.clients, each.getsockname(), address, rng) for each in self.sockets
        ]
        self.space = Space(complexity=0, keep_alive_ms=20)
        self.space.add_seat(1, pcm=True)
        # Said before anybody listens: from here on each tick has a frame, be it a keep-alive.
        for i in range(FRAMES_AHEAD):
            self.space.put_pcm(1, sound(1, i * 20_000))
        self.room: Room = self.media.add_room(self.space)
        self.thread = MediaThread(self.media, self.socket.fileno())

    def close(self) -> None:
        self.thread.stop()
        for each in (self.socket, *self.sockets):
            each.close()

    def read(self, of: int) -> list[int]:
        """What waits in the socket of one listener: numbers of all frames that it has heard so far."""
        listener = self.listeners[of]
        while True:
            try:
                packet, address = self.sockets[of].recvfrom(2_048)
            except BlockingIOError:
                return listener.seqs
            take(listener, packet, address)

    def hear(self, of: int, frames: int) -> list[int]:
        """Wait until a listener has heard so many frames."""
        until_s = time.monotonic() + PATIENCE_S
        while len(self.read(of)) < frames:
            left_s = until_s - time.monotonic()
            assert left_s > 0, f"{len(self.listeners[of].seqs)} of {frames} frames came"
            select.select([self.sockets[of]], [], [], left_s)
        return self.listeners[of].seqs


def take(listener: Listener, packet: bytes, address: tuple[str, int]) -> None:
    verdict, datagrams = listener.far.receive(packet, address, time.monotonic_ns() // 1_000)
    assert verdict == DONE
    listener.heard += [parse_audio(datagram, True) for datagram in datagrams]


def what_is_there() -> tuple[int, int]:
    """Open descriptors and threads of this program."""
    return len(list(Path("/proc/self/fd").iterdir())), len(list(Path("/proc/self/task").iterdir()))


def consecutive(seqs: list[int]) -> bool:
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


@pytest.fixture
def venue() -> Iterator[Venue]:
    made = Venue(6)
    yield made
    made.close()


def test_listeners_hear_from_a_thread_of_its_own(venue: Venue) -> None:
    for each in venue.listeners:
        venue.room.enter(each.near)
    venue.thread.start()
    for i in range(len(venue.listeners)):
        assert consecutive(venue.hear(i, 12))
    names = {Path(task, "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    assert "spaces-media" in names
    venue.thread.stop()
    stats = venue.media.stats
    assert stats.ticks >= 12 and stats.thread_cpu_us >= stats.tick_us > 0
    assert stats.late_ms_p99 >= stats.late_ms_p50 >= 0


def test_one_connection_held_under_a_collection_costs_the_others_nothing(venue: Venue) -> None:
    held, *others = venue.listeners
    for each in venue.listeners:
        venue.room.enter(each.near)
    venue.thread.start()
    venue.hear(0, 4)
    garbage = [[i] for i in range(300_000)]
    before = venue.media.stats
    held.near.hold()
    until_s = time.monotonic() + HELD_S
    while time.monotonic() < until_s:
        gc.collect()  # nobody else gets the interpreter meanwhile
    held.near.release(time.monotonic_ns() // 1_000)
    after = venue.media.stats
    del garbage
    assert after.ticks - before.ticks >= HELD_S / TICK_S - 4, "the thread ticks on"
    assert after.held - before.held >= HELD_S / TICK_S - 4
    newest = venue.hear(0, len(venue.read(0)) + 3)[-1]
    for i in range(1, len(venue.listeners)):
        seqs = venue.hear(i, newest + 1 - venue.hear(i, 1)[0])
        assert consecutive(seqs), f"listener {i} of {len(others)} lost something"
    seqs = venue.read(0)
    lost = seqs[-1] + 1 - seqs[0] - len(seqs)
    assert lost == venue.server.stats.held_dropped > 0, "of what waited, the oldest is gone"
    assert seqs == sorted(set(seqs))


def test_packets_for_the_other_stack_ring_the_bell(venue: Venue) -> None:
    venue.thread.start()
    began_us = time.monotonic_ns() // 1_000
    long_header = bytes([0xC0]) + bytes(1_199)
    for packet in (long_header, b"\x40" + bytes(30)):
        venue.sockets[0].sendto(packet, venue.socket.getsockname())
    packets: list[tuple[bytes, object, int, bool]] = []
    while len(packets) < 2:
        assert select.select([venue.thread.wake_fd], [], [], PATIENCE_S)[0]
        packets += venue.media.take_packets()
        venue.media.take_notices()
    address = venue.sockets[0].getsockname()
    assert [(packet, where, native_first) for packet, where, _, native_first in packets] == [
        (long_header, address, False),
        (b"\x40" + bytes(30), address, True),
    ]
    for _, _, arrived_us, _ in packets:
        assert began_us - 1_000 <= arrived_us <= time.monotonic_ns() // 1_000
    assert select.select([venue.thread.wake_fd], [], [], 0)[0] == [], "what was taken rings no more"


def test_a_change_of_the_room_rings_the_bell(venue: Venue) -> None:
    venue.thread.start()
    serial = venue.space.add_seat(5, pcm=True)
    notices: list[tuple[str, int, int]] = []
    while ("applied", venue.room.index, serial) not in notices:
        assert select.select([venue.thread.wake_fd], [], [], PATIENCE_S)[0]
        venue.media.take_packets()
        notices += venue.media.take_notices()
    assert venue.room.applied == serial


def test_packets_beyond_the_bound_are_dropped_and_counted() -> None:
    venue = Venue(1, packets=4)
    try:
        venue.thread.start()
        for i in range(9):
            venue.sockets[0].sendto(bytes([0xC0, i]) + bytes(100), venue.socket.getsockname())
        until_s = time.monotonic() + PATIENCE_S
        while venue.server.stats.slow < 9 and time.monotonic() < until_s:
            select.select([venue.sockets[0]], [], [], TICK_S)
        assert [packet[1] for packet, *_ in venue.media.take_packets()] == [0, 1, 2, 3]
        assert venue.media.stats.packets_dropped == 5
    finally:
        venue.close()


def test_thousands_of_small_packets_are_read_in_batches(venue: Venue) -> None:
    venue.thread.start()
    report = pack_report(ReceiverReport(0, 50, 0, 0, 5, 60))
    address = venue.socket.getsockname()
    sent = 3_000
    for _ in range(sent // 6):
        for listener, each in zip(venue.listeners, venue.sockets, strict=True):
            packet = listener.far.seal(report, 0)
            assert packet is not None
            each.sendto(packet, address)
    until_s = time.monotonic() + PATIENCE_S
    while venue.media.stats.uplink_reports < sent and time.monotonic() < until_s:
        select.select([venue.sockets[0]], [], [], TICK_S)
    stats = venue.media.stats
    assert stats.uplink_reports == sent
    assert stats.reads < sent / 4, "each read brings many"


def test_somebody_who_asks_for_more_than_can_wait_waits_for_the_thread() -> None:
    venue = Venue(1, commands=4)
    try:
        venue.thread.start()
        for _ in range(40):
            venue.room.enter(venue.listeners[0].near)
        assert venue.media.stats.commands_full == 0
        assert len(venue.hear(0, 1)) == 1
    finally:
        venue.close()


def test_starting_and_stopping_leaves_nothing_behind(venue: Venue) -> None:
    for each in venue.listeners:
        venue.room.enter(each.near)

    def once() -> None:
        thread = MediaThread(venue.media, venue.socket.fileno())
        thread.start()
        with pytest.raises(RuntimeError):
            thread.start()
        assert thread.is_running
        thread.stop()
        thread.stop()
        assert not thread.is_running

    once()
    kept = what_is_there()
    for _ in range(50):
        once()
    thread = MediaThread(venue.media, venue.socket.fileno())
    thread.start()
    with pytest.raises(RuntimeError):
        venue.thread.start()
    del thread  # it stops when it is collected, too
    assert what_is_there() == kept


def test_a_dead_socket_does_not_make_it_spin(venue: Venue) -> None:
    venue.thread.start()
    venue.socket.close()
    ticks = venue.media.stats.ticks
    until_s = time.monotonic() + PATIENCE_S
    while venue.media.stats.ticks < ticks + 10 and time.monotonic() < until_s:
        select.select([], [], [], TICK_S)
    stats = venue.media.stats
    assert stats.ticks >= ticks + 10, "rooms tick without a socket, too"
    assert 0 < stats.socket_errors <= stats.ticks + 4
    assert stats.wakes <= stats.ticks + 8


def test_what_concerns_a_whole_connection_is_told_once() -> None:
    venue = Venue(2, forged_limit=3)
    forging, lying = venue.listeners
    address = venue.socket.getsockname()
    try:
        venue.thread.start()
        for i in range(6):
            packet = forging.far.seal(b"\0\2", i)
            assert packet is not None
            venue.sockets[0].sendto(packet[:-1] + bytes([packet[-1] ^ 1]), address)
        lying.far.range_add(500, 501)
        lying.far.expected_pn = 501
        for i in range(3):
            packet = lying.far.acknowledge(i)
            assert packet is not None
            venue.sockets[1].sendto(packet, address)
        until_s = time.monotonic() + PATIENCE_S
        while venue.server.stats.received < 9 and time.monotonic() < until_s:
            select.select([venue.sockets[0]], [], [], TICK_S)
        venue.thread.stop()
        notices = [each for each in venue.media.take_notices() if each[0] not in ("applied", "talk")]
        assert notices == [
            ("forged_limit", forging.near.slot, forging.near.generation),
            ("violation", lying.near.slot, lying.near.generation),
        ]
        stats = venue.server.stats
        assert (stats.dropped, stats.violations) == (6, 3)
    finally:
        venue.close()


def test_while_a_thread_drives_it_nobody_steps(venue: Venue) -> None:
    venue.thread.start()
    with pytest.raises(RuntimeError, match="stop it"):
        venue.media.step(0)
    venue.thread.stop()
    assert venue.media.step(time.monotonic_ns() // 1_000) >= 0


def test_a_thread_that_runs_at_the_end_of_the_program_ends_with_it() -> None:
    program = (
        "from spacecore import Space\n"
        "from spacecore._media import Media; from spacecore._plane import Plane\n"
        "from signaling.media._thread import MediaThread\n"
        "media = Media(Plane(connections=4)); room = media.add_room(Space())\n"
        "thread = MediaThread(media, -1); thread.start(); print(thread.is_running)\n"
        "import sys; sys.kept = thread; kept = [thread]; kept.append(kept)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_after_a_fork_the_child_has_no_thread_and_ends_in_peace() -> None:
    program = (
        "import os\n"
        "from spacecore._media import Media; from spacecore._plane import Plane\n"
        "from signaling.media._thread import MediaThread\n"
        "thread = MediaThread(Media(Plane(connections=4)), -1); thread.start()\n"
        "child = os.fork()\n"
        "thread.stop()\n"
        "if child: os.waitpid(child, 0)\n"
        "print(thread.is_running, flush=True)\n"
    )
    # Newer interpreters warn whoever forks with threads, and rightly so.
    line = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert (done.stdout, done.stderr) == ("False\nFalse\n", "")
