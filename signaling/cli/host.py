"""`spaces host`: opens a Space and speaks in it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.meters import Levels, framed, repair_words, stage_table
from signaling.cli.partners import Partners
from signaling.cli.running import Interrupted, run_loop, together
from signaling.cli.screen import Screen, keys
from signaling.cli.sound.samples import RATE_HZ, Samples, frames_of
from signaling.cli.sound.sources import AudioFile, ahead
from signaling.cli.sound.speech import speak
from signaling.cli.telling import Teller
from signaling.client import Frame, Queue, RequestRefused, Space, SpaceOver, WhoMaySpeak
from spacecore import level_of

__all__ = ["HostOptions", "file_frames", "run", "title_spoken"]

_ANSWERS_KEPT: Final = 16
"""So many keys wait to be carried out; more are passed over."""


@dataclass(frozen=True, slots=True)
class HostOptions:
    """What to open, or which scheduled Space to start, and what to do in it."""

    title: str = ""
    start: str = ""
    audio: Path | None = None
    repeat: bool = False
    topics: tuple[str, ...] = ()
    who_may_speak: WhoMaySpeak = "everyone"
    fair: bool = False
    kind: str = ""
    admit_all: bool = False
    co_hosts: tuple[str, ...] = ()
    speak_links: int = 0


def run(connection: ConnectionOptions, options: HostOptions) -> int:
    """Host until the sound is over, the Space ends, or Ctrl-C; returns 0."""
    frames = (
        title_spoken(options.title) if options.audio is None else file_frames(options.audio, options.repeat)
    )
    # The first frame is taken before anything is opened for others: a file that cannot be read says so now.
    first = next(frames)
    with contextlib.suppress(Interrupted):
        run_loop(_host(connection, options, itertools.chain([first], frames)))
    return 0


async def _host(connection: ConnectionOptions, options: HostOptions, frames: Iterator[Samples]) -> int:
    connection, where = place(connection, options.start)
    async with await dial(connection) as client:
        if where:
            space = await client.start(where)
        else:
            space = await client.open(
                options.title, topics=options.topics, who_may_speak=options.who_may_speak, kind=options.kind
            )
        try:
            loop = asyncio.get_running_loop()
            desk = _Desk(space, options.admit_all, Partners(space, options.co_hosts))
            with (
                keys(loop.add_reader, loop.remove_reader) as pressed,
                Screen(lambda: desk.view(pressed.usable)) as screen,
            ):
                pressed.on_key = desk.on_key
                screen.say(f"Space {space.id_text}  {space.title}")
                await _prepare(space, options, screen)
                if not screen.is_live and not options.admit_all:
                    screen.say("Nobody is at a terminal to admit speakers; --admit-all lets everybody speak.")
                await together(desk.speak(frames), desk.follow(screen), desk.answer(screen))
        finally:
            if space.over is None:
                with contextlib.suppress(SpaceOver, RequestRefused):
                    await space.end()
    return 0


async def _prepare(space: Space, options: HostOptions, screen: Screen) -> None:
    if options.fair:
        await space.change(queue_order="fair")
    for _ in range(options.speak_links):
        screen.say(f"Speak: {(await space.share(speak=True)).link}")


class _Desk:
    """The host's side of a Space: speaks, follows what happens, admits."""

    def __init__(self, space: Space, admit_all: bool, partners: Partners) -> None:
        self._space = space
        self._partners = partners
        self._admit_all = admit_all
        self.keys_dropped = 0
        self._levels = Levels()
        self._answers: asyncio.Queue[str | None] = asyncio.Queue(_ANSWERS_KEPT)
        space.on_pcm = self._on_pcm

    async def speak(self, frames: Iterator[Samples]) -> None:
        """Say all of it, then end the Space."""
        await self._space.play(self._metered(frames))
        if self._space.over is None:
            await self._space.end()

    async def follow(self, screen: Screen) -> None:
        """Tell what happens until the Space is over."""
        teller = Teller(self._space)
        try:
            async for event in self._space.events():
                for sentence in teller.sentences(event):
                    screen.say(sentence)
                if isinstance(event, Queue):
                    for person in event.queue:
                        if self._admit_all or self._partners.has(person.user):
                            await self._answer(screen, person.user, "a")
                for sentence in await self._partners.on_event(event):
                    screen.say(sentence)
        finally:
            if self._answers.full():
                self._answers.get_nowait()
            self._answers.put_nowait(None)

    async def answer(self, screen: Screen) -> None:
        """Carry out the keys."""
        while (key := await self._answers.get()) is not None:
            if self._space.queue:
                await self._answer(screen, self._space.queue[0].user, key)

    def on_key(self, key: str) -> None:
        """`a` admits who asked first, `d` declines."""
        if key.lower() not in ("a", "d"):
            return
        if self._answers.full():
            self.keys_dropped += 1
        else:
            self._answers.put_nowait(key.lower())

    def view(self, can_type: bool) -> RenderableType:
        """The live view."""
        space = self._space
        lines: list[RenderableType] = [stage_table(space, self._levels), Text()]
        lines.append(Text(f"{space.audience} listening", "dim"))
        if repair := repair_words(space):
            lines.append(Text(repair, "dim"))
        lines += [Text(f"✋ {person.name} asks to speak", "yellow") for person in space.queue[:5]]
        if space.queue and can_type:
            lines.append(Text(f"   a admits {space.queue[0].name}, d declines", "dim"))
        if space.over is None:
            lines.append(Text(f"Listen:  spaces join {space.id_text}", "dim"))
        return framed(Group(*lines), space, "Ctrl-C ends the Space")

    async def _answer(self, screen: Screen, user: str, key: str) -> None:
        try:
            await (self._space.admit(user) if key == "a" else self._space.decline(user))
        except RequestRefused as error:
            if error.code != "not_asked":  # they took it back in the meantime
                screen.say(f"{user}: {error.message} [{error.code}]")
        except SpaceOver:
            return

    async def _metered(self, frames: Iterator[Samples]) -> AsyncIterator[memoryview]:
        async for frame in ahead(frames):
            self._levels.put(self._space.seat, level_of(frame))
            yield frame.data

    def _on_pcm(self, frame: Frame) -> None:
        others = tuple(row.seat for row in self._space.stage if row.seat != self._space.seat)
        self._levels.hear(frame.level, frame.seats, others)


def file_frames(path: Path, repeat: bool) -> Iterator[Samples]:
    """The frames of a file, once or again and again. Failure as for AudioFile."""
    while True:
        with AudioFile(path) as file:
            yield from file
        if not repeat:
            return


def title_spoken(title: str) -> Iterator[Samples]:
    """The title, spoken again and again."""
    named = f": {title}" if title else ""
    sentence = speak(f"Welcome to this Space{named}. You can hear me, so everything works.")
    pause = np.zeros(RATE_HZ, np.float32)
    return itertools.cycle(frames_of(np.concatenate([sentence, pause])))
