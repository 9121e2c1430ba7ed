"""Brings a database to the newest revision, inside one transaction of the store's own connection."""

from __future__ import annotations

import asyncio
from functools import cache
from weakref import WeakKeyDictionary

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.errors import StoreError
from signaling.store.tables_ledger import ALL_TABLES

# Alembic keeps the migration under way in globals of the process, and run_sync lets others run between
# two statements: two stores that open at once would migrate each other's database.
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def newest_revision() -> str:
    """The revision that this version of the program works with."""
    return str(_script().get_current_head())


async def migrate(connection: AsyncConnection) -> None:
    """Upgrade the database of `connection`, whose transaction is open, to `newest_revision()`.

    All or nothing: a crash on the way leaves the database as it was. StoreError store_newer where a newer
    version of the program made it.
    """
    async with _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock()):
        await connection.run_sync(_bring_up)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the migrations up to `revision`, one after the other from where the database is."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    if connection.dialect.name == "sqlite":
        _check_foreign_keys(connection)


def _bring_up(connection: Connection) -> None:
    script = _script()
    context = MigrationContext.configure(connection)
    found = context.get_current_revision()
    if found == script.get_current_head():
        return
    if found is None:
        # An empty database: the tables at once, which are what the migrations lead to (a test says so).
        ALL_TABLES.create_all(connection, checkfirst=False)
        context.stamp(script, "head")
        return
    known = {revision.revision for revision in script.walk_revisions()}
    if found not in known:
        raise StoreError(
            "store_newer",
            f"The database has revision {found} and this version knows up to {script.get_current_head()}; "
            "run the version that wrote it, or a newer one.",
        )
    upgrade(connection)


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise StoreError(
            "store_file",
            f"The database has a row in {broken[0]} that refers to a row of {broken[2]} that is not there, "
            "and every row must; restore a copy that is whole.",
        )


@cache
def _script() -> ScriptDirectory:
    """The migrations, read once a process: most of what it takes to open a store that is up to date."""
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    # By package, not by path: found wherever it is installed, whatever characters the path has.
    config.set_main_option("script_location", "signaling.store:migrations")
    return config
