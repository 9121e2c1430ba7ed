"""SellingOnly: what a server that shares its database says to all that belongs to running Spaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.server.answers import Answer, Handler, Part
from signaling.server.session import Member, Session

__all__ = ["SellingOnly"]


class SellingOnly:
    """Refuses the requests of these parts, but for those that are `kept`: the owner of the database runs
    the Spaces, and has people's graph and their happenings in its memory."""

    def __init__(self, parts: Iterable[Part], *, kept: Iterable[type[wire.Request]] = ()) -> None:
        handlers = {kind: handler for part in parts for kind, handler in part.handlers.items()}
        answered = set(kept)
        self._handlers: Mapping[type[wire.Request], Handler] = {
            kind: handler if kind in answered else _refuse for kind, handler in handlers.items()
        }

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """All requests of those parts."""
        return self._handlers


async def _refuse(session: Session, me: Member, request: wire.Request) -> Answer:
    return Refused(
        "not_permitted",
        f"This server sells tickets and runs 0 Spaces, so it takes no {type(request).__name__}; ask the "
        "server that owns the database.",
    )
