"""The store's databases: settings, locks, and what is no database for it."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from signaling.store import Store, StoreError, accounts, postgres
from signaling.store.sqlite import SqliteDatabase
from tests.signaling.store_stories import MEMORY, names, refused_open, url_of, within


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
        SqliteDatabase(sa.make_url(url_of(tmp_path / "spaces.db")))._on_connect(Connection(), None)


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


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite:///x.db",
        "postgresql://u:secret@h/db",
        "postgresql+asyncpg://u:secret@h",
        "sqlite+aiosqlite://host/x.db",
        "sqlite+aiosqlite:///x.db?mode=ro",
    ],
)
def test_urls_that_are_no_store(url: str) -> None:
    with pytest.raises(StoreError) as caught:
        Store(url)
    assert caught.value.code == "store_url"
    assert "secret" not in caught.value.message


def test_a_database_that_cannot_be_reached() -> None:
    error = refused_open("postgresql+asyncpg://ann:secret@127.0.0.1:1/spaces")
    assert error.code == "store_unreachable"
    assert "ann:***@127.0.0.1:1/spaces" in error.message
    assert "secret" not in error.message


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    error = refused_open("postgresql+asyncpg://ann:secret@127.0.0.1:1/spaces")
    assert error.code == "store_url"
    assert "install 'spacecore[postgres]'" in error.message


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "spaces.db")

    async def story(store: Store) -> None:
        second = Store(url_of(tmp_path / "link.db"))
        with pytest.raises(StoreError, match="in use by the server with process id"):
            await second.open()
        await second.close()

    within(url_of(tmp_path / "spaces.db"), story)


def test_a_database_is_for_one_store(tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of this process; that another process is told from is in test_store_crash."""
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT_MS", 50)
    url = store_url if store_url != MEMORY else url_of(tmp_path / "spaces.db")

    async def story(store: Store) -> None:
        second = Store(url)
        for _ in range(2):
            with pytest.raises(
                StoreError, match=f"process id {os.getpid()}, one server is the limit"
            ) as caught:
                await second.open()
            assert caught.value.code == "store_locked"
        await second.close()
        assert await names(store) == []

    within(url, story)
    within(url, story)


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
