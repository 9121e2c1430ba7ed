"""`spaces room`: enters or opens a Space, and shows it until one leaves or it is over."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Failure, Misuse
from signaling.cli.host import file_frames, title_spoken
from signaling.cli.join import only_one
from signaling.cli.room.acts import Acts
from signaling.cli.room.app import RoomApp
from signaling.cli.room.board import Board
from signaling.cli.room.sight import one_line
from signaling.cli.room.sound import Sound, Source
from signaling.cli.room.talk_key import TalkKey
from signaling.cli.running import Interrupted, run_loop, together
from signaling.cli.sound.devices import sounddevice
from signaling.cli.sound.microphone import Microphone
from signaling.cli.sound.sinks import Loudspeaker, Sink
from signaling.client import RequestRefused, Space, SpaceOver

__all__ = ["RoomOptions", "Visit", "run"]


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """Which Space to enter, or with which title to open one, and its sound."""

    space: str = ""
    title: str = ""
    audio: Path | None = None
    repeat: bool = False
    microphone: bool = False
    play: bool = False
    push_to_talk: bool = False


def run(connection: ConnectionOptions, options: RoomOptions) -> int:
    """Show it until one leaves or it is over; returns 0. Failure `removed` if a host threw one out."""
    if options.space and options.title:
        raise Misuse("two_spaces", "a Space is named and --open opens another", "leave one out")
    if options.audio is not None and options.microphone:
        raise Misuse("two_sounds", "--audio and --microphone are both given", "leave one out")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):  # textual draws on the standard error
        raise Misuse(
            "no_terminal",
            "the room is drawn on a terminal and this is none",
            "use  spaces join  or  spaces host",
        )
    with contextlib.ExitStack() as stack:
        # All that can fail on this machine fails before anybody else notices.
        source = _source(options)
        sinks: list[Sink] = []
        if options.play:
            sinks.append(Loudspeaker())
            stack.callback(sinks[0].close)
        with contextlib.suppress(Interrupted):
            run_loop(_enter(connection, options, source, sinks))
    return 0


class Visit:
    """A Space one is in, with all that goes on while it is shown."""

    def __init__(
        self,
        space: Space,
        source: Source = None,
        sinks: list[Sink] | None = None,
        *,
        push_to_talk: bool = False,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self.space = space
        self.board = Board(space, clock)
        self.board.talk_key = TalkKey(clock) if push_to_talk else None
        self.sound = Sound(self.board, sinks or [], source)
        self.acts = Acts(self.board)
        self.app = RoomApp(self.board, self.acts, self.sound.levels, clock)
        self.board.on_change = self.sound.on_change
        self._work: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Follow, hear, speak, and carry out keys from now on."""
        work = together(
            self.board.follow(),
            self.board.fetch(),
            self.acts.carry_out(),
            self.sound.hear(),
            self.sound.say(),
        )
        self._work = asyncio.ensure_future(work)
        self._work.add_done_callback(self._on_done)

    def _on_done(self, _: object) -> None:
        self.board.is_done = True

    async def end(self) -> None:
        """Leave, if one is still in it; raises what went wrong meanwhile."""
        if self._work is not None:
            failed = self._work.done()
            self._work.cancel()
            await asyncio.wait([self._work])
            if failed:
                self._work.result()
        with contextlib.suppress(SpaceOver, RequestRefused):
            await self.space.leave()
        if self.app.failure is not None:
            raise self.app.failure


async def _enter(
    connection: ConnectionOptions, options: RoomOptions, source: Source, sinks: list[Sink]
) -> int:
    connection, where = place(connection, options.space)
    async with await dial(connection) as client:
        if options.title:
            space = await client.open(options.title)
        else:
            space = await client.join(where or await only_one(client))
        visit = Visit(space, source, sinks, push_to_talk=options.push_to_talk)
        visit.begin()
        try:
            await visit.app.run_async(mouse=True)
        finally:
            await visit.end()
    if visit.board.removed:
        raise Failure("removed", "a host removed you from this Space")
    if visit.board.ending:
        typer.echo(one_line(visit.board.ending))
    return 0


def _source(options: RoomOptions) -> Source:
    if options.audio is not None:
        frames = file_frames(options.audio, options.repeat)
        return itertools.chain([next(frames)], frames)
    if options.microphone:
        sounddevice("--microphone")
        return Microphone
    if options.title:
        return title_spoken(options.title)
    try:
        sounddevice("the microphone")
    except Failure:
        return None  # one may listen; who comes on stage is told what is missing
    return Microphone
