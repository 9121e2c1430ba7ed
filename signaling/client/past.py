"""Past: the frames a speaker sent last, for copies of them in the datagrams that follow."""

from __future__ import annotations

from collections import deque
from typing import Final

from signaling.protocol.datagram import FRAME_SAMPLES, MAX_DTX_FRAME_BYTES

__all__ = ["Past"]

_KEPT: Final = 3  # two copies, the newest of them from two back


class Past:
    """What `copies` gives stands before a frame as redundant ones (docs/protocol.md, "Sending audio", 9)."""

    def __init__(self) -> None:
        self._frames: deque[tuple[int, int, bytes]] = deque(maxlen=_KEPT)

    def add(self, seq: int, timestamp: int, packet: bytes) -> None:
        """This frame was sent."""
        self._frames.append((seq, timestamp, packet))

    def forget(self) -> None:
        """What follows is another stream."""
        self._frames.clear()

    def copies(self, seq: int, timestamp: int, most: int, distance: int) -> tuple[bytes, ...]:
        """Up to `most` frames before this one, the oldest first, the newest of them `distance` back.

        Only those between which and this one lies no silence.
        """
        found: list[bytes] = []
        for back in range(distance, distance + most):
            packet = self._at(seq - back, timestamp - back * FRAME_SAMPLES)
            if packet is None:
                break
            found.insert(0, packet)
        return tuple(found)

    def _at(self, seq: int, timestamp: int) -> bytes | None:
        for each_seq, each_timestamp, packet in self._frames:
            if (each_seq, each_timestamp) == (seq, timestamp):
                return packet if len(packet) > MAX_DTX_FRAME_BYTES else None
        return None
