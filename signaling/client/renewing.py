"""Renewing: a token that expires is replaced by a fresh one while it is still good."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from signaling.client.connection import Connection
from signaling.client.errors import ConnectionClosed
from signaling.client.stats import ClientStats
from signaling.client.trust import Credentials

__all__ = ["renew_in_time"]

log = logging.getLogger(__name__)

_TOKEN_TIMEOUT_S: Final = 10.0


async def renew_in_time(
    connection: Connection,
    in_ms: int,
    credentials: Credentials,
    renew: Callable[[str], Awaitable[None]],
    stats: ClientStats,
) -> None:
    """Get a fresh token and show it; on failure again after 1, 2, 4 … s while the old one is good."""
    deadline_us = connection.clock() + in_ms * 1000
    pause_s = 1.0
    while not connection.is_over:
        try:
            async with asyncio.timeout(_TOKEN_TIMEOUT_S):
                token = await credentials.token()
            if token != credentials.shown:
                await renew(token)
                return
            # A file that nobody has replaced yet: to show it again would gain nothing.
            stats.renewal_failures += 1
            log.warning("the token could not be renewed: its source still gives the one that expires")
        except ConnectionClosed:
            return
        except Exception as error:  # the callback is the program's own: it may raise anything
            stats.renewal_failures += 1
            log.warning("the token could not be renewed: %s", str(error) or type(error).__name__)
        if connection.clock() + pause_s * 1_000_000 >= deadline_us:
            return
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 10.0)
