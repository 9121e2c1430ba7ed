"""A token bucket: so many acts a second, with a burst. Pure; the time is an argument."""

from __future__ import annotations

__all__ = ["Bucket"]

_SECOND_US = 1_000_000
_LONG_AGO_US = -(1 << 62)


class Bucket:
    """Lets `burst` acts pass at once and `per_s` a second in the long run. Starts full."""

    __slots__ = ("_burst_us", "_cost_us", "_full_us")

    def __init__(self, per_s: int, burst: int) -> None:
        self._cost_us = -(-_SECOND_US // per_s)
        self._burst_us = (burst - 1) * self._cost_us
        # When the bucket is full again; in the past for one that is. No refill has to be counted.
        self._full_us = _LONG_AGO_US

    def take(self, now_us: int) -> bool:
        """Whether one more act may pass now; if so it is counted."""
        if self._full_us - now_us > self._burst_us:
            return False
        self._full_us = max(self._full_us, now_us) + self._cost_us
        return True

    def wait_ms(self, now_us: int) -> int:
        """How long until `take` would let one pass, rounded up; 0 for now."""
        return max(0, -(-(self._full_us - now_us - self._burst_us) // 1_000))
