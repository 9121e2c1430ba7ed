"""Statements that come to their end, whatever becomes of the task that waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

__all__ = ["WholeConnection", "ended", "start"]

_Result = TypeVar("_Result")


async def ended(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await `work` to its end; whoever is cancelled meanwhile learns of that afterwards.

    A driver that is left in the middle of a statement gives its connection up, and a database file that was
    locked by it stays locked until the garbage is collected: every later transaction would fail.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                continue  # told once is enough
        if not task.cancelled():
            task.exception()  # nobody is left who would want it
        raise


class WholeConnection(AsyncConnection):
    """A connection whose statements are `ended`: the ways to execute one that the store uses."""

    async def execute(self, *arguments: Any, **options: Any) -> Any:
        """As of AsyncConnection."""
        return await ended(super().execute(*arguments, **options))

    async def exec_driver_sql(self, *arguments: Any, **options: Any) -> Any:
        """As of AsyncConnection."""
        return await ended(super().exec_driver_sql(*arguments, **options))

    async def run_sync(self, *arguments: Any, **options: Any) -> Any:
        """As of AsyncConnection."""
        return await ended(super().run_sync(*arguments, **options))


async def start(what: Any) -> None:
    """Start a connection or a transaction, to be awaited by `ended`."""
    await what.start()
