"""What all verbs have in common: a request over the line, and lists that are read page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from msgspec import Struct

from signaling.client.line import Line
from signaling.protocol.messages import Ok, Request

__all__ = ["Asking", "gather"]

_PAGE: Final = 100  # rows; the most that the protocol lets one ask for

C = TypeVar("C", str, int, bytes | None)
R = TypeVar("R", bound=Struct)
T = TypeVar("T")


class Asking:
    """Sends requests over a line. Every verb raises RequestRefused, TimedOut, ConnectionClosed."""

    _line: Line

    def _check(self) -> None:
        """Raises where nothing can be asked any more."""

    async def _do(self, build: Callable[[int], Request]) -> None:
        await self._get(build, Ok)

    async def _get(
        self,
        build: Callable[[int], Request],
        expected: type[R] | tuple[type[R], ...],
        at_once: Callable[[R], None] | None = None,
    ) -> R:
        self._check()
        return await self._line.request(build, expected, at_once)


async def gather(page: Callable[[C, int], Awaitable[tuple[list[T], C]]], first: C, most: int) -> list[T]:
    """Rows of one page after the other, at most so many. `page` gets where to go on and how many rows."""
    found: list[T] = []
    after = first
    while len(found) < most:
        rows, after = await page(after, min(_PAGE, most - len(found)))
        found += rows
        if not after or not rows:
            break
    return found[:most]
