"""The sound of a room: what is heard, metered and played, and what one says as soon as one may."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator

import numpy as np

from signaling.cli.failures import Failure
from signaling.cli.meters import Levels
from signaling.cli.room.board import Board
from signaling.cli.sound.microphone import Microphone
from signaling.cli.sound.samples import Samples
from signaling.cli.sound.sinks import Sink
from signaling.cli.sound.sources import ahead
from signaling.client import Frame, Space
from spacecore import level_of

__all__ = ["Sound", "Source"]

Source = Iterator[Samples] | Callable[[], Microphone] | None
"""Frames to say, or what opens the microphone, or nothing."""


class Sound:
    """Of one visit. `levels` holds how loud everybody is."""

    def __init__(self, board: Board, sinks: Iterable[Sink], source: Source) -> None:
        self.levels = Levels()
        self._board = board
        self._space: Space = board.space
        self._sinks = tuple(sinks)
        self._source = source
        self._changed = asyncio.Event()

    def on_change(self) -> None:
        """My seat or mute may have changed."""
        self._changed.set()

    async def hear(self) -> None:
        """Give every frame to the meters and to every sink, until the Space is over."""
        async for frame in self._space.listen():
            self.on_frame(frame)
            if self._sinks:
                pcm = np.frombuffer(frame.pcm, np.float32)
                for sink in self._sinks:
                    sink.write(pcm)

    async def say(self) -> None:
        """Speak whenever one may, until there is nothing more to say. Who may not is not recorded."""
        source = self._source
        if source is None:
            await self._until(lambda: self._space.seat is not None)
            self._board.say(
                "You are on stage without a sound: name --audio FILE, or install the extra 'play'",
                is_error=True,
            )
        elif isinstance(source, Iterator):
            await self._until(self._may_speak)
            await self._space.play(self._metered(ahead(source)))
            if self._space.over is None:
                self._board.say("All of your sound is said.")
        else:
            while True:
                await self._until(lambda: self._space.seat is not None)
                await self._speak_live(source)

    async def _speak_live(self, opened: Callable[[], Microphone]) -> None:
        try:
            microphone = opened()
        except Failure as error:
            self._board.say(f"{error} [{error.code}]", is_error=True)
            await self._until(lambda: self._space.seat is None)  # another try when one comes on stage again
            return
        try:
            async with contextlib.aclosing(self._metered(microphone.frames())) as frames:
                async for frame in frames:
                    if self._space.over is not None or self._space.seat is None:
                        return
                    self._space.speak(frame)
        finally:
            microphone.close()

    def _may_speak(self) -> bool:
        return self._space.seat is not None and not self._space.muted

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def _metered(self, frames: AsyncIterator[Samples]) -> AsyncGenerator[memoryview, None]:
        async for frame in frames:
            key = self._board.talk_key
            self._space.hushed = key is not None and not key.is_down
            if self._may_speak() and not self._space.hushed:
                self.levels.put(self._space.seat, level_of(frame))
            yield frame.data

    def on_frame(self, frame: Frame) -> None:
        """Move the meters by 20 ms."""
        others = tuple(row.seat for row in self._space.stage if row.seat != self._space.seat)
        self.levels.hear(frame.level, frame.seats, others)
