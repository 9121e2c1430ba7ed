"""A jitter buffer between a sender and a pulling clock in virtual time, for the tests that tell stories."""

from __future__ import annotations

from typing import Any

from spacecore._jitter import JitterBuffer, Pulled, PullStatus, PutResult

MS = 1000
TICK_US = 20 * MS


class Link:
    """A buffer, its pulling clock and a sender: frame `n` is sent at n × 20 ms."""

    def __init__(self, *, first_seq: int = 1000, first_timestamp: int = 5_000_000, phase_ms: int = 5) -> None:
        self.buffer = JitterBuffer()
        self.first_seq = first_seq
        self.first_timestamp = first_timestamp
        self.now_us = phase_ms * MS

    def send(self, n: int, *, at_ms: float | None = None, slot: int | None = None, **more: Any) -> PutResult:
        """Frame number `n`, sent in the 20 ms slot `slot` (= n without pauses), arriving at `at_ms`."""
        slot = n if slot is None else slot
        at_us = slot * TICK_US if at_ms is None else int(at_ms * MS)
        seq = (self.first_seq + n) & 0xFFFF
        timestamp = (self.first_timestamp + 960 * slot) & 0xFFFFFFFF
        return self.buffer.put(seq, timestamp, more.pop("payload", b"frame %d" % n), at_us, **more)

    def pull(self) -> Pulled:
        pulled = self.buffer.pull(self.now_us)
        self.now_us += TICK_US
        return pulled

    def pull_until(self, ms: float) -> list[Pulled]:
        pulled = []
        while self.now_us < ms * MS:
            pulled.append(self.pull())
        return pulled

    def talk(self, numbers: range, **more: Any) -> list[Pulled]:
        """Sends and pulls in step; what the pulls yielded."""
        pulled = []
        for n in numbers:
            self.send(n, **more)
            pulled += self.pull_until((n + 1) * 20)
        return pulled

    def number(self, pulled: Pulled) -> int:
        return (pulled.seq - self.first_seq) & 0xFFFF


def statuses(pulls: list[Pulled]) -> list[PullStatus]:
    return [p.status for p in pulls]


def accounted(buffer: JitterBuffer) -> bool:
    s = buffer.stats
    refused = s.duplicate + s.late + s.too_large + s.redundant_ignored
    dropped = s.accelerated + s.overflow_dropped + s.stale_dropped + s.restart_dropped
    return s.put == refused + dropped + s.frames + len(buffer)
