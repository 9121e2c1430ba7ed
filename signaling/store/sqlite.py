"""A store in one file, or in memory: SQLite, the default."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from signaling.store import trips
from signaling.store.errors import StoreError
from signaling.store.lock import FileLock

DRIVER = "sqlite+aiosqlite"
# How long another program's lock on the file is waited for (somebody looking into it with sqlite3).
BUSY_TIMEOUT_MS = 5_000

_MEMORY = "mode=memory&cache=shared"


class SqliteDatabase:
    """A file under a lock of the operating system, or memory that is gone with the store.

    There is one connection: SQLite has one writer anyway, and versions before 3.51.3 may lose data of the
    write-ahead log where two connections checkpoint.
    """

    groups = True

    def __init__(self, url: URL) -> None:
        self._path: Path | None = None
        if url.database in (None, "", ":memory:"):
            self._url = url.set(database=f"spacecore-{uuid4().hex}")
        else:
            self._path = Path(str(url.database)).expanduser().resolve()
            self._url = url.set(database=str(self._path))
        self._lock: FileLock | None = None
        self._keeper: sqlite3.Connection | None = None
        self._threads: list[Thread] = []
        self._migrating = False

    def acquire(self) -> AsyncEngine:
        """Lock the file, or make the memory; the engine's connections are for migrating it at first.

        StoreError: store_locked, store_folder, store_file.
        """
        if self._path is None:
            # The memory lives as long as any connection to it: this one outlasts a connection that
            # SQLAlchemy gives up because a task was cancelled in the middle of a statement.
            self._keeper = sqlite3.connect(f"file:{self._url.database}?{_MEMORY}", uri=True)
            opened = partial(trips.connect, f"file:{self._url.database}?{_MEMORY}", uri=True)
        else:
            self._lock = _lock_file(self._path)
            opened = partial(trips.connect, str(self._path), uri=False)
        self._migrating = True
        engine = create_async_engine(
            self._url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=1,
            max_overflow=0,
            async_creator=opened,
        )
        event.listen(engine.sync_engine, "connect", self._on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        return engine

    async def migrated(self, engine: AsyncEngine) -> None:
        """From here on foreign keys are enforced, by another connection."""
        self._migrating = False
        await engine.dispose()

    def release(self) -> None:
        """Leave nothing behind: the engine is disposed of. Also after a failed `acquire`, and twice."""
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

    def unusable(self, reason: object) -> StoreError:
        """What is raised where the database is not one that can be used."""
        return StoreError(
            "store_file",
            f"The database {self._path or 'in memory'} cannot be used: {reason}; "
            "give another file, or restore this one.",
        )

    def _on_connect(self, connection: Any, record: Any) -> None:
        driver: Any = connection.driver_connection
        thread = driver if isinstance(driver, Thread) else driver._thread
        self._threads = [*(known for known in self._threads if known.is_alive()), thread]
        # The driver would begin transactions late and never before a SELECT; `_on_begin` does it instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        # A table is altered by copying and dropping it, which foreign keys would not allow; `migrate` looks
        # at its end that they hold.
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
