"""How often a person may do what: a bucket for each person and kind of act. Pure; the time is an argument."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from signaling.rules.permissions import ALLOWED, Allowed, Refused

__all__ = ["BUCKETS_KEPT", "RATES", "Bucket", "Rate", "RateKind", "Rates"]

BUCKETS_KEPT: Final = 20_000
"""Buckets of one `Rates` that are not full. Beyond, the fullest are forgotten: they held back the least."""

_SECOND_US = 1_000_000
_LONG_AGO_US = -(1 << 62)
_SWEEP_FROM = 256  # with fewer there is nothing to gain


class Rate(NamedTuple):
    """`burst` acts at once after a pause, then one more every `every_us`. Both are at least 1."""

    burst: int
    every_us: int

    @classmethod
    def per_second(cls, per_s: int, burst: int) -> Rate:
        """`per_s` acts a second in the long run, never more."""
        return cls(burst, -(-_SECOND_US // per_s))


class Bucket:
    """Lets the acts of one `Rate` pass. Starts full."""

    __slots__ = ("_burst_us", "_every_us", "_full_us")

    def __init__(self, rate: Rate) -> None:
        self._every_us = rate.every_us
        self._burst_us = (rate.burst - 1) * rate.every_us
        # When the bucket is full again; in the past for one that is. No refill has to be counted.
        self._full_us = _LONG_AGO_US

    @property
    def full_us(self) -> int:
        """When the bucket will be full again; a bucket that is full is as good as a new one."""
        return self._full_us

    def take(self, now_us: int) -> bool:
        """Whether one more act may pass now; if so it is counted."""
        if self._full_us - now_us > self._burst_us:
            return False
        self._full_us = max(self._full_us, now_us) + self._every_us
        return True

    def wait_ms(self, now_us: int) -> int:
        """How long until `take` would let one pass, rounded up; 0 for now."""
        return max(0, -(-(self._full_us - now_us - self._burst_us) // 1_000))


class RateKind(StrEnum):
    """What is counted apart. The value is the word for several of it, for a person to read."""

    POST = "posts"
    NOTE = "notes"
    REACTION = "reactions"
    ASK = "requests to speak"
    INVITE = "invitations"
    REPORT = "reports"
    FOLLOW = "changes of whom you follow or block"
    PROFILE = "changes of your profile"
    PLAN = "changes of scheduled Spaces"
    REMIND = "changes of reminders"
    BUY = "holds and purchases"
    SELL = "changes of sales and payouts"
    SEARCH = "looks at lists and Spaces"


RATES: Final[Mapping[RateKind, Rate]] = MappingProxyType(
    {
        RateKind.POST: Rate(5, 3 * _SECOND_US),
        RateKind.NOTE: Rate(3, 10 * _SECOND_US),
        RateKind.REACTION: Rate.per_second(5, 10),
        RateKind.ASK: Rate(3, 10 * _SECOND_US),
        RateKind.INVITE: Rate(20, _SECOND_US),
        RateKind.REPORT: Rate(3, 60 * _SECOND_US),
        RateKind.FOLLOW: Rate.per_second(1, 30),
        RateKind.PROFILE: Rate(5, 60 * _SECOND_US),
        RateKind.PLAN: Rate(20, 10 * _SECOND_US),
        RateKind.REMIND: Rate.per_second(1, 30),
        RateKind.BUY: Rate.per_second(1, 20),
        RateKind.SELL: Rate.per_second(1, 30),
        RateKind.SEARCH: Rate.per_second(5, 20),
    }
)
"""The defaults, so many at once and then one every so often."""


class Rates:
    """Counts the acts of all people. **Memory: one bucket for each person and kind that is not full yet.**

    Full buckets are forgotten when the number has doubled since they last were, so that an act costs
    O(1) on average; never more than `kept` stay. For one thread or loop.
    """

    def __init__(self, rates: Mapping[RateKind, Rate] = RATES, kept: int = BUCKETS_KEPT) -> None:
        """`rates` may name only those kinds that differ from the defaults. ValueError: a rate below 1."""
        self._rates = {**RATES, **rates}
        for kind, rate in self._rates.items():
            if rate.burst < 1 or rate.every_us < 1:
                raise ValueError(f"the rate of {kind} is {tuple(rate)}; set both to at least 1")
        if kept < 1:
            raise ValueError(f"{kept} buckets are kept; set it to at least 1")
        self._kept = kept
        self._buckets: dict[tuple[str, RateKind], Bucket] = {}
        self._sweep_at = min(_SWEEP_FROM, kept)
        self.forgotten = 0
        """Buckets forgotten before they were full, for there were too many."""

    def __len__(self) -> int:
        """How many buckets are kept."""
        return len(self._buckets)

    def take(self, kind: RateKind, user: str, now_us: int) -> Allowed | Refused:
        """Count one act of `user`, or refuse it with `too_often` and when to try again. A refused one is not
        counted, so trying too early does not put the time off."""
        key = (user, kind)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._sweep_at:
                self._sweep(now_us)
            bucket = self._buckets[key] = Bucket(self._rates[kind])
        if bucket.take(now_us):
            return ALLOWED
        return _too_often(kind, self._rates[kind], bucket.wait_ms(now_us))

    def _sweep(self, now_us: int) -> None:
        """Forget the buckets that are full; at the bound those nearest to it too, until a quarter is free."""
        kept = {key: bucket for key, bucket in self._buckets.items() if bucket.full_us > now_us}
        room = self._kept - max(1, self._kept // 4)
        if len(self._buckets) >= self._kept and len(kept) > room:
            fullest_first = sorted(kept, key=lambda key: kept[key].full_us)
            for key in fullest_first[: len(kept) - room]:
                del kept[key]
                self.forgotten += 1
        self._buckets = kept
        self._sweep_at = min(max(_SWEEP_FROM, 2 * len(kept)), self._kept)


def _too_often(kind: RateKind, rate: Rate, wait_ms: int) -> Refused:
    return Refused(
        "too_often",
        f"{rate.burst + 1} {kind} at once are more than the limit of {rate.burst}, with one more every "
        f"{rate.every_us / _SECOND_US:g} s; try again in {wait_ms / 1_000:g} s.",
        wait_ms,
    )
