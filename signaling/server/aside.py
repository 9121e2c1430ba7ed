"""Asides: requests of one session that are answered whenever that is ready, while those after them go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from signaling.protocol import ErrorCode
from signaling.protocol.messages import FromServer
from signaling.server.counts import Counts

if TYPE_CHECKING:
    from signaling.server.session import Session

__all__ = ["Aside", "Asides", "Asker"]


class Asker(Protocol):
    """Who waits for the answer to one request: the session, or what it set aside."""

    def reply(self, message: FromServer) -> None: ...

    def refuse(self, code: ErrorCode, message: str, retry_after_ms: int = 0) -> None: ...


class Aside:
    """One such request. What answers it after the first time, or once the connection is over, is nothing."""

    __slots__ = ("_asides", "_request_id", "_session")

    def __init__(self, session: Session, asides: set[Aside], request_id: int) -> None:
        self._session = session
        self._asides = asides
        self._request_id = request_id

    def reply(self, message: FromServer) -> None:
        """Answer it."""
        if self in self._asides:
            self._asides.discard(self)
            self._session.send(message)

    def refuse(self, code: ErrorCode, message: str, retry_after_ms: int = 0) -> None:
        """Answer it with an error."""
        if self in self._asides:
            self._asides.discard(self)
            self._session.send_error(self._request_id, code, message, retry_after_ms)


class Asides:
    """At most `most` of them at a time."""

    __slots__ = ("_counts", "_most", "_open")

    def __init__(self, most: int, counts: Counts) -> None:
        self._most = most
        self._counts = counts
        self._open: set[Aside] = set()

    def add(self, session: Session, request_id: int) -> Aside | None:
        """One more; None where there are as many as may be."""
        if len(self._open) >= self._most:
            return None
        aside = Aside(session, self._open, request_id)
        self._open.add(aside)
        self._counts.requests_aside += 1
        return aside

    def clear(self) -> None:
        """The connection is over: nobody waits for an answer."""
        self._open.clear()
