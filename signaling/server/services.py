"""Services: what an application's backend may ask for that no person may, and what it may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.server.answers import Answer, Handler
from signaling.server.hosting import Hosting
from signaling.server.opening import Openings
from signaling.server.session import Member, Session
from signaling.store import Store, accounts

__all__ = ["FOR_PEOPLE", "Services", "refused_to"]

FOR_PEOPLE: Final[frozenset[type[wire.Request]]] = frozenset(
    {
        *(wire.Open, wire.Schedule, wire.Reschedule, wire.Cancel, wire.Start, wire.Remind, wire.Timeline),
        *(wire.Follow, wire.Unfollow, wire.Block, wire.Unblock, wire.SetProfile),
    }
)
"""Requests beyond a Space that make no sense for who is no person. Within one the rules know a service."""


def refused_to(member: Member | None, request: wire.Request) -> Refused | None:
    """Why this request is nothing for a service, or None."""
    if member is None or not member.is_service or type(request) not in FOR_PEOPLE:
        return None
    act = type(request).__name__.lower()
    return Refused(
        "not_permitted",
        f"To {act} is for people, and you are a service; create a Space for a host, or oversee one.",
    )


class Services:
    """Answers Create. Oversee goes to the Space's actor, and from then on the ordinary requests do."""

    def __init__(self, openings: Openings, hosting: Hosting, store: Store) -> None:
        self._openings = openings
        self._hosting = hosting
        self._store = store

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Create."""
        return {wire.Create: self._create}

    async def _create(self, session: Session, member: Member, request: wire.Create) -> Answer:
        """Open a Space whose host is not here yet; it waits for them as after a lost connection."""
        if not member.is_service:
            return Refused(
                "not_permitted", "To create is for services only, and you are a person; open a Space instead."
            )
        if request.host == member.user:
            return Refused(
                "bad_value", f"The host is to be {request.host!r}, a service, who cannot come; name a person."
            )
        refused = await self._hosting.refused(request.host, request.kind)
        if refused is not None:
            return refused
        settings = self._openings.settings(request.title, request.topics, request.kind, request.who_may_speak)
        if isinstance(settings, Refused):
            return settings
        async with self._store.transaction() as connection:
            names = await accounts.names(connection, [request.host])
        host = Member(request.host, names.get(request.host, ""), 0)
        actor = await self._openings.open(None, host, settings, by=member.user)
        return actor if isinstance(actor, Refused) else wire.Created(request.id, actor.space)
