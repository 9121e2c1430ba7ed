"""A slow, readable model of how the jitter buffer measures delay and chooses its target.

The window is a plain list searched in full, histograms are numpy arrays of 2**30 shares.
"""

from __future__ import annotations

import numpy as np

WHOLE = 1 << 30


def trunc_div(a: int, b: int) -> int:
    """C's division: rounds towards zero."""
    return a // b if a >= 0 else -(-a // b)


def samples_to_us(samples: int) -> int:
    return trunc_div(samples * 125, 6)


class Histogram:
    """Shares of 100 buckets of 20 ms with exponential forgetting, fast while it is young."""

    def __init__(self, forget_limit: float) -> None:
        self.shares = np.zeros(100, dtype=np.int64)
        self.forget = 0
        self.limit = int(forget_limit * 65536)
        self.n = 0

    def add(self, bucket: int) -> None:
        self.shares = self.shares * self.forget >> 16
        self.shares[bucket] += WHOLE - self.shares.sum()
        self.n += 1
        self.forget = min(65536 - 2 * 65536 // (self.n + 1), self.limit)

    def quantile_95(self) -> int:
        """The first bucket that leaves at most 5 % above it."""
        above = WHOLE - np.cumsum(self.shares)
        return int(np.argmax(above <= int(0.05 * WHOLE)))


class Delay:
    """Relative delay against the fastest packet of 2000 ms, and the target that follows from it."""

    def __init__(self, timestamp: int, transit_us: int, now_us: int) -> None:
        self.arrivals: list[tuple[int, int]] = []
        self.underrun = Histogram(0.983)
        self.reorder = Histogram(0.9993)
        self.interval_start_us = now_us
        self.interval_max_us = 0
        self.underrun_target_us = 40_000
        self.target_us = 40_000
        self.on_time(timestamp, transit_us, now_us)

    @property
    def base_us(self) -> int:
        return min(transit for _, transit in self.arrivals)

    @property
    def spread_us(self) -> int:
        return max(transit for _, transit in self.arrivals) - self.base_us

    def on_time(self, timestamp: int, transit_us: int, now_us: int) -> None:
        self.arrivals.append((timestamp, transit_us))
        self.arrivals = [a for a in self.arrivals if a[0] >= timestamp - 96_000]
        if now_us - self.interval_start_us > 500_000:
            if self.interval_max_us < 2_000_000:
                self.underrun.add(self.interval_max_us // 20_000)
                self.underrun_target_us = (1 + self.underrun.quantile_95()) * 20_000
            self.interval_max_us = 0
            self.interval_start_us = now_us
        self.interval_max_us = max(self.interval_max_us, transit_us - self.base_us)
        self.came_late(0)

    def came_late(self, late_us: int) -> None:
        bucket = max(late_us, 0) // 20_000
        if bucket < 100:
            self.reorder.add(bucket)
        i = np.arange(100)
        missed = WHOLE - np.cumsum(self.reorder.shares)
        cost = np.maximum(0, 20 * i - self.underrun_target_us // 1000) * WHOLE + 2000 * missed
        self.target_us = min(max(self.underrun_target_us, (int(np.argmin(cost)) + 1) * 20_000), 1_000_000)
