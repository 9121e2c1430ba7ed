"""Several servers on one PostgreSQL: they take turns, never oversell, and one of them owns the Spaces."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from signaling.rules.sale import Sale
from signaling.store import Store, StoreError, ledger, postgres
from signaling.store.reading import reading
from tests.signaling.money_stories import held, put_on_sale, seen, sold
from tests.signaling.store_stories import MEMORY, place, url_of

SERVERS, BUYERS, SEATS = 4, 24, 5


@pytest.mark.parametrize("where", ["memory", "file"])
def test_a_database_of_sqlite_is_not_shared(tmp_path: Path, where: str) -> None:
    with pytest.raises(StoreError, match="for 1 server") as caught:
        Store(MEMORY if where == "memory" else url_of(tmp_path / "spaces.db"), shared=True)
    assert caught.value.code == "store_url"


async def _crowd(url: str) -> None:
    owner = Store(url)
    await owner.open()
    async with owner.transaction() as connection:
        await put_on_sale(connection, capacity=SEATS)
    servers = [Store(url, shared=True) for _ in range(SERVERS)]
    await asyncio.gather(*(server.open() for server in servers))

    async def one(number: int) -> bool:
        async with servers[number % SERVERS].transaction() as connection:
            if number % 3:
                return isinstance(await held(connection, number), Sale)
            if (await seen(connection)).free:
                return (await sold(connection, number)).state == "sold"
            return False

    found = await asyncio.gather(*(one(number) for number in range(BUYERS)))
    assert sum(found) == SEATS
    async with owner.transaction() as connection:
        on_sale = await seen(connection)
        assert on_sale.held + on_sale.sold == SEATS
        assert (await ledger.trial_balance(connection)).is_right
    async with reading(url) as connection:
        assert (await ledger.trial_balance(connection)).is_right
        with pytest.raises(DBAPIError, match="read-only"):
            await connection.execute(sa.text("DELETE FROM balances"))
    second = Store(url)
    with pytest.raises(StoreError) as caught:
        await second.open()
    assert caught.value.code == "store_locked"
    await asyncio.gather(*(server.close() for server in (*servers, owner)))


@pytest.mark.postgres
def test_a_crowd_at_four_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOCK_TIMEOUT_MS", 50)
    with place("postgres", tmp_path) as url:
        asyncio.run(_crowd(url))
