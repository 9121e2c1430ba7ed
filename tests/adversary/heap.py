"""What packets of one peer make a link of ours hold, and what CPU each costs."""

from __future__ import annotations

import gc
import random
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from tests.adversary.insiders import gaps, scattered
from tests.signaling.quic_wire import Wire

__all__ = ["PIECES", "Cost", "cost_of"]

PIECES: dict[str, Callable[[Any], Iterator[bytes]]] = {"sparse_frames": scattered, "gap_fragments": gaps}
_SLACK_BYTES = 64 * 1024


@dataclass(frozen=True)
class Cost:
    """Bytes that were sent, the most that the heap grew meanwhile, and the CPU of each packet."""

    sent_bytes: int
    grown_bytes: int
    packet_ms_p99: float
    is_closed: bool

    @property
    def may_bytes(self) -> int:
        """Twice what was sent, and 64 KiB."""
        return 2 * self.sent_bytes + _SLACK_BYTES


def cost_of(kind: str, seed: int, packets: int = 400) -> Cost:
    """Send packets of this kind to a link that is up, until they are sent or the link is closed.

    Measured twice on links of their own, once for the heap and once for the time: tracing costs time.
    """
    _warm_up(kind, seed)
    grown, sent, closed = _grown(kind, seed, packets)
    return Cost(sent, grown, _packet_ms(kind, seed, packets), closed)


def _pieces(kind: str, seed: int) -> Iterator[bytes]:
    ground: Any = SimpleNamespace(dice=random.Random(seed))
    return PIECES[kind](ground)


def _warm_up(kind: str, seed: int) -> None:
    _packet_ms(kind, seed, 100)


def _greeted() -> Wire:
    wire = Wire()
    wire.client.send_stream_data(0, b"\x00\x05ab")
    wire.settle()
    return wire


def _grown(kind: str, seed: int, packets: int) -> tuple[int, int, bool]:
    wire, pieces = _greeted(), _pieces(kind, seed)
    sealed = [wire.crafted(next(pieces)) for _ in range(packets)]
    gc.collect()
    tracemalloc.start()
    try:
        before, sent = tracemalloc.get_traced_memory()[0], 0
        for packet in sealed:
            sent += len(packet)
            _take(wire, packet)
            if wire.server.closed is not None:
                break
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    return max(0, most - before), sent, wire.server.closed is not None


def _packet_ms(kind: str, seed: int, packets: int) -> float:
    took: list[float] = []
    dice = random.Random(seed)
    while len(took) < packets:
        wire, pieces = _greeted(), _pieces(kind, dice.randrange(1 << 30))
        for _ in range(packets):
            packet = wire.crafted(next(pieces))
            began_s = time.thread_time()
            _take(wire, packet)
            took.append((time.thread_time() - began_s) * 1_000)
            if wire.server.closed is not None or len(took) >= packets:
                break
    return sorted(took)[int(0.99 * (len(took) - 1))]


def _take(wire: Wire, packet: bytes) -> None:
    wire.server.receive(packet, wire.client_address, wire.now_s)
    wire.server.take_datagrams(wire.now_s)
    wire.server.take_events()
