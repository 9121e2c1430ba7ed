"""The options of `spaces trace`. What it does is in `traces`, imported when it is run."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from signaling.cli.options import Json
from signaling.cli.running import guarded

__all__ = ["trace"]

trace = typer.Typer(
    name="trace",
    help="Look at the trace of a room, or put it into a room again, in virtual time. docs/traces.md.",
    no_args_is_help=True,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The trace.")]


@trace.command()
def show(file: File, *, json: Json = False) -> None:
    """Sum a trace up: for each seat what came, what was lost or late, and what its listeners got."""
    raise typer.Exit(
        guarded("trace", lambda: int(import_module("signaling.cli.traces").show(file, as_json=json)))
    )


@trace.command()
def replay(
    file: File,
    *,
    speed: Annotated[
        float,
        typer.Option(min=0, metavar="X", help="So many times as fast as it was; 0: as fast as it goes."),
    ] = 0.0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="WAV", help="Write what a listener hears; for a trace with sound."),
    ] = None,
    json: Json = False,
) -> None:
    """Put a trace into a room of this build, and say where it decides otherwise; then the status is 1."""

    def work() -> int:
        return int(import_module("signaling.cli.traces").replay(file, speed=speed, out=out, as_json=json))

    raise typer.Exit(guarded("trace", work))
