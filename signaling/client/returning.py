"""Returning: how a lost connection is made anew, with pauses that grow and differ from client to client."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from signaling.client.connection import Clock
from signaling.client.errors import ConnectError, ConnectionClosed, RequestRefused, SpacesError, TimedOut
from signaling.protocol import Retry

__all__ = ["FIRST_PAUSE_S", "LONGEST_PAUSE_S", "come_back", "is_worth_returning", "pauses"]

log = logging.getLogger(__name__)

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
# What another try cannot change: the server is another one, or not one of ours.
_FINAL: Final = frozenset(
    {
        *("bad_address", "bad_trust", "pin_mismatch", "pin_malformed", "protocol_mismatch"),
        *("version_mismatch", "certificate_not_trusted", "certificate_expired"),
    }
)


def is_worth_returning(loss: ConnectionClosed, *, has_fresh_token: bool) -> bool:
    """Whether a connection that was lost like this may be made anew without asking anybody.

    Not where the server said so: one was removed, replaced by another connection of one's own, or broke the
    protocol. Where it wants another token, only if there is one.
    """
    return loss.retry is Retry.later or (loss.retry is Retry.token and has_fresh_token)


def pauses(dice: random.Random, at_least_ms: int = 0) -> Iterator[float]:
    """Seconds before each attempt, by seeded chance: 0 to 1, then 1 to 2, 2 to 4, … 15 to 30.

    So all clients of a server that stopped come back spread out (docs/protocol.md, "Coming back"). The first
    comes not before `at_least_ms`.
    """
    yield at_least_ms / 1000 + FIRST_PAUSE_S * dice.random()
    longest_s = FIRST_PAUSE_S
    while True:
        longest_s = min(longest_s * 2, LONGEST_PAUSE_S)
        yield longest_s * (1 + dice.random()) / 2


async def come_back(
    attempt: Callable[[], Awaitable[object]],
    loss: ConnectionClosed,
    *,
    patience_ms: int,
    clock: Clock,
    dice: random.Random,
) -> None:
    """Try until it succeeds. Raises ConnectionClosed, with the code of the loss, when it is given up.

    That is after `patience_ms`, or at once where another attempt would end the same.
    """
    deadline_us = clock() + patience_ms * 1000
    why = ""
    for pause_s in pauses(dice, loss.reconnect_after_ms):
        left_s = (deadline_us - clock()) / 1_000_000
        if pause_s >= left_s:
            why = f"no way back within {patience_ms / 1000:g} s" + (f", at last: {why}" if why else "")
            break
        await asyncio.sleep(pause_s)
        try:
            async with asyncio.timeout(left_s - pause_s):
                await attempt()
        except TimeoutError:
            why = "no answer"
        except SpacesError as error:
            why = error.message
            if not _may_differ(error):
                break
        except Exception as error:  # out of the program's own source of tokens
            why = f"{type(error).__name__}: {error}"
        else:
            return
        log.info("not yet reconnected: %s", why)
    raise loss.anew(why)


def _may_differ(error: SpacesError) -> bool:
    """Whether another attempt may succeed where this one failed."""
    match error:
        case ConnectError():
            return error.code not in _FINAL
        case RequestRefused() | ConnectionClosed():
            return error.retry is Retry.later
        case _:
            return isinstance(error, TimedOut)
