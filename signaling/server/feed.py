"""Feed: hands happenings to an application's `on_event`, which can neither stop nor slow the server."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from signaling.server.counts import Counts
from signaling.server.happenings import Happening

__all__ = ["HAPPENINGS_KEPT", "Feed", "OnEvent"]

log = logging.getLogger(__name__)

OnEvent: TypeAlias = Callable[[Happening], Awaitable[Any] | None]
"""Called with each happening, one after the other, in the server's loop; plain, or a coroutine function."""

HAPPENINGS_KEPT: Final = 1_000


class Feed:
    """One happening at a time, in order. What it raises is counted and logged, and the next one comes.

    While an async `on_event` takes its time the others wait; beyond HAPPENINGS_KEPT the newest is dropped
    and counted. A plain one runs in the loop of the audio: it must return at once.
    """

    def __init__(self, on_event: OnEvent, counts: Counts) -> None:
        self._on_event = on_event
        self._counts = counts
        self._waiting: deque[Happening] = deque()
        self._came = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def start(self) -> None:
        """Hand over from now on."""
        self._task = asyncio.ensure_future(self._run())

    def put(self, happening: Happening) -> None:
        """One more, at the end."""
        if len(self._waiting) >= HAPPENINGS_KEPT:
            self._counts.happenings_dropped += 1
            return
        self._waiting.append(happening)
        self._came.set()

    async def close(self, within_s: float) -> None:
        """Hand over what waits, for so many seconds; what is left then is dropped and counted."""
        self._closing = True
        self._came.set()
        task, self._task = self._task, None
        # A server may be stopped from within `on_event`: that task cannot wait for itself.
        if task is None or task is asyncio.current_task():
            return
        await asyncio.wait({task}, timeout=within_s)
        if not task.done():
            self._counts.happenings_dropped += len(self._waiting)
            self._waiting.clear()
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while True:
            while self._waiting:
                await self._hand_over(self._waiting.popleft())
            if self._closing:
                return
            self._came.clear()
            await self._came.wait()

    async def _hand_over(self, happening: Happening) -> None:
        try:
            answer = self._on_event(happening)
            if inspect.isawaitable(answer):
                await answer
        except Exception:
            self._counts.on_event_failures += 1
            log.exception("on_event failed at %s of Space %s", happening.kind, happening.space.hex())
        self._counts.happenings += 1
