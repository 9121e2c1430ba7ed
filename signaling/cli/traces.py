"""`spaces trace`: what a trace says, and its replay in this build."""

from __future__ import annotations

import time
import wave
from array import array
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from signaling.cli.failures import EXIT_FAILED, Failure
from signaling.cli.printing import duration, listing, print_json
from signaling.trace import (
    Replay,
    Replayed,
    SeatSummary,
    Summary,
    TraceError,
    TraceFile,
    read_trace,
    summarise,
)
from spacecore import FULL, Receiver

__all__ = ["replay", "show"]

_COLUMNS: Final = (
    "Seat",
    "Came",
    "Missing",
    "Late",
    "Jitter ms",
    "Gap ms",
    "Lost",
    "FEC",
    "Waits",
    "Delay ms",
)
_SHOWN: Final = 10
_LOUDEST: Final = 32_767


def show(file: Path, *, as_json: bool) -> int:
    """Print a summary; returns 0. Failure for a file that is no trace."""
    trace = _read(file)
    found = summarise(trace)
    if as_json:
        print_json({**_plain(found), "whole": trace.is_whole, "audio": trace.header.audio})
        return 0
    console = Console(highlight=False)
    console.print(_title(trace, found))
    rows = [_row(seat) for seat in found.seats.values()]
    console.print(listing(_COLUMNS, rows, console.width))
    return 0


def replay(file: Path, *, speed: float, out: Path | None, as_json: bool) -> int:
    """Replay and print what went otherwise; 0 where nothing did, else 1. Failure for what is no trace."""
    trace = _read(file)
    if out is not None and not trace.header.audio:
        raise Failure("no_audio", f"{file} has no sound and nothing can be heard of it", "leave --out out")
    try:
        outcome = _run(trace, speed, out)
    except TraceError as error:
        raise Failure(error.code, f"{file}: {error}") from error
    if as_json:
        differences = [asdict(each) for each in outcome.differences]
        counts = {str(seat): dict(each.named) for seat, each in outcome.counts.items()}
        told = {"ticks": outcome.ticks, "arrivals": outcome.arrivals, "settling": outcome.settling}
        print_json(
            {
                "same": outcome.is_same,
                **told,
                "n": outcome.n_differences,
                "differences": differences,
                "counts": counts,
            }
        )
    else:
        _tell(Console(highlight=False), trace, outcome)
    return 0 if outcome.is_same else EXIT_FAILED


def _read(file: Path) -> TraceFile:
    try:
        return read_trace(file)
    except TraceError as error:
        raise Failure(error.code, str(error), "name a file that a trace was recorded into") from error
    except OSError as error:
        raise Failure("unreadable", f"{file} cannot be read: {error.strerror}", "check the name") from error


def _run(trace: TraceFile, speed: float, out: Path | None) -> Replayed:
    run, ear, sound = Replay(trace), Receiver(), array("h")
    began_s, first_us = time.monotonic(), None
    for now_us, mixed in run.steps():
        if out is not None:
            for audience, datagram in mixed.packets:
                if audience == FULL:
                    ear.put(datagram, now_us)
            sound.extend(int(max(-1.0, min(1.0, each)) * _LOUDEST) for each in ear.pull(now_us).pcm)
        first_us = now_us if first_us is None else first_us
        if speed > 0:
            time.sleep(max(0.0, began_s + (now_us - first_us) / 1_000_000 / speed - time.monotonic()))
    if out is not None:
        with wave.open(str(out), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(48_000)
            file.writeframes(sound.tobytes())
    return run.outcome


def _title(trace: TraceFile, found: Summary) -> str:
    end = trace.end
    how = "cut off" if end is None else f"{end.left_out} records left out" if end.left_out else "whole"
    sound = "with sound" if trace.header.audio else "without sound"
    return f"Space {trace.header.space}, {duration(found.seconds)}, {found.ticks} ticks, {sound}, {how}"


def _plain(found: Summary) -> dict[str, Any]:
    # asdict would make a Counter of a Counter's items.
    seats = {
        number: {each.name: getattr(seat, each.name) for each in fields(seat)}
        for number, seat in found.seats.items()
    }
    return {**{each.name: getattr(found, each.name) for each in fields(found)}, "seats": seats}


def _row(seat: SeatSummary) -> tuple[str, ...]:
    numbers: tuple[Any, ...] = (
        *(seat.seat, seat.datagrams, seat.missing, seat.verdicts["late"]),
        *(f"{seat.jitter_ms:.1f}", f"{seat.longest_gap_ms:.0f}"),
        *(seat.due["lost"], seat.due["fec"], seat.due["wait"], f"{seat.delay_ms:.0f}"),
    )
    return tuple(str(each) for each in numbers)


def _tell(console: Console, trace: TraceFile, outcome: Replayed) -> None:
    console.print(f"{outcome.ticks} ticks, {outcome.arrivals} datagrams, {outcome.changes} changes")
    for each in outcome.differences[:_SHOWN]:
        at_s = (each.now_us - trace.records[0].now_us) / 1_000_000
        console.print(f"{at_s:9.3f} s  seat {each.seat}  {each.what}: {each.recorded} → {each.replayed}")
    if outcome.n_differences > _SHOWN:
        console.print(f"and {outcome.n_differences - _SHOWN} more")
    if outcome.settling:
        console.print(f"{outcome.settling} differences of seats that were there before the trace began")
    if not trace.is_whole:
        console.print("The trace is not whole, so it is not the same evening.")
    console.print("Every decision is the same." if outcome.is_same else "This build decides otherwise.")
