"""Clocks that run apart by 2.5 % for ten minutes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from bench.quality.ours import ours
from bench.quality.outcome import mean_of
from bench.quality.traces import FRAME_MS, Trace
from bench.quality.verdicts import Part, at_most

DRIFTS: Final = (0.025, -0.025)  # of the sender's clock: slow, fast
TEN_MINUTES: Final = 30_000
_SETTLED_FRAMES: Final = 250
WITHIN_MS: Final = 40


def measure(n_frames: int = TEN_MINUTES) -> Part:
    """A row for each direction."""
    rows: list[dict[str, Any]] = []
    verdicts = []
    for share in DRIFTS:
        sent = np.arange(n_frames, dtype=np.float64) * FRAME_MS
        trace = Trace(f"drift {share:+.1%}", sent * share + 7.0, np.zeros(n_frames, bool))
        run = ours(trace)
        played = [i for i, status in enumerate(run.statuses) if status == "frame"]
        off = [abs(ms - run.targets_ms[i]) for i, ms in zip(played, run.delays_ms, strict=True)]
        apart_ms = max(off[min(_SETTLED_FRAMES, len(off) // 2) :])
        row = {"trace": trace.name, "buffer": "ours", "minutes": n_frames * FRAME_MS / 60_000}
        row |= mean_of([run.outcome]) | {"most_ms_off_target": apart_ms}
        rows.append(row)
        verdicts += [
            at_most(f"{trace.name}: concealed %", run.outcome.concealed_pct, 0),
            at_most(f"{trace.name}: most ms off the target", apart_ms, WITHIN_MS),
        ]
    return Part({"drift": rows}, verdicts, [])
