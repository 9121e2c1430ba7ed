"""Places: where a Space lives that this server does not have, as the application says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from signaling import rules
from signaling.protocol import messages as wire
from signaling.server.answers import Answer
from signaling.server.counts import Counts
from signaling.server.session import Member, Session

__all__ = ["LOCATE_MS", "Locate", "Places"]

log = logging.getLogger(__name__)

Locate: TypeAlias = Callable[[bytes], Awaitable[str | None]]
"""The application's: a Space's id to the `host:port` of the server that has it; None where nobody has."""

LOCATE_MS = 2_000
_ADDRESS_CHARS = 255


class Places:
    """Answers who comes to a Space that is not here: `elsewhere`, or that there is no such Space.

    An application that fails, hangs or gives no address harms nobody: then there is no such Space, and it is
    counted.
    """

    def __init__(self, locate: Locate | None, counts: Counts) -> None:
        self._locate = locate
        self._counts = counts

    @property
    def knows_others(self) -> bool:
        """Whether there is anybody to ask."""
        return self._locate is not None

    async def direct(
        self, session: Session, member: Member, request: wire.Join | wire.Resume | wire.Peek
    ) -> Answer:
        """Where the Space is."""
        address = await self.address_of(request.space)
        if address is None:
            return rules.no_such_space(request.space)
        return wire.Elsewhere(request.id, address)

    async def address_of(self, space: bytes) -> str | None:
        """The address of the server that has the Space, or None."""
        if self._locate is None:
            return None
        try:
            async with asyncio.timeout(LOCATE_MS / 1_000):
                address = await self._locate(space)
        except Exception as error:  # the application's own: it may raise anything
            self._counts.locate_failures += 1
            why = str(error) or type(error).__name__
            log.warning("nobody could say where Space %s is: %s", space.hex(), why)
            return None
        if address is not None and not 0 < len(address) <= _ADDRESS_CHARS:
            self._counts.locate_failures += 1
            log.warning(
                "Space %s: an address of %d characters; 1 to 255 are right", space.hex(), len(address)
            )
            return None
        return address
