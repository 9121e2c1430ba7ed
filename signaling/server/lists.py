"""Lists: pages of what a Space keeps in the store, read beside its turn, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import Action, Note, Past, Person, Post, Refused, may_look_back
from signaling.server.answers import Answer, Handler, answer
from signaling.server.counts import Counts
from signaling.server.rows import note_row, post_row
from signaling.server.session import Member, Session
from signaling.server.talking import TalkBook
from signaling.store.audit import AuditEntry

__all__ = ["LISTS", "READS_AT_ONCE", "READS_WAITING", "Archive", "Lists"]

READS_AT_ONCE = 4
"""Lists that are read from the store at one time, on the whole server: acts must not wait behind them."""
READS_WAITING = 256
"""Lists that wait for their turn to be read; then `busy`."""
_BUSY_RETRY_MS = 1_000
_MS_US = 1_000


class Archive(Protocol):
    """What the store keeps of a Space: up to `limit` rows, and where to go on, 0 or "" at the end.

    The latest first, those before the number `before` if it is not 0; bans by user id, those behind `after`.
    """

    async def posts(self, space: bytes, before: int, limit: int) -> tuple[list[Post], int]: ...

    async def notes(self, space: bytes, before: int, limit: int) -> tuple[list[Note], int]: ...

    async def audit(self, space: bytes, before: int, limit: int) -> tuple[list[AuditEntry], int]: ...

    async def bans(self, space: bytes, after: str, limit: int) -> tuple[list[Person], str]: ...

    async def past(self, space: bytes) -> Past | None: ...


LISTS: Mapping[type[wire.Request], Action] = {
    wire.ListPeople: Action.PEOPLE,
    wire.ListPosts: Action.PEOPLE,
    wire.ListNotes: Action.NOTES,
    wire.ListAudit: Action.AUDIT,
    wire.ListBans: Action.BANS,
    wire.ListTalkers: Action.AUDIT,
}
"""Which permission each list needs: posts are for whoever may see the people."""


class Lists:
    """Answers each request with one page."""

    def __init__(
        self,
        archive: Archive,
        counts: Counts,
        talk_book: TalkBook | None = None,
        clock_us: Callable[[], int] = lambda: 0,
    ) -> None:
        self._archive = archive
        self._talk_book = talk_book or TalkBook()
        self._clock_us = clock_us
        self._counts = counts
        self._turns = asyncio.Semaphore(READS_AT_ONCE)
        self._waiting = 0

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Of a Space that is named; of the one somebody is in its actor has it read."""
        return {wire.ListAudit: self._look_back, wire.ListTalkers: self._look_back}

    async def answer(self, session: Session, space: bytes, request: wire.Request) -> None:
        """Read a page for somebody who may have it; answered whatever happens."""

        async def read(session: Session, member: Member, request: wire.Request) -> Answer:
            return await self.read(space, request)

        await answer(session, request, read, self._counts)

    async def read(self, space: bytes, request: Any) -> Answer:
        """One page. Refused: busy. Raises what the store raises."""
        return await self._in_turn(lambda: _READERS[type(request)](self._archive, space, request))

    async def _look_back(
        self, session: Session, member: Member, request: wire.ListAudit | wire.ListTalkers
    ) -> Answer:
        """A page for somebody who need not be in the Space, which need not be live."""
        return await self._in_turn(lambda: self._read_back(member, request, request.space or b""))

    async def _read_back(
        self, member: Member, request: wire.ListAudit | wire.ListTalkers, space: bytes
    ) -> Answer:
        past = await self._archive.past(space)
        allowed = may_look_back(member.user, space, past, is_service=member.is_service)
        if isinstance(allowed, Refused):
            return allowed
        if isinstance(request, wire.ListTalkers):
            return self._talk_book.of(space).answer(request.id, self._clock_us())
        return await _audit(self._archive, space, request)

    async def _in_turn(self, reading: Callable[[], Awaitable[Answer]]) -> Answer:
        if self._waiting >= READS_WAITING:
            self._counts.lists_refused += 1
            return Refused(
                "busy",
                f"{self._waiting} lists wait to be read and {READS_WAITING} is the limit; try again soon.",
                _BUSY_RETRY_MS,
            )
        self._waiting += 1
        try:
            async with self._turns:
                return await reading()
        finally:
            self._waiting -= 1


async def _posts(archive: Archive, space: bytes, request: wire.ListPosts) -> wire.Reply:
    found, more = await archive.posts(space, request.before, request.limit)
    rows = fit_rows([post_row(post) for post in found])
    return wire.Posts(request.id, rows, more if len(rows) == len(found) else rows[-1].post)


async def _notes(archive: Archive, space: bytes, request: wire.ListNotes) -> wire.Reply:
    found, more = await archive.notes(space, request.before, request.limit)
    rows = fit_rows([note_row(note) for note in found])
    return wire.Notes(request.id, rows, more if len(rows) == len(found) else rows[-1].note)


async def _audit(archive: Archive, space: bytes, request: wire.ListAudit) -> wire.Reply:
    found, more = await archive.audit(space, request.before, request.limit)
    rows = fit_rows(
        [
            wire.AuditRow(it.entry, it.at_us // _MS_US, it.actor, it.action, it.target, it.detail)
            for it in found
        ]
    )
    return wire.Audit(request.id, rows, more if len(rows) == len(found) else rows[-1].entry)


async def _bans(archive: Archive, space: bytes, request: wire.ListBans) -> wire.Reply:
    found, more = await archive.bans(space, request.after, request.limit)
    rows = fit_rows([wire.Person(person.user, person.name) for person in found])
    return wire.People(request.id, rows, more if len(rows) == len(found) else rows[-1].user)


_READERS: Mapping[type[wire.Request], Callable[[Archive, bytes, Any], Awaitable[wire.Reply]]] = {
    wire.ListPosts: _posts,
    wire.ListNotes: _notes,
    wire.ListAudit: _audit,
    wire.ListBans: _bans,
}
