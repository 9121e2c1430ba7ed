"""Migrations: they lead to the tables of the code, keep the rows that were there, and happen whole or not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic import op
from sqlalchemy.ext.asyncio import create_async_engine

from signaling.rules import OnStage, Role, Waiting
from signaling.store import Account, Store, StoredSpace, accounts, bans, migrate, spaces, stage
from signaling.store.tables import METADATA
from tests.signaling.store_stories import MEMORY, names, refused_open, url_of, within

T = TypeVar("T")


def aside(url: str, *acts: Callable[[sa.Connection], Any]) -> list[Any]:
    """What these answer, one after the other, about a database that no store has open."""

    async def work() -> list[Any]:
        engine = create_async_engine(url)
        try:
            async with engine.begin() as connection:
                return [await connection.run_sync(act) for act in acts]
        finally:
            await engine.dispose()

    return asyncio.run(work())


def described(connection: sa.Connection) -> dict[str, Any]:
    looked = sa.inspect(connection)
    return {
        table: {
            "columns": [
                (one["name"], str(one["type"]), one["nullable"], one["default"])
                for one in looked.get_columns(table)
            ],
            "pk": looked.get_pk_constraint(table),
            "fk": sorted(looked.get_foreign_keys(table), key=str),
            "uq": sorted(looked.get_unique_constraints(table), key=str),
            "ck": sorted(looked.get_check_constraints(table), key=str),
            "ix": sorted(map(_shown, looked.get_indexes(table))),
        }
        for table in looked.get_table_names()
        if table != "alembic_version"
    }


def triggers(connection: sa.Connection) -> list[str]:
    """What makes the ledger immutable: by name on SQLite, with its table on PostgreSQL."""
    query = {
        "sqlite": "SELECT name || ' ' || sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name",
        "postgresql": "SELECT tgname || ' ' || tgrelid::regclass::text FROM pg_trigger "
        "WHERE NOT tgisinternal ORDER BY tgname",
    }[connection.dialect.name]
    return list(connection.execute(sa.text(query)).scalars())


def _shown(index: Any) -> str:
    where = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": where})


def test_the_migrations_lead_to_the_tables(store_url: str) -> None:
    wanted, kept, _, _, found, made = aside(
        store_url, _make_all_at_once, triggers, METADATA.drop_all, migrate.upgrade, described, triggers
    )
    assert found == wanted
    assert made == kept
    assert len(kept) == 4
    assert set(wanted) == set(METADATA.tables)
    assert all(table["pk"]["name"] for table in wanted.values())
    assert "live" in wanted["spaces"]["ix"][-1], "what an index is for is compared, too"


def _make_all_at_once(connection: sa.Connection) -> dict[str, Any]:
    METADATA.create_all(connection)
    return described(connection)


def test_an_empty_database_is_made_at_once_and_opened_again_as_it_is(tmp_path: Path) -> None:
    handlers = {name: list(logging.getLogger(name).handlers) for name in ("", "alembic", "sqlalchemy")}
    url = url_of(tmp_path / "spaces.db")

    async def nothing(store: Store) -> None:
        pass

    within(url, nothing)
    first = aside(url, described, _revision)
    within(url, nothing)
    assert aside(url, described, _revision) == first
    assert first[1] == migrate.newest_revision()
    assert {name: list(logging.getLogger(name).handlers) for name in handlers} == handlers
    assert not logging.getLogger("signaling").disabled


def _revision(connection: sa.Connection) -> str:
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())


LIVE, OVER = bytes(range(16)), bytes(16)
ROWS_OF_0001 = {
    "accounts": [
        {"user": "ann", "name": "Ann", "created_us": 1},
        {"user": "bob", "name": "Bob", "created_us": 2},
        {"user": "cat", "name": "Cat", "created_us": 3},
    ],
    "spaces": [
        {"space": LIVE, "title": "ＳＥＡ Straße", "host": "ann", "host_name": "Ann", "state": "live"}
        | {"opened_us": 4, "ended_us": None, "ended_reason": None},
        {"space": OVER, "title": "Hills", "host": "ann", "host_name": "Ann", "state": "ended"}
        | {"opened_us": 2, "ended_us": 3, "ended_reason": "host_left"},
    ],
    "stage": [
        {"space": LIVE, "user": "ann", "seat": 0, "role": 2, "muted": 0, "since_us": 4},
        {"space": LIVE, "user": "bob", "seat": 3, "role": 1, "muted": 1, "since_us": 5},
    ],
    "asks": [{"ask": 7, "space": LIVE, "user": "cat", "asked_us": 6}],
    "bans": [{"space": OVER, "user": "bob", "by": "ann", "banned_us": 3}],
}


def write_0001(connection: sa.Connection) -> None:
    migrate.upgrade(connection, "0001")
    for table, rows in ROWS_OF_0001.items():
        columns = [sa.column(name) for name in rows[0]]
        connection.execute(sa.table(table, *columns).insert(), rows)


def test_rows_of_the_first_revision_are_kept(tmp_path: Path, store_url: str) -> None:
    url = store_url if store_url != MEMORY else url_of(tmp_path / "kept.db")
    aside(url, write_0001)

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            assert await names_of(connection) == ["Ann", "Bob", "Cat"]
            assert await accounts.get(connection, "ann") == Account("ann", "Ann", 1, "", 0, 0)
            live = StoredSpace(LIVE, "ＳＥＡ Straße", "ann", "Ann", "live", 4, founder="ann")
            over = StoredSpace(OVER, "Hills", "ann", "Ann", "ended", 2, 3, "host_left", founder="ann")
            assert await spaces.get(connection, LIVE) == live
            assert await spaces.get(connection, OVER) == over
            assert await spaces.list_live(connection, text="sea STRASSE") == ([live], None)
            assert await stage.on_stage(connection, LIVE) == [
                OnStage(0, "ann", "Ann", Role.HOST, False),
                OnStage(3, "bob", "Bob", Role.SPEAKER, True),
            ]
            assert await stage.waiting(connection, LIVE) == [Waiting("cat", "Cat")]
            assert await bans.is_banned(connection, OVER, "bob")
            with pytest.raises(sa.exc.IntegrityError):
                await connection.execute(sa.text("UPDATE stage SET role = 4"))

    within(url, story)


async def names_of(connection: Any) -> list[str]:
    return list((await connection.execute(sa.text("SELECT name FROM accounts ORDER BY name"))).scalars())


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = store_url if store_url != MEMORY else url_of(tmp_path / "kept.db")
    aside(url, write_0001)
    before = aside(url, described, _revision)

    def fails(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError("on the way")

    async def attempt() -> None:
        store = Store(url)
        with pytest.raises(ZeroDivisionError, match="on the way"):
            await store.open()

    with monkeypatch.context() as patched:
        patched.setattr(op, "create_index", fails)
        asyncio.run(attempt())
    assert aside(url, described, _revision) == before

    async def works(store: Store) -> None:
        assert await names(store) == ["ann", "bob", "cat"]

    within(url, works)


def test_rows_that_refer_to_nothing_are_told(tmp_path: Path) -> None:
    url = url_of(tmp_path / "spaces.db")
    aside(url, write_0001, lambda connection: connection.execute(sa.text("DELETE FROM spaces")))
    error = refused_open(url)
    assert error.code == "store_file"
    assert "refers to a row of spaces" in error.message


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path, store_url: str) -> None:
    url = store_url if store_url != MEMORY else url_of(tmp_path / "newer.db")

    async def nothing(store: Store) -> None:
        pass

    within(url, nothing)
    newer = sa.text("UPDATE alembic_version SET version_num = '9999'")
    aside(url, lambda connection: connection.execute(newer))
    error = refused_open(url)
    assert error.code == "store_newer"
    assert "9999" in error.message


def test_stores_that_open_at_once_do_not_mix_their_migrations(tmp_path: Path) -> None:
    aside(url_of(tmp_path / "a.db"), write_0001)

    async def story() -> None:
        stores = [Store(MEMORY), Store(url_of(tmp_path / "a.db")), Store(url_of(tmp_path / "b.db"))]
        await asyncio.gather(*(store.open() for store in stores))
        assert [await names(store) for store in stores] == [[], ["ann", "bob", "cat"], []]
        for store in stores:
            await store.close()

    asyncio.run(story())
