"""Distributions: what many people measured, put together, and cut into percentiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GAP_WIDTH_US", "JITTER_WIDTH_US", "Cuts", "Histogram", "cuts_of", "ms"]

GAP_WIDTH_US = 100
JITTER_WIDTH_US = 10
_BUCKETS = 10_000  # as _tally has them: what is beyond is in the last one


def ms(value_us: float) -> float:
    """Microseconds as milliseconds with three digits."""
    return round(value_us / 1000, 3)


@dataclass(frozen=True, slots=True)
class Cuts:
    """A distribution in four numbers; all 0 if `n` is."""

    n: int
    p50: float
    p99: float
    max: float
    mean: float

    def to_json(self, unit: str = "ms") -> dict[str, float]:
        """`{"n": …, "ms_p50": …}`; values are taken for microseconds."""
        named = {"p50": self.p50, "p99": self.p99, "max": self.max, "mean": self.mean}
        return {"n": self.n, **{f"{unit}_{name}": ms(value) for name, value in named.items()}}


def cuts_of(values: Sequence[float]) -> Cuts:
    """By the nearest rank: the p99 is the smallest value that 99 % do not exceed."""
    if not values:
        return Cuts(0, 0, 0, 0, 0)
    ranked = sorted(values)
    n = len(ranked)
    p50, p99 = (ranked[max(0, -(-n * cut // 100) - 1)] for cut in (50, 99))
    return Cuts(n, p50, p99, ranked[-1], sum(ranked) / n)


class Histogram:
    """Counts by buckets of one width, µs; what is beyond 10,000 buckets is in the last. Histograms add up."""

    def __init__(self, width_us: int, counts: Mapping[int, int] | None = None, max_us: float = 0) -> None:
        self.width_us = width_us
        self.counts: Counter[int] = Counter(counts or {})
        self.max_us = max_us
        """The longest value, if it is known better than by its bucket."""

    def put(self, value_us: int) -> None:
        """One more value."""
        self.counts[min(max(0, value_us) // self.width_us, _BUCKETS) * self.width_us] += 1
        self.max_us = max(self.max_us, value_us)

    def add(self, other: Histogram) -> None:
        """All values of another one of the same width."""
        if other.width_us != self.width_us:
            raise ValueError(f"widths differ: {self.width_us} and {other.width_us} µs")
        self.counts.update(other.counts)
        self.max_us = max(self.max_us, other.max_us)

    def cuts(self) -> Cuts:
        """Percentiles as the middle of their bucket, but never above the maximum."""
        n = self.counts.total()
        if not n:
            return Cuts(0, 0, 0, 0, 0)
        ordered = sorted(self.counts.items())
        top = max(self.max_us, ordered[-1][0])
        half = self.width_us / 2
        mean = sum((low + half) * count for low, count in ordered) / n
        found = []
        for cut in (50, 99):
            rank, seen = -(-n * cut // 100), 0
            for low, count in ordered:
                seen += count
                if seen >= rank:
                    last = low == _BUCKETS * self.width_us
                    found.append(top if last else min(low + half, top))
                    break
        return Cuts(n, found[0], found[1], top, min(mean, top))

    def to_json(self) -> dict[str, Any]:
        """Plain values, and back by `from_json`."""
        return {
            "bucket_us": self.width_us,
            "max_us": self.max_us,
            "counts": [[low, count] for low, count in sorted(self.counts.items())],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Histogram:
        """What `to_json` gave."""
        counts: Iterable[Sequence[int]] = values["counts"]
        return cls(values["bucket_us"], {int(low): int(count) for low, count in counts}, values["max_us"])
