"""The store's one connection: opened under a lock and migrated, shared by turns, closed without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from signaling.store import groups, postgres, sqlite
from signaling.store.errors import StoreError
from signaling.store.groups import Group
from signaling.store.migrate import migrate
from signaling.store.whole import ended

# One commit is on the disk in about 4 ms: whoever stands behind a thousand would wait for seconds.
IN_PROGRESS_MAX = 1_000


class Database(Protocol):
    """What a Store needs of a kind of database: an engine of one connection, under a lock.

    `groups`: whether transactions that wait share a commit.
    """

    groups: bool

    def acquire(self) -> AsyncEngine: ...

    async def migrated(self, engine: AsyncEngine) -> None: ...

    def release(self) -> None: ...

    def unusable(self, reason: object) -> StoreError: ...


class Store:
    """A database that is there as long as this object is open. For one event loop.

    url: `sqlite+aiosqlite:///path` for a file, `sqlite+aiosqlite://` in memory,
    `postgresql+asyncpg://user:password@host/database`. Open it before use, close it after; then everything
    goes through `transaction`. **There is one connection, and transactions take turns in the order of
    asking** (docs/decisions/0008). What a transaction wrote is on the disk when its block was left without an
    exception; those that wait at the same time share the way there (docs/decisions/0010).

    shared: of PostgreSQL only, for who sells tickets and runs no Spaces. Any number of such stores, beside
    one that is not shared, take turns at the database (docs/decisions/0011).
    """

    def __init__(self, url: str, *, shared: bool = False) -> None:
        self._database = _database(url, shared)
        self._group: Group | None = None
        self._waiting = 0
        self._engine: AsyncEngine | None = None
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._in_progress = 0
        self._refused = 0

    @property
    def is_for_many(self) -> bool:
        """Whether other servers may be at the same database."""
        return not self._database.groups

    @property
    def in_progress(self) -> int:
        """How many operations are under way or wait for their turn, opening and closing included."""
        return self._in_progress

    @property
    def refused(self) -> int:
        """How many transactions were refused because too many were waiting."""
        return self._refused

    async def open(self) -> None:
        """Lock it for this server, make the file if it is not there, and bring it to the newest revision.

        StoreError: store_locked, store_folder, store_file, store_newer, store_unreachable; nothing stays open
        then.
        """
        if self._engine is not None:
            raise RuntimeError("this store is open already; open it once")
        self._in_progress += 1
        try:
            await self._open()
        except BaseException:
            await self._release()
            raise
        finally:
            self._in_progress -= 1

    async def close(self) -> None:
        """Wait for the transactions asked for so far, then close and unlock. Later ones are refused.

        Closing what is not open does nothing.
        """
        self._in_progress += 1
        try:
            async with self._turn:
                if self._group is not None:
                    await ended(self._settle())
                await self._release()
        finally:
            self._in_progress -= 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one transaction: committed when the block is left, rolled back on an exception.

        It sees and does everything alone, so reading before writing needs no care. Keep it short and wait
        for nothing else in it; one inside another is a RuntimeError. Act on what it found only when the block
        was left: an error of the commit is raised there. StoreError: busy, store_closed.
        """
        if self._in_progress >= IN_PROGRESS_MAX:
            self._refused += 1
            raise StoreError(
                "busy",
                f"{self._in_progress} operations of the store are under way, {IN_PROGRESS_MAX} is the limit; "
                "try again in a second.",
            )
        task = asyncio.current_task()
        if task is not None and self._holder is task:
            raise RuntimeError(
                "a transaction inside a transaction would wait for itself; pass the connection on"
            )
        self._in_progress += 1
        try:
            await self._take_turn()
            try:
                group = await self._group_with_room()
                is_first = group.members == 0
                self._holder = task
                try:
                    async with group.member() as connection:
                        yield connection
                except BaseException:
                    if is_first:
                        self._group = None
                        await group.abandon()
                    raise
                finally:
                    self._holder = None
                if not self._waiting or not group.takes_another(self._group_max):
                    await ended(self._settle())
            finally:
                self._turn.release()
            if not group.settled.is_set():
                # Those who wait already come before, and the commit after them.
                await ended(self._settle_in_turn(group) if is_first else group.settled.wait())
            if group.error is not None:
                raise group.error
        finally:
            self._in_progress -= 1

    @property
    def _group_max(self) -> int:
        return groups.GROUP_MAX if self._database.groups else 1

    async def _take_turn(self) -> None:
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1

    async def _group_with_room(self) -> Group:
        """The group that is open, or a new one where it takes nobody any more."""
        if self._engine is None:
            raise StoreError("store_closed", "The store is not open; open it, or ask before it closes.")
        if self._group is not None and not self._group.takes_another(self._group_max):
            await ended(self._settle())
        if self._group is None:
            group = Group(self._engine)
            await group.begin()
            self._group = group
        return self._group

    async def _settle(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            await group.settle()

    async def _settle_in_turn(self, group: Group) -> None:
        async with self._turn:
            if self._group is group:
                await self._settle()

    async def _open(self) -> None:
        self._engine = self._database.acquire()
        try:
            async with self._engine.begin() as connection:
                await migrate(connection)
        except DBAPIError as error:
            raise self._database.unusable(error.orig) from error
        except OSError as error:
            raise self._database.unusable(error) from error
        await self._database.migrated(self._engine)

    async def _release(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()
        self._database.release()


def _database(url: str, shared: bool) -> Database:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None:
        if parsed.drivername == sqlite.DRIVER and not parsed.host and not parsed.query:
            if shared:
                raise StoreError(
                    "store_url",
                    f"The store's URL is {str(parsed)!r}, a database of SQLite, which is for 1 server; share "
                    "one of PostgreSQL.",
                )
            return sqlite.SqliteDatabase(parsed)
        if parsed.drivername == postgres.DRIVER and parsed.database:
            return postgres.PostgresDatabase(parsed, shared=shared)
    shown = "not a URL" if parsed is None else parsed.render_as_string(hide_password=True)
    raise StoreError(
        "store_url",
        f"The store's URL is {shown!r}; give {sqlite.DRIVER}:///PATH for a file, {sqlite.DRIVER}:// for "
        f"memory, or {postgres.DRIVER}://USER:PASSWORD@HOST/DATABASE.",
    )
