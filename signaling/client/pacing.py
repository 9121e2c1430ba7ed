"""Pacing: hands out what is ready faster than it is to be said, one frame every 20 ms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from typing import TypeVar

from signaling.client.playout import Schedule

__all__ = ["paced"]

T = TypeVar("T")


async def paced(frames: Iterable[T] | AsyncIterable[T], clock: Callable[[], int]) -> AsyncGenerator[T, None]:
    """Each frame at its time, without drift; what comes late is made up for as `Schedule` says."""
    schedule = Schedule(clock())
    owed = 0
    async for frame in _each(frames):
        while not owed:
            await asyncio.sleep(max(0, schedule.next_us - clock()) / 1_000_000)
            owed = schedule.due(clock())
        owed -= 1
        yield frame


async def _each(frames: Iterable[T] | AsyncIterable[T]) -> AsyncIterator[T]:
    if isinstance(frames, AsyncIterable):
        async for frame in frames:
            yield frame
    else:
        for frame in frames:
            yield frame
