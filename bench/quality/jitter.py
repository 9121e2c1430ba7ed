"""Jitter buffers side by side: ours, NetEQ's decisions, speexdsp's own, and two of a fixed depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.quality.listening import Heard, heard_fixed, heard_ours, heard_speexdsp, judged
from bench.quality.neteq import GOLDEN, golden, neteq
from bench.quality.ours import heard_delay_ms, ours
from bench.quality.outcome import Outcome, fixed, mean_of
from bench.quality.speexdsp import LIBRARY, library, speexdsp
from bench.quality.traces import FIVE_MINUTES, NETWORKS, Trace, recorded, synthetic
from bench.quality.verdicts import Part, Verdict, at_least, at_most, holds

SEEDS: Final = tuple(range(1000, 1020))  # no default was tuned on these
FIXED_MS: Final = (60, 100)
BUFFERS: Final = ("ours", "neteq-sim", "speexdsp", *(f"fixed-{ms}" for ms in FIXED_MS))

ROWS_TO_WIN: Final = 5  # of the seven synthetic networks
ETHERNET_MS: Final = 25
SCALED_MORE_PCT: Final = 1.0
DELAY_SHARE: Final = 0.9
CLAIM_WITHIN_MS: Final = 5.0


def measure(
    *,
    seeds: Sequence[int] = SEEDS,
    networks: Sequence[str] = tuple(NETWORKS),
    files: Sequence[Path] = (),
    n_frames: int = FIVE_MINUTES,
    listen: bool = True,
) -> Part:
    """Rows of every buffer over every network; a recorded one is run once. `listen`: with ViSQOL and PESQ."""
    rows = []
    for name in networks:
        rows += _rows(name, [synthetic(name, seed, n_frames) for seed in seeds], listen)
    for path in files:
        rows += _rows(path.stem, [recorded(path)], listen)
    remarks = [] if library() else [f"{LIBRARY} is not installed: there are no rows of speexdsp"]
    checks = golden()
    return Part(
        {"jitter": rows, "neteq_sim": checks},
        verdicts(rows, all(bool(each["holds"]) for each in checks), networks),
        remarks,
    )


def _rows(name: str, traces: Sequence[Trace], listen: bool) -> list[dict[str, Any]]:
    """One row for each buffer, the mean over the traces."""
    runs = [ours(trace) for trace in traces]
    heard_ms = [heard_delay_ms(trace, run) for trace, run in zip(traces, runs, strict=True)]
    rows = [_row(name, "ours", [run.outcome for run in runs])]
    rows[0]["delay_ms_heard"] = float(np.nanmean(heard_ms))
    rows[0]["target_ms_mean"] = float(np.mean([np.mean(run.targets_ms) for run in runs]))
    rows.append(_row(name, "neteq-sim", [neteq(trace, seed) for seed, trace in enumerate(traces)]))
    sounds: list[tuple[str, Callable[[], Heard]]] = [("ours", lambda: heard_ours(traces[0], runs[0]))]
    if library() is not None:
        played = [speexdsp(trace) for trace in traces]
        rows.append(_row(name, "speexdsp", [found for found, _ in played]))
        sounds.append(("speexdsp", lambda: heard_speexdsp(traces[0], played[0][1])))
    for delay_ms in FIXED_MS:
        rows.append(_row(name, f"fixed-{delay_ms}", [fixed(trace, delay_ms) for trace in traces]))
        sounds.append((f"fixed-{delay_ms}", lambda ms=delay_ms: heard_fixed(traces[0], ms)))  # type: ignore[misc]
    if listen:
        scores = {buffer: judged(sound()) for buffer, sound in sounds}
        for row in rows:
            row.update(scores.get(row["buffer"], {}))
    return rows


def _row(name: str, buffer: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {"trace": name, "buffer": buffer, "runs": len(outcomes), **mean_of(outcomes)}


def verdicts(rows: Sequence[dict[str, Any]], is_golden: bool, networks: Sequence[str]) -> list[Verdict]:
    """Against the model of NetEQ, which first must be what it was."""
    by = {(row["trace"], row["buffer"]): row for row in rows}
    pairs = [(name, by[name, "ours"], by[name, "neteq-sim"]) for name in networks]
    found = [
        holds(f"the model of NetEQ gives its own figures within 20 % ({', '.join(GOLDEN)})", is_golden),
        at_least(
            f"networks of {len(pairs)} on which ours beats neteq-sim",
            sum(wins(us, them) for _, us, them in pairs),
            ROWS_TO_WIN if len(pairs) == len(NETWORKS) else len(pairs),
        ),
    ]
    for name, us, them in pairs:
        more = us["accelerated_pct"] + us["stretched_pct"] - them["accelerated_pct"] - them["stretched_pct"]
        found.append(at_most(f"{name}: time-scaled % above neteq-sim's", more, SCALED_MORE_PCT))
        claim = abs(us["delay_ms_heard"] - us["delay_ms_mean"])
        found.append(
            at_most(f"{name}: ms between the delay told and the delay heard", claim, CLAIM_WITHIN_MS)
        )
        if name == "ethernet":
            found.append(at_most("ethernet: mean delay of ours, ms", us["delay_ms_mean"], ETHERNET_MS))
    return found


def wins(us: dict[str, Any], them: dict[str, Any]) -> bool:
    """Not more spoilt at 0.9 of its delay, or half as much spoilt at no more than its delay."""
    ours_pct, theirs_pct = (row["concealed_pct"] + row["dropped_pct"] for row in (us, them))
    delay_share = us["delay_ms_mean"] / them["delay_ms_mean"]
    return bool(
        (ours_pct <= theirs_pct and delay_share <= DELAY_SHARE)
        or (ours_pct <= theirs_pct / 2 and delay_share <= 1)
    )
