"""A look into a store beside the server that has it: one state of it, and nothing is ever written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from signaling.store import postgres, sqlite
from signaling.store.errors import StoreError
from signaling.store.migrate import newest_revision


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection to read by, whether a server runs or not; it takes no lock that a server would wait for.

    All of its statements see the database as it was at the first of them. On SQLite it has the file open for
    reading only, so that it never moves what is in the write-ahead log: that is for the one who writes.

    StoreError: store_url (also for memory, into which nobody else can look), store_file, store_unreachable,
    store_newer where another version of the program wrote it.
    """
    engine = _engine(url)
    shown = make_url(url).render_as_string(hide_password=True)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.dispose)
        try:
            connection = await stack.enter_async_context(engine.connect())
            await _check(connection, shown)
        except (DBAPIError, OSError) as error:
            reason = getattr(error, "orig", None) or error
            raise StoreError(
                "store_unreachable",
                f"The database {shown} cannot be read: {reason}; correct the store's URL.",
            ) from error
        yield connection


def _engine(url: str) -> AsyncEngine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is not None and parsed.drivername == postgres.DRIVER and parsed.database:
        engine = create_async_engine(parsed, poolclass=NullPool, isolation_level="REPEATABLE READ")
        event.listen(engine.sync_engine, "begin", _begin_postgres)
        return engine
    if (
        parsed is not None
        and parsed.drivername == sqlite.DRIVER
        and parsed.database not in (None, "", ":memory:")
    ):
        return _file(parsed)
    raise StoreError(
        "store_url",
        f"The store's URL is {url[:9]!r}…, which nobody beside its server can read; give "
        f"{sqlite.DRIVER}:///PATH or {postgres.DRIVER}://USER:PASSWORD@HOST/DATABASE.",
    )


def _file(url: URL) -> AsyncEngine:
    path = Path(str(url.database)).expanduser().resolve()
    if not path.is_file():
        raise StoreError(
            "store_file", f"The database {path} is not there; give the data directory of a server."
        )
    read_only = f"{sqlite.DRIVER}:///file:{quote(str(path))}?mode=ro&uri=true"
    engine = create_async_engine(read_only, poolclass=NullPool)
    event.listen(engine.sync_engine, "connect", _on_connect_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def _on_connect_sqlite(connection: Any, record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {sqlite.BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def _begin_sqlite(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_postgres(connection: Any) -> None:
    connection.exec_driver_sql("SET TRANSACTION READ ONLY")


async def _check(connection: AsyncConnection, shown: str) -> None:
    found = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    if found != newest_revision():
        raise StoreError(
            "store_newer",
            f"The database {shown} has revision {found} and this version reads {newest_revision()}; "
            "start the server once, or use the version that wrote it.",
        )
