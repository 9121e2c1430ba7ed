"""What `signaling.load._tally` must find, slowly and from the whole history at once, with numpy.

A history is a list of datagrams in the order in which they were seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SETTLE_US = 500_000
GRACE_US = 200_000
FRAME_US = 20_000


@dataclass(frozen=True)
class Arrival:
    """One datagram; `seq` is unwrapped."""

    listener: int
    seq: int
    n_frames: int
    at_us: int


class History:
    """Everything that came, and when each listener joined."""

    def __init__(self, arrivals: list[Arrival], joined_us: dict[int, int]) -> None:
        self.arrivals = arrivals
        self.joined_us = joined_us
        seqs = np.array([each.seq + each.n_frames - 1 for each in arrivals])
        times = np.array([each.at_us for each in arrivals])
        self.first = arrivals[0].seq  # the numbering begins with what was heard first
        # A frame is known from the first datagram on that has it or a later one.
        self.known_us = np.array(
            [times[np.argmax(seqs >= seq)] for seq in range(self.first, int(seqs.max()) + 1)]
        )

    def last_before(self, at_us: int) -> int:
        """The newest frame that was known before then; the one before the first if none was."""
        return self.first - 1 + int(np.searchsorted(self.known_us, at_us, side="left"))

    def settled(self, now_us: int) -> int:
        """The newest frame that has had its time."""
        return self.first - 1 + int(np.searchsorted(self.known_us, now_us - SETTLE_US, side="right"))

    def of(self, listener: int) -> list[Arrival]:
        return [each for each in self.arrivals if each.listener == listener]

    def base(self, listener: int) -> int:
        """The last frame that a listener does not owe itself."""
        base = self.last_before(self.joined_us[listener] + GRACE_US)
        mine = [each for each in self.of(listener) if each.seq + each.n_frames > self.first]
        return max(self.first - 1, min(base, mine[0].seq - 1)) if mine else base

    def owed(self, listener: int, now_us: int) -> tuple[int, int]:
        """(expected, received)."""
        base, until = self.base(listener), self.settled(now_us)
        got = {each.seq + k for each in self.of(listener) for k in range(each.n_frames)}
        return max(0, until - base), sum(base < seq <= until for seq in got)

    def news(self, listener: int) -> list[Arrival]:
        """The datagrams that brought something new."""
        seen: set[int] = set()
        found = []
        for each in self.of(listener):
            frames = set(range(each.seq, each.seq + each.n_frames))
            if frames - seen and max(frames) > self.base(listener):
                found.append(each)
            seen |= frames
        return found

    def gaps_us(self, listener: int) -> np.ndarray:
        return np.maximum(0, np.diff([each.at_us for each in self.news(listener)]))

    def jitter_us(self, listener: int) -> float:
        """RFC 3550 section 6.4.1, in floating point; by the last frame of each datagram."""
        jitter, before = 0.0, None
        for each in self.news(listener):
            transit = each.at_us - (each.seq + each.n_frames - 1) * FRAME_US
            if before is not None:
                jitter += (abs(transit - before) - jitter) / 16
            before = transit
        return jitter
