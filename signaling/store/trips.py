"""aiosqlite with one trip to the database's thread for each statement, where its own cursors make four."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import aiosqlite

__all__ = ["connect"]

_CHUNK = 64

# What sqlite3 tells of the columns of a result.
_Description = tuple[tuple[str, None, None, None, None, None, None], ...]


class TripCursor(aiosqlite.Cursor):
    """Makes a cursor, executes, fetches all and closes in one go, on the thread: the rows wait here.

    For SQLAlchemy, which fetches all rows of a result at once anyway.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._conn = connection
        self._rows: list[Any] = []
        self._description: Any = None
        self._rowcount = -1
        self._lastrowid: int | None = None

    async def execute(self, sql: str, parameters: Iterable[Any] | None = None) -> TripCursor:
        await self._trip("execute", sql, () if parameters is None else parameters)
        return self

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> TripCursor:
        await self._trip("executemany", sql, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """It was closed on the thread already."""

    async def __aenter__(self) -> TripCursor:
        return self

    @property
    def rowcount(self) -> int:
        return self._rowcount

    @property
    def lastrowid(self) -> int | None:
        return self._lastrowid

    @property
    def description(self) -> _Description:
        described: _Description = self._description
        return described

    async def _trip(self, verb: str, sql: str, parameters: Any) -> None:
        await self._conn._execute(self._go, verb, sql, parameters)  # type: ignore[no-untyped-call]

    def _go(self, verb: str, sql: str, parameters: Any) -> None:
        cursor = self._conn._conn.cursor()
        try:
            getattr(cursor, verb)(sql, parameters)
            self._rows = [] if cursor.description is None else cursor.fetchall()
            # A statement with RETURNING has changed its rows once they are fetched.
            self._rowcount, self._lastrowid = cursor.rowcount, cursor.lastrowid
            self._description = cursor.description
        finally:
            cursor.close()


class TripConnection(aiosqlite.Connection):
    """A connection whose cursors make one trip each."""

    def cursor(self) -> TripCursor:  # type: ignore[override]  # nothing has to be waited for
        return TripCursor(self)


async def connect(database: str, *, uri: bool) -> TripConnection:
    """Open a connection in a thread of its own, which does not keep the process from ending."""
    connector: Callable[[], sqlite3.Connection] = partial(sqlite3.connect, database, uri=uri)
    connection = TripConnection(connector, _CHUNK)
    connection._thread.daemon = True
    await connection
    return connection
