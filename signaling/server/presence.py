"""Presence: over which connections each person is here, in a Space or not."""

from __future__ import annotations

from collections.abc import Iterable

from signaling.protocol.messages import Event
from signaling.server.session import Session

__all__ = ["Presence"]


class Presence:
    """Everybody who said hello and is still connected. The front desk tells it who comes and goes."""

    __slots__ = ("_sessions",)

    def __init__(self) -> None:
        self._sessions: dict[str, list[Session]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, user: str) -> bool:
        return user in self._sessions

    def came(self, session: Session) -> None:
        """Somebody is known over this connection."""
        if session.member is not None:
            self._sessions.setdefault(session.member.user, []).append(session)

    def gone(self, session: Session) -> None:
        """The connection is over; also of somebody who never came."""
        user = "" if session.member is None else session.member.user
        here = self._sessions.get(user, [])
        if session in here:
            here.remove(session)
            if not here:
                del self._sessions[user]

    def name_of(self, user: str) -> str | None:
        """What somebody who is here is called, else None."""
        here = self._sessions.get(user)
        return None if not here or here[-1].member is None else here[-1].member.name

    def among(self, users: Iterable[str]) -> list[str]:
        """Those of `users` who are here."""
        return [user for user in users if user in self._sessions]

    def tell(self, user: str, event: Event) -> bool:
        """Send an event over each connection of `user`. Returns whether there is one."""
        here = self._sessions.get(user, [])
        for session in tuple(here):
            session.send(event)
        return bool(here)
