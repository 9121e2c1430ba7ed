"""Acts: what keys ask the server for, one after the other, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from signaling.cli.room.board import Board
from signaling.client import RequestRefused, SpaceOver, TimedOut

__all__ = ["ACTS_KEPT", "Act", "Acts"]

ACTS_KEPT: Final = 16
"""So many wait to be carried out; one more is passed over, and said to be."""

Act = Callable[[], Awaitable[Any]]


class Acts:
    """Takes acts without waiting. While a lost connection is made anew they wait; `dropped` counts those
    passed over."""

    def __init__(self, board: Board) -> None:
        self.dropped = 0
        self._board = board
        self._waiting: asyncio.Queue[tuple[Act, str]] = asyncio.Queue(ACTS_KEPT)

    def put(self, act: Act, done: str = "") -> None:
        """Do this; `done` is said if the server agreed, its own sentence if not."""
        if self._waiting.full():
            self.dropped += 1
            self._board.say(
                f"{ACTS_KEPT} keys wait for the server already; this one is passed over, press it again",
                is_error=True,
            )
            return
        self._waiting.put_nowait((act, done))

    async def carry_out(self) -> None:
        """Until the Space is over."""
        while True:
            act, done = await self._waiting.get()
            try:
                await act()
            except (RequestRefused, TimedOut) as error:
                self._board.refused(error)
            except SpaceOver:
                return
            else:
                if done:
                    self._board.say(done)
