"""The demo's people: each a real client, with an ear that keeps all it hears and when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from signaling.cli.demo.measure import Track
from signaling.cli.meters import SILENT, Levels
from signaling.cli.sound.samples import FRAME_SAMPLES, FRAME_US, RATE_HZ, Samples, frames_of
from signaling.client import Client, Ended, Frame, Space
from spacecore import level_of

__all__ = ["Arrivals", "Ear", "Person", "now_us", "until_us"]

_AUDIBLE: Final = 1e-3
_NEW_FRAMES: Final = 0b11  # the count of new frames in the lower byte of an audio datagram's flags


def now_us() -> int:
    """The clock of all clients here: the usual one of the client library."""
    return time.monotonic_ns() // 1000


async def until_us(moment_us: int) -> None:
    """Sleep until then, and never less: what is captured cannot be sent before it was said."""
    while (left_us := moment_us - now_us()) > 0:  # noqa: ASYNC110 - a timer may come a little early
        await asyncio.sleep(left_us / 1_000_000)


class Arrivals:
    """Counts the frames of audio that arrive at a client, whatever becomes of them."""

    def __init__(self, client: Client) -> None:
        self.frames = 0
        client.on_datagram = self._count

    def _count(self, datagram: bytes) -> None:
        self.frames += datagram[3] & _NEW_FRAMES


class _Heard(NamedTuple):
    due_us: int
    handed_us: int
    pcm: Samples


class Ear:
    """Everything one person was played, frame by frame."""

    def __init__(self) -> None:
        self.first_heard_us: int | None = None
        """When the first frame with sound in it was handed over to be played."""
        self.level = SILENT
        self.delays_ms: list[float] = []
        self._frames: list[_Heard] = []

    def hear(self, frame: Frame, handed_us: int) -> None:
        """20 ms are played now."""
        pcm = np.frombuffer(frame.pcm, np.float32)
        self._frames.append(_Heard(frame.due_us, handed_us, pcm))
        self.level = frame.level
        if self.first_heard_us is None and float(np.abs(pcm).max()) > _AUDIBLE:
            self.first_heard_us = handed_us

    def track(self) -> Track:
        """All of it on the clock, by the schedule of the playout."""
        if not self._frames:
            return Track(np.zeros(0, np.float32), 0)
        start_us = self._frames[0].due_us
        places = [(each.due_us - start_us) * RATE_HZ // 1_000_000 for each in self._frames]
        samples = np.zeros(max(places) + FRAME_SAMPLES, np.float32)
        for place, each in zip(places, self._frames, strict=True):
            samples[place : place + FRAME_SAMPLES] = each.pcm
        return Track(samples, start_us)

    def lateness_ms(self, from_us: int, to_us: int) -> float:
        """How much later than scheduled the frames of this time were handed over, the median."""
        late = [
            each.handed_us - each.due_us for each in self._frames if from_us - FRAME_US < each.due_us < to_us
        ]
        return float(np.median(late)) / 1000 if late else 0.0


@dataclass(slots=True)
class Person:
    """One client in the Space, and all that is known of it at the end."""

    name: str
    role: str
    arrivals: Arrivals
    space: Space
    ear: Ear = field(default_factory=Ear)
    levels: Levels = field(default_factory=Levels)
    source: Track | None = None
    joined_us: int = 0
    """When join was called."""
    over_us: int = 0
    told_of_end: bool = False
    following: asyncio.Task[None] | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.space.on_pcm = self._on_frame
        self.following = asyncio.create_task(self._follow())

    async def wait_until(self, is_so: Callable[[], bool], timeout_s: float) -> bool:
        """Until an event has made it so; False if none did in time."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def say(self, sound: Samples, start_us: int, end_us: int) -> None:
        """Capture from `start_us` on: the sound, then silence until `end_us`, one frame every 20 ms."""
        self.source = Track(sound, start_us)
        silence = np.zeros(FRAME_SAMPLES, np.float32)
        frames = frames_of(sound)
        for number in range((end_us - start_us) // FRAME_US):
            captured_us = start_us + number * FRAME_US
            await until_us(captured_us + FRAME_US)  # a frame is there when its last sample is
            pcm = frames[number] if number < len(frames) else silence
            self.levels.put("mouth", level_of(pcm))
            self.space.speak(pcm.data, captured_us)

    async def _follow(self) -> None:
        """Read the events until the Space is over."""
        try:
            async for event in self.space.events():
                if isinstance(event, Ended):
                    self.told_of_end = True
                self._changed.set()
        finally:
            self.over_us = now_us()

    def _on_frame(self, frame: Frame) -> None:
        self.ear.hear(frame, now_us())
        self.levels.put("ear", frame.level)
        playout = self.space.stats.playout
        if playout is not None and frame.status != "silence":
            self.ear.delays_ms.append(playout.delay_ms)
