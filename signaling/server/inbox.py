"""Inbox: packets that the media thread leaves to the loop, a few in each turn, control before handshakes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from signaling.quic.limits import Address

__all__ = ["CONTROL_PER_TURN", "HANDSHAKES_KEPT", "HANDSHAKES_PER_TURN", "Inbox", "InboxCounts", "Packet"]

Packet = tuple[bytes, Address, int, bool]
"""UDP payload, where it came from, when (µs), and whether it has to be tried natively first."""

HANDSHAKES_PER_TURN = 4
"""Packets of handshakes that one turn of the loop takes: each may cost it some milliseconds."""
HANDSHAKES_KEPT = 2_048
"""Packets of handshakes that wait; the newest is dropped, and the client sends it again."""
CONTROL_PER_TURN = 64


@dataclass(slots=True)
class InboxCounts:
    """Counters since the start."""

    control: int = 0
    handshakes: int = 0
    handshakes_dropped: int = 0


class Inbox:
    """**A burst of handshakes delays handshakes, not the control of those who are inside.**

    `put` packets; `take` is called for each, from the loop, in the order in which those of its kind came.
    Between two turns everything else that the loop has to do gets its chance. `is_of_handshake` tells the two
    kinds apart, by the bytes of a packet.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[Packet], None],
        is_of_handshake: Callable[[bytes], bool],
    ) -> None:
        self.counts = InboxCounts()
        self._loop = loop
        self._take = take
        self._is_of_handshake = is_of_handshake
        self._control: deque[Packet] = deque()
        self._handshakes: deque[Packet] = deque()
        self._turn: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._control) + len(self._handshakes)

    def put(self, packets: Iterable[Packet]) -> None:
        """Take in packets; those of control are bounded by the queue they come from."""
        for packet in packets:
            if not self._is_of_handshake(packet[0]):
                self._control.append(packet)
            elif len(self._handshakes) < HANDSHAKES_KEPT:
                self._handshakes.append(packet)
            else:
                self.counts.handshakes_dropped += 1
        if self._turn is None and len(self):
            self._run()

    def close(self) -> None:
        """Forget what waits."""
        self._control.clear()
        self._handshakes.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _run(self) -> None:
        self._turn = None
        for _ in range(min(CONTROL_PER_TURN, len(self._control))):
            self.counts.control += 1
            self._take(self._control.popleft())
        for _ in range(min(HANDSHAKES_PER_TURN, len(self._handshakes))):
            self.counts.handshakes += 1
            self._take(self._handshakes.popleft())
        if len(self):
            self._turn = self._loop.call_soon(self._run)
