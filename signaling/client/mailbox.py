"""A bounded queue between the connection and one `async for`: never blocks who puts, and ends clearly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from signaling.client.errors import SpacesError

__all__ = ["Mailbox", "oldest", "outdated"]

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
    """For events: the oldest that a later one of its kind makes obsolete, since each carries its whole state.

    There is always one while more items wait than there are kinds.
    """
    later = {type(item)}
    found = 0
    for at in range(len(waiting) - 1, -1, -1):
        kind = type(waiting[at])
        if kind in later:
            found = at
        later.add(kind)
    return found
