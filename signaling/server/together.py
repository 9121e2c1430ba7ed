"""Together: one read answers everybody who asked before it began."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

__all__ = ["Together"]

_Found = TypeVar("_Found")


class Together(Generic[_Found]):
    """**What one is told was read after one asked**, and however many ask at one time, there are two reads at
    most: the one under way, which is too old for them, and the next, which they share.

    A read that fails is raised to everybody who shares it; of one whose reader was cancelled the next one
    takes over. What is read is never None.
    """

    __slots__ = ("_begun", "_failed", "_found", "_lock", "_read")

    def __init__(self, read: Callable[[], Awaitable[_Found]]) -> None:
        self._read = read
        self._lock = asyncio.Lock()
        self._begun = 0
        self._found: _Found | None = None
        self._failed: Exception | None = None

    async def ask(self) -> _Found:
        """Read, or take part in a read that has not begun yet. Raises what reading raises."""
        begun = self._begun
        async with self._lock:
            was_given_up = self._found is None and self._failed is None
            if self._begun == begun or was_given_up:
                await self._read_anew()
            if self._found is None:
                raise self._failed or ValueError("what was read is None")
            return self._found

    async def _read_anew(self) -> None:
        self._begun += 1
        self._found = self._failed = None
        try:
            self._found = await self._read()
        except Exception as error:
            self._failed = error
