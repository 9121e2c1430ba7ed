"""Much to do with the provider, a few at a time, and one that fails costs that one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

__all__ = ["CALLS_AT_ONCE", "few_at_once"]

log = logging.getLogger(__name__)

CALLS_AT_ONCE: Final = 8
"""So many calls of the provider are under way for what comes by time."""

_T = TypeVar("_T")


async def few_at_once(act: Callable[[_T], Awaitable[None]], what: Iterable[_T]) -> int:
    """Do `act` with each; returns how many failed. Those stay as they are in the store, for another time.

    One that takes long, or has to wait for an answer that does not come, keeps none of the others waiting as
    long as there are fewer than CALLS_AT_ONCE of them.
    """
    left, failed = iter(what), 0

    async def work() -> None:
        nonlocal failed
        for each in left:
            try:
                await act(each)
            except Exception:  # whatever it is: the others have their own outcome
                failed += 1
                log.exception("one of several could not be finished, it is tried again later")

    await asyncio.gather(*(work() for _ in range(CALLS_AT_ONCE)))
    return failed
