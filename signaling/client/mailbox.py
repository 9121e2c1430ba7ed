"""A bounded queue between the connection and one `async for`: never blocks who puts, and ends clearly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from signaling.client.errors import SpacesError
from signaling.client.states import Reconnected, Reconnecting
from signaling.protocol.messages import (
    Audience,
    Closing,
    Ended,
    Pins,
    Queue,
    Reactions,
    Removed,
    Settings,
    Stage,
    Talking,
    TokenExpiring,
    You,
)

__all__ = ["Mailbox", "oldest", "outdated"]

_WHOLE: Final = frozenset(
    {
        *(Stage, Queue, Audience, You, Settings, Pins, Reactions, Talking),
        *(TokenExpiring, Closing, Reconnecting, Reconnected),
    }
)

T = TypeVar("T")

Evict = Callable[[Sequence[T], T], int]
"""Which of the waiting items makes room for the new one, by its place in the queue."""


class Mailbox(Generic[T]):
    """An async iterator over what is put into it. At most `capacity` items wait; `dropped` counts the others.

    One consumer at a time. After `close()` it hands out what still waits, then ends; after
    `close(error)` it raises what `error` makes, each time it is asked.
    """

    def __init__(self, capacity: int, evict: Evict[T]) -> None:
        self.dropped = 0
        self._capacity = capacity
        self._evict = evict
        self._items: deque[T] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: Callable[[], SpacesError] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Add an item; when full another one is dropped for it. After close() it is dropped itself."""
        if self._closed:
            self.dropped += 1
            return
        if len(self._items) >= self._capacity:
            del self._items[self._evict(self._items, item)]
            self.dropped += 1
        self._items.append(item)
        self._wake()

    def close(self, error: Callable[[], SpacesError] | None = None) -> None:
        """Nothing follows. Only the first close counts."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._wake()

    def __aiter__(self) -> Mailbox[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            if self._closed:
                if self._error is not None:
                    raise self._error()
                raise StopAsyncIteration
            if self._waiter is not None:
                raise RuntimeError("this iterator is being waited for already; use it from one task")
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._items.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def oldest(waiting: Sequence[object], item: object) -> int:
    """For audio: the oldest is worth the least."""
    return 0


def outdated(waiting: Sequence[object], item: object) -> int:
    """For events: the oldest whose kind carries a whole state, if a later one of its kind makes it obsolete.

    Of those that say one thing each (a post, a note) none is obsolete: where only such wait, the oldest goes,
    but for what says that a Space is over.
    """
    later = {type(item)}
    found: int | None = None
    for at in range(len(waiting) - 1, -1, -1):
        kind = type(waiting[at])
        if kind in later and kind in _WHOLE:
            found = at
        later.add(kind)
    if found is not None:
        return found
    return next((at for at, each in enumerate(waiting) if not isinstance(each, Ended | Removed)), 0)
