"""Records: the store as Spaces and the front desk need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from signaling.rules import Action, Effect, Ended, Note, Past, Person, Post
from signaling.server.admission import Entry, read_entry
from signaling.server.announcer import Announcement, Announcer
from signaling.store import Store, accounts, audit, bans, notes, offers, posts, record, spaces
from signaling.store.audit import AuditEntry

__all__ = ["StoreRecords"]

_PAGE = 100
_RESTARTED = "server_restarted"


class StoreRecords:
    """Writes to a Store, with the wall clock's time (microseconds since the epoch).

    What an application is to be told is written in the transaction of the act, and told when that is done.
    """

    __slots__ = ("_announcer", "_store", "_wall_us")

    def __init__(self, store: Store, wall_us: Callable[[], int], announcer: Announcer) -> None:
        self._store = store
        self._wall_us = wall_us
        self._announcer = announcer

    async def write(self, space: bytes, effects: Sequence[Effect]) -> None:
        """Write the durable ones of these effects in one transaction.

        Raises StoreError and the database's errors; then nothing was written.
        """
        announcement = self._announcer.of(space, effects)
        async with self._store.transaction() as connection:
            await record(connection, space, effects, self._wall_us())
            await announcement.write(connection)
        announcement.told()

    async def banned(self, space: bytes) -> frozenset[str]:
        """Who may not come back to this Space. Raises as `write`."""
        async with self._store.transaction() as connection:
            return await bans.banned(connection, space)

    async def post(self, space: bytes, number: int) -> Post | None:
        """A post of this Space, if it is there."""
        async with self._store.transaction() as connection:
            return await posts.get(connection, space, number)

    async def is_ticketed(self, space: bytes) -> bool:
        """Whether this Space has terms of sale. Raises as `write`."""
        async with self._store.transaction() as connection:
            on_sale = await offers.get(connection, space)
        return on_sale is not None and on_sale.terms is not None

    async def entry(self, space: bytes, user: str) -> Entry | None:
        """What the doors of a ticketed Space ask of somebody. Raises as `write`."""
        async with self._store.transaction() as connection:
            return await read_entry(connection, space, user)

    async def register(self, user: str, name: str) -> None:
        """Make an account. Raises as `write`."""
        async with self._store.transaction() as connection:
            await accounts.ensure(connection, user, name, self._wall_us())

    # Lists

    async def posts(self, space: bytes, before: int, limit: int) -> tuple[list[Post], int]:
        """The latest posts first, those before a number, and where to go on."""
        async with self._store.transaction() as connection:
            return await posts.page(connection, space, before, limit)

    async def notes(self, space: bytes, before: int, limit: int) -> tuple[list[Note], int]:
        """The latest notes first."""
        async with self._store.transaction() as connection:
            return await notes.page(connection, space, before, limit)

    async def audit(self, space: bytes, before: int, limit: int) -> tuple[list[AuditEntry], int]:
        """The latest entries first."""
        async with self._store.transaction() as connection:
            return await audit.page(connection, space, before, limit)

    async def bans(self, space: bytes, after: str, limit: int) -> tuple[list[Person], str]:
        """Who may not come back, by user id."""
        async with self._store.transaction() as connection:
            return await bans.page(connection, space, after, limit)

    async def past(self, space: bytes) -> Past | None:
        """Who had the Space with this id, whatever its state; None where there never was one."""
        async with self._store.transaction() as connection:
            stored = await spaces.get(connection, space)
            if stored is None:
                return None
            return Past(stored.host, stored.founder, await audit.targets(connection, space, Action.HAND_OVER))

    # A new start

    async def end_leftovers(self) -> int:
        """End the Spaces that a crash left live; returns how many."""
        announcements: list[Announcement] = []
        async with self._store.transaction() as connection:
            after = None
            while self._announcer.is_heard:
                found, after = await spaces.list_live(connection, limit=_PAGE, after=after)
                announcements += [self._announcer.of(row.space, [Ended(_RESTARTED)]) for row in found]
                if after is None:
                    break
            for announcement in announcements:
                await announcement.write(connection)
            ended = await spaces.end_all_live(connection, self._wall_us(), _RESTARTED)
        for announcement in announcements:
            announcement.told()
        return ended
