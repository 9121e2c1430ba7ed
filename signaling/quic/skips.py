"""Packet numbers that are left out now and then, so that an ACK which is made up gives itself away."""

from __future__ import annotations

import hashlib
from collections import deque

__all__ = ["KEPT", "Skips"]

KEPT = 16
"""Skipped numbers that are remembered; by then the oldest is thousands of packets ago."""
_LEAST_PAUSE = 64  # from one to the next, and up to 255 more: an honest peer's ACKs grow by a range each time


class Skips:
    """Which numbers are never sent (RFC 9000 section 21.4). Nobody can tell in advance without the seed."""

    __slots__ = ("_at", "_count", "_seed", "_skipped")

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._count = 0
        self._skipped: deque[int] = deque(maxlen=KEPT)
        self._at = self._pause()

    def next(self, number: int) -> int:
        """The number to send with, where `number` would be the next."""
        if number < self._at:
            return number
        self._skipped.append(number)
        self._at = number + 1 + self._pause()
        return number + 1

    def within(self, numbers: range) -> bool:
        """Whether an ACK of these is of one that was never sent."""
        return any(each in numbers for each in self._skipped)

    def _pause(self) -> int:
        self._count += 1
        return (
            _LEAST_PAUSE + hashlib.blake2b(self._count.to_bytes(8), key=self._seed, digest_size=1).digest()[0]
        )
