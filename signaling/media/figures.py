"""What rooms count, under flat names that are the same on both planes; a plane without one leaves it at 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from signaling.media.audience import AudienceCounts
from signaling.media.ticker import Ticker

__all__ = ["OF_ENGINES", "Figures", "no_figures", "of_audiences", "of_ticker"]

Figures = dict[str, int | float]

OF_ENGINES: Final[Mapping[str, str]] = {
    "decodes": "decodes",
    "encodes": "encodes",
    "buffered": "buffered",
    "buffer_delay_us": "delay_us",
    "buffer_target_us": "target_us",
}
"""Counters summed over all rooms, closed ones included → their names in spacecore.SpaceStats."""


def of_audiences(counts: AudienceCounts) -> Figures:
    """What was sent by the loop."""
    return {
        "frames_out": counts.full_sent + counts.seat_sent,
        "frames_out_full": counts.full_sent,
        "frames_out_seat": counts.seat_sent,
        "frames_out_refused": counts.refused,
        "frames_out_nobody": counts.nobody,
    }


def of_ticker(ticker: Ticker) -> Figures:
    """How punctual the loop's ticks were."""
    counts = ticker.counts
    found: Figures = {f"ticker_{item.name}": getattr(counts, item.name) for item in fields(counts)}
    found["media_late_us_p50"] = ticker.lateness.percentile_us(50)
    found["media_late_us_p99"] = ticker.lateness.percentile_us(99)
    found["media_late_us_max"] = counts.worst_late_us
    return found


def no_figures() -> Figures:
    """All names, at their start."""
    return {
        **dict.fromkeys(OF_ENGINES, 0),
        **of_audiences(AudienceCounts()),
        **of_ticker(Ticker(0)),
        "tick_s": 0.0,
    }
