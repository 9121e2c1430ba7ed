"""`spaces demo`: plays the story, measures it, shows the table, and judges."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from rich.console import Console
from rich.text import Text

from signaling.cli.demo.figures import Figures, figures_of
from signaling.cli.demo.people import Ear, until_us
from signaling.cli.demo.real_server import running_server
from signaling.cli.demo.script import PICTURE_S, Voices, voices
from signaling.cli.demo.show import Picture, live_view, result_table
from signaling.cli.demo.story import Story, play
from signaling.cli.failures import EXIT_FAILED
from signaling.cli.running import run_loop
from signaling.cli.screen import Screen
from signaling.cli.sound.samples import frames_of
from signaling.cli.sound.sinks import check_recording, open_recording

__all__ = ["run"]


def run(files: list[Path], *, out: Path, as_json: bool, picture: Path | None = None) -> int:
    """Returns 0 if everything that has to hold did, else 1. Misuse and Failure for what cannot be begun."""
    check_recording(out)
    spoken = voices(files)
    console = Console(stderr=as_json, highlight=False)
    sketch = Picture() if picture is not None else None
    figures = run_loop(_demo(spoken, out, None if as_json else console, sketch))
    if sketch is not None and picture is not None:
        sketch.take(result_table(figures))
        sketch.save(picture)
    if as_json:
        Console(highlight=False).out(figures.to_json(), highlight=False)
    else:
        _report(console, figures, out)
    return 0 if figures.ok else EXIT_FAILED


async def _demo(spoken: Voices, out: Path, console: Console | None, sketch: Picture | None) -> Figures:
    story = Story()
    screen = Screen(lambda: live_view(story), console) if console is not None else contextlib.nullcontext()
    with screen:
        async with running_server() as server:
            drawing = asyncio.create_task(_draw(story, sketch)) if sketch is not None else None
            try:
                await play(server, spoken, story)
            finally:
                if drawing is not None:
                    drawing.cancel()
            story.phase = "Measuring what was heard"
            await server.stop()
            _keep(story.of("listener")[0].ear, out)
            # In a thread: a second of arithmetic, and the view goes on.
            return await asyncio.to_thread(figures_of, story, server)


async def _draw(story: Story, sketch: Picture) -> None:
    """The picture shows the moment when both speak."""
    await story.begun.wait()
    await until_us(story.started_us + int(PICTURE_S * 1_000_000))
    sketch.take(live_view(story))


def _keep(ear: Ear, out: Path) -> None:
    with contextlib.closing(open_recording(out)) as recording:
        for frame in frames_of(ear.track().samples):
            recording.write(frame)


def _report(console: Console, figures: Figures, out: Path) -> None:
    console.print()
    console.print(result_table(figures))
    console.print()
    parts = ", ".join(f"{name.replace('_', ' ')} {ms:g}" for name, ms in figures.delay_parts_ms.items())
    if parts:
        console.print(Text(f"Mouth to ear is made of (ms): {parts}.", "dim"))
    console.print(Text(f"What a listener heard is in {out}.", "dim"))
    if figures.ok and not figures.within_targets:
        console.print(Text("The delays are longer than they should be: is this machine busy?", "yellow"))
    for complaint in figures.complaints:
        console.print(Text(f"Failed: {complaint}.", "bold red"))
