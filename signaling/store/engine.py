"""The store's one connection: opened under a lock and migrated, shared by turns, closed without a trace."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from signaling.store.errors import StoreError
from signaling.store.lock import FileLock
from signaling.store.migrate import migrate

DRIVER = "sqlite+aiosqlite"
# How long another program's lock on the file is waited for (somebody looking into it with sqlite3).
BUSY_TIMEOUT_MS = 5_000
# One commit is on the disk in about 4 ms: whoever stands behind a thousand would wait for seconds.
IN_PROGRESS_MAX = 1_000

_MEMORY = "mode=memory&cache=shared"


class Store:
    """A database that is there as long as this object is open. For one event loop.

    url: `sqlite+aiosqlite:///path` for a file, `sqlite+aiosqlite://` in memory. Open it before use, close
    it after; then everything goes through `transaction`. **There is one connection, and transactions take
    turns in the order of asking**: SQLite has one writer anyway, and versions before 3.51.3 may lose
    data of the write-ahead log where two connections checkpoint. What a transaction wrote is on the disk
    when its block was left without an exception.
    """

    def __init__(self, url: str) -> None:
        self._url, self._path = _parse(url)
        self._engine: AsyncEngine | None = None
        self._lock: FileLock | None = None
        self._keeper: sqlite3.Connection | None = None
        self._threads: list[Thread] = []
        self._migrating = False
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._in_progress = 0
        self._refused = 0

    @property
    def in_progress(self) -> int:
        """How many operations are under way or wait for their turn, opening and closing included."""
        return self._in_progress

    @property
    def refused(self) -> int:
        """How many transactions were refused because too many were waiting."""
        return self._refused

    async def open(self) -> None:
        """Lock the file for this server, make it if it is not there, and bring it to the newest revision.

        StoreError: store_locked, store_folder, store_file, store_newer; nothing stays open then.
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
                await self._release()
        finally:
            self._in_progress -= 1

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one transaction: committed when the block is left, rolled back on an exception.

        It sees and does everything alone, so reading before writing needs no care. Keep it short and wait
        for nothing else in it; one inside another is a RuntimeError. StoreError: busy, store_closed.
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
            async with self._turn:
                if self._engine is None:
                    raise StoreError(
                        "store_closed", "The store is not open; open it, or ask before it closes."
                    )
                self._holder = task
                try:
                    async with self._engine.begin() as connection:
                        yield connection
                finally:
                    self._holder = None
        finally:
            self._in_progress -= 1

    async def _open(self) -> None:
        if self._path is None:
            # The memory lives as long as any connection to it: this one outlasts a connection that
            # SQLAlchemy gives up because a task was cancelled in the middle of a statement.
            self._keeper = sqlite3.connect(f"file:{self._url.database}?{_MEMORY}", uri=True)
            url = make_url(f"{DRIVER}:///file:{self._url.database}?{_MEMORY}&uri=true")
        else:
            self._lock = _lock_file(self._path)
            url = self._url
        self._engine = create_async_engine(url, poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
        event.listen(self._engine.sync_engine, "connect", self._on_connect)
        event.listen(self._engine.sync_engine, "begin", _on_begin)
        # A table is altered by copying and dropping it, which its foreign keys would not allow; `migrate`
        # looks that they hold again, and everything after has a connection that enforces them.
        self._migrating = True
        try:
            async with self._engine.begin() as connection:
                await migrate(connection)
        except DatabaseError as error:
            raise StoreError(
                "store_file",
                f"The database {self._path or 'in memory'} cannot be used: {error.orig}; "
                "give another file, or restore this one.",
            ) from error
        finally:
            self._migrating = False
        await self._engine.dispose()

    async def _release(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()
        for thread in self._threads:
            # Its connection is closed and it has nothing left to do; this is for it to be gone, too.
            thread.join()
        self._threads.clear()
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _on_connect(self, connection: Any, record: Any) -> None:
        driver: Any = connection.driver_connection
        thread = driver if isinstance(driver, Thread) else driver._thread
        self._threads = [*(known for known in self._threads if known.is_alive()), thread]
        # The driver would begin transactions late and never before a SELECT; `_on_begin` does it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute(f"PRAGMA foreign_keys = {'OFF' if self._migrating else 'ON'}")
        if self._path is not None:
            cursor.execute("PRAGMA journal_mode = WAL")
            (mode,) = cursor.fetchone()
            if mode != "wal":
                raise StoreError(
                    "store_file",
                    f"The database {self._path} keeps its journal as {mode!r}, only 'wal' will do; "
                    "put it on a local disk.",
                )
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()


def _on_begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _parse(url: str) -> tuple[URL, Path | None]:
    """The URL and the file it names; None for a database in memory."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.drivername != DRIVER or parsed.host or parsed.query:
        shown = "not a URL" if parsed is None else parsed.render_as_string(hide_password=True)
        raise StoreError(
            "store_url",
            f"The store's URL is {shown!r}; give {DRIVER}:///PATH for a file or {DRIVER}:// for memory.",
        )
    if parsed.database in (None, "", ":memory:"):
        return parsed.set(database=f"spacecore-{uuid4().hex}"), None
    path = Path(str(parsed.database)).expanduser().resolve()
    return parsed.set(database=str(path)), path


def _lock_file(path: Path) -> FileLock:
    """Lock the file for this server, and make it if it is not there, readable by its owner only."""
    if not path.parent.is_dir():
        raise StoreError(
            "store_folder",
            f"The folder {path.parent} of the database is not there; make it, or give another path.",
        )
    if path.is_dir():
        raise StoreError("store_file", f"The database {path} is a folder; give the path of a file in it.")
    try:
        path.touch(mode=0o600)
        return FileLock(path)
    except OSError as error:
        raise StoreError(
            "store_file", f"The database {path} cannot be written: {error.strerror}; give another path."
        ) from error
