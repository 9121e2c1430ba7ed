"""Whereabouts: over which connection each person is inside a Space of this server."""

from __future__ import annotations

from signaling.protocol import CloseCode
from signaling.server.counts import Counts
from signaling.server.session import Session

__all__ = ["Whereabouts"]


class Whereabouts:
    """**One person is in one Space over one connection: the newest.** Halls tell it who comes and goes.

    The connection that is replaced is closed, and the Space it was in loses that person as by a lost
    connection: their place there is kept for as long.
    """

    __slots__ = ("_at", "_counts")

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._at: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._at)

    def get(self, user: str) -> Session | None:
        """The connection over which `user` is inside some Space, or None."""
        return self._at.get(user)

    def entered(self, user: str, session: Session) -> None:
        """`user` is inside over `session` from now on, and over no other one."""
        before = self._at.get(user)
        self._at[user] = session
        if before is None or before is session:
            return
        self._counts.replaced += 1
        place, before.place = before.place, None
        if place is not None and place.actor is not (session.place and session.place.actor):
            place.actor.lost(before)
        before.close(CloseCode.replaced, "you are in a Space over a newer connection")

    def left(self, user: str, session: Session) -> None:
        """`user` is inside over `session` no more."""
        if self._at.get(user) is session:
            del self._at[user]
