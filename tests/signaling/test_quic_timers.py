"""A link's timer does its work when it runs, whatever the rounding of floats makes of its time."""

from __future__ import annotations

import asyncio
import random
from types import SimpleNamespace
from typing import Any

import pytest

from signaling.quic.driver import Driver
from tests.virtual.loop import run

RUNS_MOST = 3


class Waiting:
    """A link that waits for one packet to be lost, and asks about it as aioquic's loss detection does."""

    terminated = False

    def __init__(self, sent_s: float, delay_s: float) -> None:
        self.sent_s, self.delay_s = sent_s, delay_s
        self.lost = False
        self.runs = 0

    def timer(self) -> float | None:
        return None if self.lost else self.sent_s + self.delay_s

    def on_timer(self, now_s: float) -> None:
        self.runs += 1
        self.lost = self.sent_s <= now_s - self.delay_s
        if self.runs > RUNS_MOST:
            raise RecursionError(f"sent at {self.sent_s!r} s, delay {self.delay_s!r} s: it is never over")

    def nothing(self, *_: Any) -> tuple[()]:
        return ()

    take_events = take_datagrams = take_cid_changes = nothing


def rounded_down() -> list[tuple[float, float]]:
    """Times and delays of which the sum, less the delay, is before the time: as it passes a power of two."""
    dice = random.Random(5)
    drawn = [(dice.uniform(1023.5, 1024), dice.uniform(0.5, 0.6)) for _ in range(1000)]
    return [(sent, delay) for sent, delay in drawn if sent > (sent + delay) - delay]


def test_a_packet_that_is_due_is_found_due() -> None:
    found = sorted(rounded_down())
    assert len(found) > 50

    async def story() -> None:
        loop = asyncio.get_running_loop()
        driver = Driver(lambda _: pytest.fail("nobody connects"), clock=loop.time)
        driver._loop = loop
        failures: list[Any] = []
        driver._on_failure = failures.append  # type: ignore[method-assign]
        for sent_s, delay_s in found:
            link = Waiting(sent_s, delay_s)
            handle: Any = SimpleNamespace(_link=link, _timer=None, _timer_at=0.0, number=1)
            driver._arm(handle, loop.time())
            await asyncio.sleep(max(0.0, link.sent_s + link.delay_s - loop.time()) + 0.01)
            assert link.lost and link.runs == 1, (sent_s, delay_s)
        assert failures == []

    run(story(), limit_s=60)
