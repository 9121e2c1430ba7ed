"""Much to do with the provider, a few at a time, and one that fails costs that one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

__all__ = ["CALLS_AT_ONCE", "few_at_once"]

log = logging.getLogger(__name__)

CALLS_AT_ONCE: Final = 8
"""So many calls of the provider are under way for what comes by time."""

_T = TypeVar("_T")


async def few_at_once(act: Callable[[_T], Awaitable[None]], what: Sequence[_T]) -> int:
    """Do `act` with each; returns how many failed. Those stay as they are in the store, for another time."""
    failed = 0

    async def bounded(each: _T) -> None:
        nonlocal failed
        try:
            await act(each)
        except Exception:  # whatever it is: the others have their own outcome
            failed += 1
            log.exception("one of %d could not be finished, it is tried again later", len(what))

    for at in range(0, len(what), CALLS_AT_ONCE):
        await asyncio.gather(*(bounded(each) for each in what[at : at + CALLS_AT_ONCE]))
    return failed
