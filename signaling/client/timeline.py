"""Timeline: the bubbles, kept as they are at present."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from signaling.client.errors import SpacesError
from signaling.protocol.messages import Bubble, BubbleChanged, BubbleGone

__all__ = ["MAX_BUBBLES", "Timeline"]

MAX_BUBBLES: Final = 100
"""So many are kept; one more and the last in order goes."""


class Timeline:
    """The live Spaces in which somebody I follow is on stage; made by `client.timeline()`.

    `bubbles` is always the present state. Iterating gives it at once and then after each change; who reads
    slowly gets the latest and misses what was in between, so that nothing piles up. One reader at a time.
    """

    def __init__(self, stop: Callable[[], Awaitable[object]]) -> None:
        self.dropped = 0
        """Bubbles beyond MAX_BUBBLES; a server shows fewer."""
        self._stop = stop
        self._bubbles: dict[bytes, Bubble] = {}
        self._changed = asyncio.Event()
        self._over = False
        self._error: Callable[[], SpacesError] | None = None

    @property
    def bubbles(self) -> tuple[Bubble, ...]:
        """Those with most of the people I follow on stage first, then the largest."""
        return tuple(sorted(self._bubbles.values(), key=_rank))

    async def close(self) -> None:
        """Be told of no changes any more."""
        if not self._over:
            self.finish()
            await self._stop()

    def __aiter__(self) -> Timeline:
        return self

    async def __anext__(self) -> tuple[Bubble, ...]:
        await self._changed.wait()
        if self._over:
            if self._error is not None:
                raise self._error()
            raise StopAsyncIteration
        self._changed.clear()
        return self.bubbles

    # For the client that made it

    def refresh(self, bubbles: Iterable[Bubble]) -> None:
        """All of them anew."""
        self._bubbles = {bubble.space: bubble for bubble in bubbles}
        self._changed.set()

    def on_event(self, event: BubbleChanged | BubbleGone) -> None:
        """One has changed."""
        if isinstance(event, BubbleChanged):
            self._bubbles[event.bubble.space] = event.bubble
            if len(self._bubbles) > MAX_BUBBLES:
                del self._bubbles[self.bubbles[-1].space]
                self.dropped += 1
        else:
            self._bubbles.pop(event.space, None)
        self._changed.set()

    def finish(self, error: Callable[[], SpacesError] | None = None) -> None:
        """Nothing follows; the iterator ends, with what `error` makes if it is given."""
        self._over = True
        self._error = error
        self._changed.set()

    @property
    def over(self) -> bool:
        """Whether nothing follows."""
        return self._over


def _rank(bubble: Bubble) -> tuple[int, int, bytes]:
    return -bubble.known_on_stage, -bubble.people, bubble.space
