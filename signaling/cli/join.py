"""`spaces join`: listens to a Space, keeps or plays what is heard, and may ask to speak."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Failure, Misuse
from signaling.cli.meters import Levels, framed, repair_words, stage_table
from signaling.cli.running import Interrupted, run_loop, together
from signaling.cli.screen import Screen
from signaling.cli.sound.devices import sounddevice
from signaling.cli.sound.microphone import Microphone
from signaling.cli.sound.samples import Samples
from signaling.cli.sound.sinks import Loudspeaker, Sink, check_recording, open_recording
from signaling.cli.sound.sources import AudioFile, ahead
from signaling.cli.telling import Teller
from signaling.client import Client, Frame, Invited, Removed, RequestRefused, Space
from spacecore import level_of

__all__ = ["JoinOptions", "only_one", "run"]


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """What to listen to and what to do with it."""

    space: str = ""
    out: Path | None = None
    play: bool = False
    ask: bool = False
    audio: Path | None = None
    low_delay: bool = False


def run(connection: ConnectionOptions, options: JoinOptions) -> int:
    """Listen until the Space is over or Ctrl-C; returns 0. Failure `removed` if the host threw one out."""
    if options.audio is not None and not options.ask:
        raise Misuse("audio_unasked", "--audio is spoken once the host admits you", "add --ask")
    with contextlib.ExitStack() as stack:
        # All that can fail on this machine fails before anybody else notices.
        frames = _opened(options.audio, stack) if options.audio is not None else None
        if options.ask and frames is None:
            sounddevice("--ask without --audio FILE")
        sinks: list[Sink] = []
        if options.play:
            sinks.append(_closing(Loudspeaker(), stack))
        if options.out is not None:
            check_recording(options.out)
        with contextlib.suppress(Interrupted):
            run_loop(_join(connection, options, sinks, frames, stack))
    return 0


async def _join(
    connection: ConnectionOptions,
    options: JoinOptions,
    sinks: list[Sink],
    frames: Iterator[Samples] | None,
    stack: contextlib.ExitStack,
) -> int:
    if options.low_delay:
        connection = replace(connection, bundle_delay_ms=0)
    connection, where = place(connection, options.space)
    async with await dial(connection) as client:
        space = await client.join(where or await only_one(client))
        guest = _Guest(space)
        screen = Screen(guest.view)
        if options.out is not None:
            # Said also after Ctrl-C and when the connection was lost, and once the file is closed.
            stack.callback(screen.say, f"What was heard is in {options.out}.")
            sinks.append(_closing(open_recording(options.out), stack))
        with screen:
            screen.say(f"Space {space.id_text}  {space.title}")
            work = [guest.listen(sinks), guest.follow(screen)]
            if options.ask:
                work.append(guest.take_the_stage(screen, frames))
            await together(*work)
    if guest.removed:
        raise Failure("removed", "the host removed you from this Space")
    return 0


async def only_one(client: Client) -> str:
    """The one live Space, for who named none."""
    live = await client.live(2)
    if len(live) == 1:
        return live[0].space.hex()
    if not live:
        raise Failure("no_such_space", "no Space is live here", "open one:  spaces host --title 'Hello'")
    raise Misuse("space_unnamed", "more than one Space is live", "name one of those that  spaces live  shows")


class _Guest:
    """One person's visit."""

    def __init__(self, space: Space) -> None:
        self.removed = False
        self._wants_to_speak = False
        self._space = space
        self._levels = Levels()
        self._seated = asyncio.Event()

    async def take_the_stage(self, screen: Screen, frames: Iterator[Samples] | None) -> None:
        """Get there, by an invitation or by asking for one, and speak."""
        self._wants_to_speak = True
        if self._space.seat is not None:
            self._seated.set()
        elif self._space.invited:
            await self._accept(screen)
        else:
            try:
                await self._space.ask()
            except RequestRefused as error:
                # An invitation that is on its way makes asking needless; it is taken up when it comes.
                if error.code != "already_asked":
                    raise
            else:
                screen.say("You asked to speak; the host decides.")
        await self.speak(frames)

    async def listen(self, sinks: list[Sink]) -> None:
        """Give every frame to every sink."""
        async for frame in self._space.listen():
            self._on_frame(frame)
            pcm = np.frombuffer(frame.pcm, np.float32)
            for sink in sinks:
                sink.write(pcm)

    async def follow(self, screen: Screen) -> None:
        """Tell what happens until it is over."""
        teller = Teller(self._space)
        try:
            async for event in self._space.events():
                for sentence in teller.sentences(event):
                    screen.say(sentence)
                if isinstance(event, Removed):
                    self.removed = True
                if isinstance(event, Invited) and self._space.invited and self._wants_to_speak:
                    await self._accept(screen)
                if self._space.seat is not None:
                    self._seated.set()
        finally:
            self._seated.set()

    async def _accept(self, screen: Screen) -> None:
        try:
            await self._space.accept()
        except RequestRefused as error:
            screen.say(f"The invitation cannot be taken up: {error.message} [{error.code}]")

    async def speak(self, frames: Iterator[Samples] | None) -> None:
        """Once admitted: the file, then back to listening; or the microphone, for as long as one is here."""
        await self._seated.wait()
        if self._space.seat is None:
            return
        if self._space.muted:  # as who comes by an invitation is
            await self._unmute()
        if frames is not None:
            await self._space.play(self._metered(ahead(frames)))
            if self._space.over is None and self._space.seat is not None:
                await self._space.move()
            return
        microphone = Microphone()
        try:
            async for frame in self._metered(microphone.frames()):
                if self._space.over is not None:
                    return
                self._space.speak(frame)
        finally:
            microphone.close()

    async def _unmute(self) -> None:
        with contextlib.suppress(RequestRefused):  # held muted: the host knows why
            await self._space.unmute()

    def view(self) -> RenderableType:
        """The live view."""
        space = self._space
        lines: list[RenderableType] = [
            stage_table(space, self._levels),
            Text(),
            Text(f"{space.audience} listening, {space.waiting} asking to speak", "dim"),
        ]
        if repair := repair_words(space):
            lines.append(Text(repair, "dim"))
        return framed(Group(*lines), space, "Ctrl-C leaves")

    async def _metered(self, frames: AsyncIterator[Samples]) -> AsyncIterator[memoryview]:
        async for frame in frames:
            self._levels.put(self._space.seat, level_of(frame))
            yield frame.data

    def _on_frame(self, frame: Frame) -> None:
        others = tuple(row.seat for row in self._space.stage if row.seat != self._space.seat)
        self._levels.hear(frame.level, frame.seats, others)


def _opened(path: Path, stack: contextlib.ExitStack) -> Iterator[Samples]:
    file = stack.enter_context(AudioFile(path))
    frames = iter(file)
    return itertools.chain([next(frames)], frames)


def _closing(sink: Sink, stack: contextlib.ExitStack) -> Sink:
    stack.callback(sink.close)
    return sink
