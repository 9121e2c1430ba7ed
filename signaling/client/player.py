"""Drives a Playout on the event loop: one timer, re-armed for each deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from signaling.client.playout import Frame, Playout

__all__ = ["LISTENER_REPORT_US", "SPEAKER_REPORT_US", "Player"]

SPEAKER_REPORT_US: Final = 1_000_000
LISTENER_REPORT_US: Final = 5_000_000
_SETTLE_US: Final = 100_000  # what comes out of order has come by then


class Player:
    """Pulls a frame every 20 ms and hands it to `on_frame`, and reports to `on_report` how the sound arrives.

    `is_speaker` decides how often: every second, or every five and when loss rises (docs/protocol.md,
    "Receiver report"). `spread` in [0, 1) delays the first report by that part of the interval, so that the
    reports of a whole audience do not come at once.
    """

    def __init__(
        self,
        playout: Playout,
        clock: Callable[[], int],
        *,
        on_frame: Callable[[Frame], None],
        on_report: Callable[[bytes], object],
        is_speaker: Callable[[], bool],
        spread: float,
    ) -> None:
        self.playout = playout
        self._clock = clock
        self._on_frame = on_frame
        self._on_report = on_report
        self._is_speaker = is_speaker
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = False
        self._spread = spread
        self._reported_us = clock()
        self._news_us: int | None = None  # since when a report would bring news of loss
        self._arm()

    def stop(self) -> None:
        """No frame and no report follows."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        delay_s = max(0, self.playout.next_us - self._clock()) / 1_000_000
        self._timer = self._loop.call_later(delay_s, self._run)

    def _run(self) -> None:
        now_us = self._clock()
        for frame in self.playout.take_due(now_us):
            self._on_frame(frame)
            if self._stopped:
                return
        self._report(now_us)
        self._arm()

    def _report(self, now_us: int) -> None:
        interval_us = SPEAKER_REPORT_US if self._is_speaker() else LISTENER_REPORT_US
        if now_us - self._reported_us < interval_us * (1 + self._spread) and not self._is_urgent(now_us):
            return
        self._news_us = None
        self._spread = 0.0
        self._reported_us = now_us
        report = self.playout.take_report()
        if report is not None:
            self._on_report(report)

    def _is_urgent(self, now_us: int) -> bool:
        if not self.playout.arrivals.is_news:
            self._news_us = None
            return False
        if self._news_us is None:
            self._news_us = now_us
        return now_us - self._news_us >= _SETTLE_US
