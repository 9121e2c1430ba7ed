"""The store's files: locks, migrations, and what survives a crash."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from signaling.store import Store, StoreError, accounts, migrate
from signaling.store.tables import METADATA
from tests.signaling.store_stories import MEMORY, names, refused_open, url_of, within

ROOT = Path(__file__).parents[2]


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "a folder, with % and ü" / "spaces.db"
    path.parent.mkdir()

    async def write(store: Store) -> None:
        async with store.transaction() as connection:
            assert await accounts.ensure(connection, "ann", "Ann", 5)

    async def read(store: Store) -> None:
        async with store.transaction() as connection:
            assert await accounts.get(connection, "ann") == accounts.Account("ann", "Ann", 5)

    within(url_of(path), write)
    within(url_of(path), read)


def test_memory_is_forgotten_and_not_shared() -> None:
    async def story(store: Store) -> None:
        other = Store(MEMORY)
        await other.open()
        async with store.transaction() as connection:
            await accounts.ensure(connection, "ann", "Ann", 5)
        assert (await names(store), await names(other)) == (["ann"], [])
        await other.close()
        await other.open()
        assert await names(other) == []
        await other.close()

    within(MEMORY, story)


def test_the_crash_safe_settings_hold(tmp_path: Path) -> None:
    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            values = {
                name: (await connection.execute(sa.text(f"PRAGMA {name}"))).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}

    within(url_of(tmp_path / "spaces.db"), story)


def test_a_disk_without_wal_is_refused(tmp_path: Path) -> None:
    class Cursor:
        def execute(self, statement: str) -> None:
            pass

        def fetchone(self) -> tuple[str]:
            return ("delete",)

    class Connection:
        driver_connection = threading.Thread()
        isolation_level: str | None = ""

        def cursor(self) -> Cursor:
            return Cursor()

    with pytest.raises(StoreError, match="'delete', only 'wal' will do"):
        Store(url_of(tmp_path / "spaces.db"))._on_connect(Connection(), None)


def test_files_are_their_owners(tmp_path: Path) -> None:
    def look() -> dict[str, int]:
        return {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}

    async def story(store: Store) -> None:
        await names(store)
        found = look()
        assert set(found) >= {"spaces.db", "spaces.db.lock", "spaces.db-wal"}
        assert set(found.values()) == {0o600}

    within(url_of(tmp_path / "spaces.db"), story)
    assert {file.name for file in tmp_path.iterdir()} == {"spaces.db", "spaces.db.lock"}


def test_opening_migrates_once_and_sets_up_no_logging(tmp_path: Path) -> None:
    path = tmp_path / "spaces.db"
    handlers = {name: list(logging.getLogger(name).handlers) for name in ("", "alembic", "sqlalchemy")}

    async def nothing(store: Store) -> None:
        pass

    def picture() -> tuple[Any, Any]:
        with closing(sqlite3.connect(path)) as connection:
            tables = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
            return tables, connection.execute("SELECT version_num FROM alembic_version").fetchall()

    within(url_of(path), nothing)
    first = picture()
    within(url_of(path), nothing)
    assert picture() == first
    assert first[1] == [(migrate.newest_revision(),)]
    assert {name: list(logging.getLogger(name).handlers) for name in handlers} == handlers
    assert not logging.getLogger("signaling").disabled


def _described(connection: sa.Connection) -> dict[str, Any]:
    looked = sa.inspect(connection)
    indexes = sa.text(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table AND sql <> ''"
    )
    described: dict[str, Any] = {}
    for table in looked.get_table_names():
        if table == "alembic_version":
            continue
        described[table] = {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"]) for one in looked.get_columns(table)
            ],
            "pk": looked.get_pk_constraint(table),
            "fk": sorted(looked.get_foreign_keys(table), key=str),
            "uq": sorted(looked.get_unique_constraints(table), key=str),
            "ck": sorted(looked.get_check_constraints(table), key=str),
            "ix": sorted(connection.execute(indexes, {"table": table}).scalars()),
        }
    return described


def test_the_migrations_lead_to_the_tables() -> None:
    fresh = sa.create_engine("sqlite://")
    with fresh.begin() as connection:
        METADATA.create_all(connection)
        wanted = _described(connection)
    fresh.dispose()

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            assert await connection.run_sync(_described) == wanted

    assert set(wanted) == set(METADATA.tables)
    assert all(table["pk"]["name"] for table in wanted.values())
    within(MEMORY, story)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spaces.db"

    async def nothing(store: Store) -> None:
        pass

    within(url_of(path), nothing)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    error = refused_open(url_of(path))
    assert error.code == "store_newer"
    assert "'9999'" in error.message or "9999" in error.message


def test_a_migration_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spaces.db"
    from alembic import op

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError("the disk is full")

    async def attempt() -> None:
        store = Store(url_of(path))
        with pytest.raises(OSError, match="disk is full"):
            await store.open()

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fails)
        asyncio.run(attempt())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []

    async def works(store: Store) -> None:
        assert await names(store) == []

    within(url_of(path), works)


def test_stores_that_open_at_once_do_not_mix_their_migrations(tmp_path: Path) -> None:
    async def story() -> None:
        stores = [Store(MEMORY), Store(url_of(tmp_path / "a.db")), Store(url_of(tmp_path / "b.db"))]
        await asyncio.gather(*(store.open() for store in stores))
        for store in stores:
            assert await names(store) == []
            await store.close()

    asyncio.run(story())


def test_a_file_is_for_one_store(tmp_path: Path) -> None:
    path = tmp_path / "spaces.db"
    (tmp_path / "link.db").symlink_to(path)

    async def story(store: Store) -> None:
        for other in (path, tmp_path / "link.db"):
            second = Store(url_of(other))
            with pytest.raises(StoreError, match="in use by the server with process id") as caught:
                await second.open()
            assert caught.value.code == "store_locked"
            await second.close()
        assert await names(store) == []

    within(url_of(path), story)
    within(url_of(path), story)


WRITER = """
import asyncio, sys
from signaling.store import Store, accounts

async def main():
    store = Store(sys.argv[1])
    await store.open()
    number = 0
    while True:
        async with store.transaction() as connection:
            await accounts.ensure(connection, f"u{number}", "x", 0)
            await accounts.ensure(connection, f"v{number}", "x", 0)
        print(number, flush=True)
        number += 1

asyncio.run(main())
"""


def test_a_killed_server_loses_nothing_acknowledged_and_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "spaces.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, url_of(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    with writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        assert refused_open(url_of(path)).code == "store_locked", "held by another process"
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL

    async def story(store: Store) -> None:
        kept = set(await names(store))
        assert kept >= {f"{letter}{number}" for number in acknowledged for letter in "uv"}
        assert {name[1:] for name in kept if name[0] == "u"} == {name[1:] for name in kept if name[0] == "v"}

    within(url_of(path), story)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite:///x.db",
        "postgresql+asyncpg://u:secret@h/db",
        "sqlite+aiosqlite://host/x.db",
        "sqlite+aiosqlite:///x.db?mode=ro",
    ],
)
def test_urls_that_are_no_store(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert caught.value.code == "store_url"
    assert "secret" not in caught.value.message


def test_files_that_are_no_store(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_bytes(b"this is no database, " * 400)
    (tmp_path / "folder.db").mkdir()
    error = refused_open(url_of(tmp_path / "nowhere" / "spaces.db"))
    assert (error.code, "nowhere" in error.message) == ("store_folder", True)
    error = refused_open(url_of(tmp_path / "folder.db"))
    assert (error.code, "is a folder" in error.message) == ("store_file", True)
    error = refused_open(url_of(tmp_path / "text.db"))
    assert (error.code, "not a database" in error.message) == ("store_file", True)
    (tmp_path / "locked.db.lock").mkdir()
    assert refused_open(url_of(tmp_path / "locked.db")).code == "store_file"
