"""A store in a PostgreSQL database."""

from __future__ import annotations

import os
from typing import Any, Final

from sqlalchemy import URL, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from signaling.store.errors import StoreError

DRIVER: Final = "postgresql+asyncpg"
CONNECT_TIMEOUT_S: Final = 10
# A statement that takes longer has failed: everything else of the server waits for it.
STATEMENT_TIMEOUT_S: Final = 30
# How long another holder of the lock is waited for: the database may notice late that a server is gone.
LOCK_TIMEOUT_MS = 2_000

# An advisory lock of the database, taken by a connection and gone with it.
_LOCK_KEY: Final = int.from_bytes(b"spaces")
_TURN_KEY: Final = int.from_bytes(b"turn")
_LOCK_NOT_AVAILABLE: Final = "55P03"
_HOLDER: Final = """
SELECT activity.application_name FROM pg_locks AS held JOIN pg_stat_activity AS activity USING (pid)
WHERE held.locktype = 'advisory' AND held.granted AND activity.datname = current_database()
  AND held.classid = ($1::bigint >> 32)::oid AND held.objid = ($1::bigint & 4294967295)::oid
"""


class PostgresDatabase:
    """One connection to a database, which is this server's for as long as it holds the advisory lock.

    **A connection takes the lock before it does anything**, also the one that replaces one that was lost: so
    nobody runs Spaces from the database who does not hold it. A shared one does not take it. Of all of them,
    the owner and the shared, **one has a transaction at a time**: each begins by taking another lock, which
    ends with it.
    """

    # A transaction of one server keeps those of the others waiting: it ends as soon as it can.
    groups = False

    def __init__(self, url: URL, *, shared: bool = False) -> None:
        self._url = url
        self._shared = shared
        self._shown = url.render_as_string(hide_password=True)

    def acquire(self) -> AsyncEngine:
        """The engine; its first connection takes the lock. StoreError store_url without the driver."""
        try:
            engine = create_async_engine(
                self._url,
                poolclass=AsyncAdaptedQueuePool,
                pool_size=1,
                max_overflow=0,
                # The database may have been restarted since the last transaction.
                pool_pre_ping=True,
                connect_args={
                    "timeout": CONNECT_TIMEOUT_S,
                    "command_timeout": STATEMENT_TIMEOUT_S,
                    "server_settings": {"application_name": f"spaces with process id {os.getpid()}"},
                },
            )
        except ModuleNotFoundError as error:
            raise StoreError(
                "store_url",
                f"The store's URL is {self._shown!r}, which needs the package {error.name}; install "
                "'spacecore[postgres]', or give a URL of SQLite.",
            ) from error
        if not self._shared:
            event.listen(engine.sync_engine, "connect", self._on_connect)
        event.listen(engine.sync_engine, "begin", _take_turn)
        return engine

    async def migrated(self, engine: AsyncEngine) -> None:
        """Nothing is different from here on: the connection goes on, and so does its lock."""

    def release(self) -> None:
        """The lock went with the connection."""

    def unusable(self, reason: object) -> StoreError:
        """What is raised where the database cannot be used, or reached."""
        words = str(reason) or type(reason).__name__
        return StoreError(
            "store_unreachable",
            f"The database {self._shown} cannot be used: {words.rstrip('.')}; start it, or correct the "
            "store's URL.",
        )

    def _on_connect(self, connection: Any, record: Any) -> None:
        connection.run_async(self._lock)

    async def _lock(self, driver: Any) -> None:
        await driver.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        try:
            await driver.execute(f"SELECT pg_advisory_lock({_LOCK_KEY})")
        except Exception as error:
            if getattr(error, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            holder = await driver.fetchval(_HOLDER, _LOCK_KEY) or "another server"
            await driver.close()
            raise StoreError(
                "store_locked",
                f"The database {self._shown} is in use by {holder}, one server is the limit; stop that one, "
                "or give this one another database.",
            ) from None
        await driver.execute("RESET lock_timeout")


def _take_turn(connection: Any) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN_KEY})")
