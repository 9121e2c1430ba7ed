"""How the store's tests tell a story: open, act, close, and look that nothing is left over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import Store, StoreError
from tests import postgres

MEMORY = "sqlite+aiosqlite://"
# Kinds of databases. PostgreSQL is among them where `python -m tests.postgres` started a server.
KINDS = ("memory", "file", *(("postgres",) if postgres.is_there() else ()))

Story: TypeAlias = Callable[[AsyncConnection], Coroutine[Any, Any, None]]
Told: TypeAlias = Callable[[Story], None]


@contextmanager
def place(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of this kind, which is gone after the block."""
    if kind == "postgres":
        url = postgres.database(folder)
        yield url
        postgres.drop(url)
    else:
        yield MEMORY if kind == "memory" else url_of(folder / "spaces.db")


def teller(url: str) -> Told:
    """Runs a story in one transaction of a store that is opened for it."""

    def tell(story: Story) -> None:
        async def run(store: Store) -> None:
            async with store.transaction() as connection:
                await story(connection)

        within(url, run)

    return tell


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


def within(url: str, story: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    """Run `story` with an open store; afterwards nothing of it is left."""

    async def told() -> None:
        store = Store(url)
        await store.open()
        try:
            await story(store)
        finally:
            await store.close()
        assert store.in_progress == 0

    threads = set(threading.enumerate())
    asyncio.run(told())
    assert set(threading.enumerate()) <= threads


def refused_open(url: str) -> StoreError:
    async def attempt() -> StoreError:
        store = Store(url)
        with pytest.raises(StoreError) as caught:
            await store.open()
        assert store.in_progress == 0
        await store.close()
        return caught.value

    threads = set(threading.enumerate())
    error = asyncio.run(attempt())
    assert set(threading.enumerate()) <= threads
    assert ";" in error.message, "a refusal names a remedy"
    return error


async def names(store: Store) -> list[str]:
    async with store.transaction() as connection:
        rows = await connection.execute(sa.text('SELECT "user" FROM accounts ORDER BY "user"'))
        return list(rows.scalars())
