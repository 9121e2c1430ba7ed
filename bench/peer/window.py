"""Measures one server with so many listeners: its CPU, what arrived, and the times between arrivals."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench._sink import Sink
from bench.peer.server import PeerError, Server
from bench.peer.talker import FRAMES_PER_S, Talker

ENOUGH_PCT = 99.0
_SLICE_US = 200_000


@dataclass(frozen=True)
class Row:
    """One server with so many listeners; None is what whoever measured it does not tell."""

    server: str
    mode: str
    listeners: int
    delivered_pct: (
        float  # of 50 packets a second and listener; one packet more or less stands at the window's ends
    )
    lost_pct: float | None  # what sequence numbers left out, of what was sent
    gap_ms_p50: float
    gap_ms_p99: float
    gap_ms_max: float
    server_cpu_ms_per_listener_s: float
    us_per_packet: float | None
    server_core_pct: float | None
    others_core_pct: float | None  # of the server's core, used by anybody else and by interrupts
    load_core_pct: float | None  # how busy the listeners' core was
    packet_bytes: float | None

    @property
    def name(self) -> str:
        return f"{self.server}, {self.mode}"

    @property
    def is_enough(self) -> bool:
        return self.delivered_pct >= ENOUGH_PCT


class Peer(Protocol):
    """A running server with a talker in its room. Listeners only come; `sink` receives for them."""

    name: str
    mode: str
    server: Server
    sink: Sink
    talker: Talker

    def grow(self, listeners: int) -> None:
        """Let listeners come until there are so many."""

    def check(self, packet: bytes, index: int) -> None:
        """Raise PeerError unless this packet, received by listener `index`, holds the talker's sound."""

    def close(self) -> None: ...


@contextmanager
def draining(sink: Sink) -> Iterator[None]:
    """Meanwhile a thread empties the sockets, so that no server waits for a client that does not read."""
    ends = threading.Event()

    def receive() -> None:
        while not ends.is_set():
            sink.run(_SLICE_US)

    thread = threading.Thread(target=receive, name="drain", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def busy_ticks(core: int) -> tuple[int, int]:
    """Clock ticks that a core was busy (what a hypervisor took included), and all, since the start."""
    for line in Path("/proc/stat").read_text("ascii").splitlines():
        name, *values = line.split()
        if name == f"cpu{core}":
            ticks = [int(value) for value in values[:8]]
            return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
    raise ValueError(f"core {core}: /proc/stat knows no such core")


def measure(peer: Peer, listeners: int, *, seconds: float, warm_up_s: float, cores: tuple[int, int]) -> Row:
    """A row. `cores` are the server's and the listeners'.

    Raises:
        PeerError: the listeners did not come, or what they receive is not the talker's sound.
    """
    with draining(peer.sink):
        peer.grow(listeners)
    _receive(peer.sink, warm_up_s)
    peer.sink.clear()
    stat, began, cpu = [busy_ticks(core) for core in cores], time.monotonic(), peer.server.cpu_ms()
    _receive(peer.sink, seconds)
    cpu_ms, took_s = peer.server.cpu_ms() - cpu, time.monotonic() - began
    busy = [
        100 * (after[0] - before[0]) / max(after[1] - before[1], 1)
        for before, after in zip(stat, (busy_ticks(core) for core in cores), strict=True)
    ]
    if peer.talker.failure is not None:
        raise PeerError(f"{peer.name}: the talker was cut off: {peer.talker.failure}")
    for index in {0, listeners // 2, listeners - 1}:
        packet = peer.sink.last(index)
        if packet:  # where nothing came, the figures show it
            peer.check(packet, index)
    return _row(peer, listeners, cpu_ms, took_s, busy)


def _receive(sink: Sink, seconds: float) -> None:
    """In slices: an interrupt from the keyboard is seen between two of them."""
    until = time.monotonic() + seconds
    while (left_s := until - time.monotonic()) > 0:
        sink.run(min(_SLICE_US, int(left_s * 1e6) + 1))


def _row(peer: Peer, listeners: int, cpu_ms: float, took_s: float, busy: list[float]) -> Row:
    sink = peer.sink
    received, lost = sum(sink.packets), sum(sink.lost)
    server_core_pct = cpu_ms / took_s / 10
    return Row(
        server=peer.name,
        mode=peer.mode,
        listeners=listeners,
        delivered_pct=round(min(100.0, 100 * received / (FRAMES_PER_S * took_s * listeners)), 2),
        lost_pct=round(100 * lost / max(received + lost, 1), 3),
        gap_ms_p50=round(sink.gap_ms(0.5), 1),
        gap_ms_p99=round(sink.gap_ms(0.99), 1),
        gap_ms_max=round(sink.longest_gap_ms, 1),
        server_cpu_ms_per_listener_s=round(cpu_ms / took_s / listeners, 4),
        us_per_packet=round(1000 * cpu_ms / received, 2) if received else None,
        server_core_pct=round(server_core_pct, 1),
        others_core_pct=round(max(0.0, busy[0] - server_core_pct), 1),
        load_core_pct=round(busy[1], 1),
        packet_bytes=round(sink.n_bytes / received, 1) if received else None,
    )
