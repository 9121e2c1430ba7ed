"""What one jitter buffer made of one trace, in the terms in which buffers are compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.quality.traces import FRAME_MS, Trace

FIGURES = (
    "concealed_pct",
    "dropped_pct",
    "accelerated_pct",
    "stretched_pct",
    "delay_ms_mean",
    "delay_ms_p95",
    "longest_interruption_ms",
)


@dataclass(frozen=True)
class Outcome:
    """Shares are of the time from the first frame played on; delays are above the network's fastest frame."""

    concealed_pct: float  # made up, because nothing was there
    dropped_pct: float  # arrived, and was never played
    accelerated_pct: float  # left out by time scaling, or as a silent frame
    stretched_pct: float
    delay_ms_mean: float
    delay_ms_p95: float
    longest_interruption_ms: float

    @property
    def spoilt_pct(self) -> float:
        return self.concealed_pct + self.dropped_pct

    @property
    def scaled_pct(self) -> float:
        return self.accelerated_pct + self.stretched_pct


def outcome(
    *,
    made_up: Sequence[bool],
    step_ms: float,
    dropped_ms: float,
    accelerated_ms: float,
    stretched_ms: float,
    delays_ms: Sequence[float],
    concealed_ms: float | None = None,
) -> Outcome:
    """From what happened at each step of the output to the figures; else whole steps are concealed."""
    total_ms = max(len(made_up), 1) * step_ms
    if concealed_ms is None:
        concealed_ms = sum(made_up) * step_ms
    delays = np.asarray(delays_ms if len(delays_ms) else [0.0])
    return Outcome(
        concealed_pct=100 * concealed_ms / total_ms,
        dropped_pct=100 * dropped_ms / total_ms,
        accelerated_pct=100 * accelerated_ms / total_ms,
        stretched_pct=100 * stretched_ms / total_ms,
        delay_ms_mean=float(delays.mean()),
        delay_ms_p95=float(np.percentile(delays, 95)),
        longest_interruption_ms=longest_run(made_up) * step_ms,
    )


def longest_run(made_up: Iterable[bool]) -> int:
    """The most steps one after the other that were made up."""
    longest = run = 0
    for each in made_up:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest


def mean_of(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Means over seeds; of interruptions the longest."""
    row = {name: float(np.mean([getattr(each, name) for each in outcomes])) for name in FIGURES}
    row["longest_interruption_ms"] = max(each.longest_interruption_ms for each in outcomes)
    return row


def fastest_ms(delay_ms: NDArray[np.float64]) -> float:
    """What counts as the fastest frame of a whole trace: an outlier or two do not."""
    return float(np.percentile(delay_ms, 0.5))


def fixed(trace: Trace, delay_ms: float) -> Outcome:
    """An ideal buffer of a fixed depth: whatever is later than that above the fastest frame is lost."""
    late = (trace.delay_ms - fastest_ms(trace.delay_ms[~trace.lost]) > delay_ms) & ~trace.lost
    return outcome(
        made_up=(late | trace.lost).tolist(),
        step_ms=FRAME_MS,
        dropped_ms=float(late.sum() * FRAME_MS),
        accelerated_ms=0,
        stretched_ms=0,
        delays_ms=[delay_ms],
    )
