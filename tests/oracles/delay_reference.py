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


FRAME_US = 20_000
BUCKETS = 1000  # of 1 ms


class Histogram:
    """Shares of 1000 buckets of 1 ms with exponential forgetting, fast while it is young."""

    def __init__(self, limit: int) -> None:
        self.shares = np.zeros(BUCKETS, dtype=np.int64)
        self.forget = 0
        self.limit = limit
        self.n = 0

    def add(self, bucket: int) -> None:
        self.shares = self.shares * self.forget >> 16
        self.shares[bucket] += WHOLE - self.shares.sum()
        self.n += 1
        self.forget = min(65536 - 2 * 65536 // (self.n + 1), self.limit)

    def later_than(self) -> np.ndarray:
        """For each bucket the share of all that is later."""
        return WHOLE - np.cumsum(self.shares)

    def cheapest(self, free_us: int, cost_us: int) -> int:
        """How long to wait, in buckets, where a µs costs 1 and all that is later `cost_us`."""
        waiting = np.maximum(0, 1000 * np.arange(1, BUCKETS + 1) - free_us)
        return int(np.argmin(waiting * WHOLE + cost_us * self.later_than()))

    def quantile_80(self) -> int:
        """The first bucket that leaves at most a fifth above it."""
        return int(np.argmax(self.later_than() <= WHOLE // 5 + 1))


def bucket_of(late_us: int) -> int:
    return min(max(late_us, 0) // 1000, BUCKETS - 1)


class Delay:
    """Relative delay against the fastest packet of 2000 ms, and the target that follows from it."""

    def __init__(
        self, timestamp: int, transit_us: int, now_us: int, *, waited_us: int = 0, least_us: int = 5_000
    ) -> None:
        self.least_us = least_us
        self.waited_us = [0, 0]  # at most, for the last of a datagram: in the interval before, and in this
        self.arrivals: list[tuple[int, int]] = []
        self.underrun = Histogram(65_208)
        self.reorder = Histogram(65_405)
        self.recent: list[int] = []
        self.interval_start_us = now_us
        self.interval_max_us = 0
        self.underrun_target_us = max(20_000, least_us)
        self.target_us = self.underrun_target_us
        self.usual_us = 20_000
        self.broken_us: int | None = None
        self.on_time(timestamp, transit_us, now_us, waited_us)

    @property
    def base_us(self) -> int:
        return min(transit for _, transit in self.arrivals)

    def on_time(self, timestamp: int, transit_us: int, now_us: int, waited_us: int = 0) -> None:
        self.arrivals.append((timestamp, transit_us))
        self.arrivals = [a for a in self.arrivals if a[0] >= timestamp - 96_000]
        interval_us = 500_000 if self.underrun.n >= 5 else 100_000
        if now_us - self.interval_start_us > interval_us:
            self.end_interval(now_us)
            self.interval_max_us = 0
            self.interval_start_us = now_us
        self.interval_max_us = max(self.interval_max_us, transit_us - self.base_us, waited_us)
        self.waited_us[1] = max(self.waited_us[1], waited_us)
        self.wait_for_the_last(waited_us)
        self.came_late(0)

    def end_interval(self, now_us: int) -> None:
        bucket = bucket_of(self.interval_max_us)
        self.underrun.add(bucket)
        self.recent = [*self.recent, bucket][-20:]
        if len(self.recent) == 20:
            self.forget_burst(max(self.recent))
        self.usual_us = 1000 * (1 + self.underrun.quantile_80())
        target_us = 1000 * (1 + self.underrun.cheapest(0, 3_800_000))
        if self.reorder.shares[0] > WHOLE - WHOLE // 100:  # a late packet shows a frame before its turn
            target_us -= min(FRAME_US, max(0, target_us - self.usual_us))
        waited_us = max(self.waited_us)
        target_us += 4 * max(0, target_us - waited_us) // (self.underrun.n + 1)
        if self.broken_us is not None and now_us - self.broken_us < 180_000_000:
            target_us = max(target_us, self.usual_us + 22_000)
        self.underrun_target_us = max(target_us, self.least_us)
        self.wait_for_the_last(waited_us)
        self.waited_us = [self.waited_us[1], 0]

    def wait_for_the_last(self, waited_us: int) -> None:
        """What waited for the last frame of its datagram is late by that, for certain."""
        if waited_us:
            self.usual_us = max(self.usual_us, waited_us + 1_000)
            self.underrun_target_us = max(self.underrun_target_us, waited_us + 5_000)

    def forget_burst(self, highest: int) -> None:
        """What twenty intervals have not seen is over if it was a fifth of all before."""
        shares = self.underrun.shares
        above = int(shares[highest + 1 :].sum())
        if above > WHOLE // 5:
            shares[highest] += above
            shares[highest + 1 :] = 0

    def came_late(self, late_us: int) -> None:
        self.reorder.add(bucket_of(late_us))
        best = self.reorder.cheapest(self.underrun_target_us, 4_000_000)
        self.target_us = min(max(self.underrun_target_us, 1000 * (best + 1)), 1_000_000)
