"""The store's transactions: they take turns, roll back, are bounded, and end with it."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import Store, StoreError, accounts, engine
from tests.signaling.store_stories import MEMORY, names, within


def test_transactions_take_turns(store_url: str) -> None:
    async def story(store: Store) -> None:
        async def raise_name(connection: AsyncConnection) -> None:
            known = await accounts.get(connection, "ann")
            number = 0 if known is None else int(known.name)
            await accounts.ensure(connection, "ann", str(number + 1), 0)

        async def one() -> None:
            async with store.transaction() as connection:
                await raise_name(connection)

        tasks = [asyncio.create_task(one()) for _ in range(50)]
        await asyncio.sleep(0)
        assert store.in_progress == 50
        await asyncio.gather(*tasks)
        async with store.transaction() as connection:
            known = await accounts.get(connection, "ann")
        assert known is not None
        assert known.name == "50"

    within(store_url, story)


def test_an_exception_rolls_back(store_url: str) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(ZeroDivisionError):
            async with store.transaction() as connection:
                await accounts.ensure(connection, "ann", "Ann", 0)
                raise ZeroDivisionError
        assert await names(store) == []
        with pytest.raises(IntegrityError):
            async with store.transaction() as connection:
                await accounts.ensure(connection, "bob", "Bob", 0)
                await accounts.ensure(connection, "", "nobody", 0)
        assert await names(store) == []

    within(store_url, story)


def test_a_cancelled_task_rolls_back_and_others_go_on(store_url: str) -> None:
    """Cancelled between statements and in the middle of one, when the connection is given up."""

    async def story(store: Store) -> None:
        async with store.transaction() as connection:
            await accounts.ensure(connection, "ann", "Ann", 0)
        written = asyncio.Event()

        async def between() -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, "bob", "Bob", 0)
                written.set()
                await asyncio.Event().wait()

        async def amid() -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, "cat", "Cat", 0)
                written.set()
                await connection.execute(
                    sa.text(
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) "
                        "SELECT count(*) FROM n"
                    )
                )

        for interrupted in (between, amid):
            written.clear()
            task = asyncio.create_task(interrupted())
            waiting = asyncio.create_task(names(store))
            await written.wait()
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await waiting == ["ann"]
        waiting_too = asyncio.create_task(names(store))
        async with store.transaction():
            await asyncio.sleep(0)
            assert store.in_progress == 2
            waiting_too.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting_too
            assert store.in_progress == 1
        assert await names(store) == ["ann"]

    within(store_url, story)


def test_whenever_a_task_is_cancelled_the_database_is_free_at_once(store_url: str) -> None:
    """At thirty places of a transaction: opening it, its statements, its end. None leaves a lock behind."""

    async def story(store: Store) -> None:
        async def work() -> None:
            for number in range(1000):
                async with store.transaction() as connection:
                    for _ in range(3):
                        await accounts.ensure(connection, f"user{number}", "A", 0)

        for turns in range(0, 90, 3):
            task = asyncio.create_task(work())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(4):  # less than another program's lock is waited for
                with pytest.raises(asyncio.CancelledError):
                    await task
                await names(store)
        assert store.in_progress == 0

    within(store_url, story)


def test_who_is_cancelled_twice_still_leaves_nothing_behind(store_url: str) -> None:
    async def story(store: Store) -> None:
        async def work() -> None:
            async with store.transaction() as connection:
                while True:
                    await accounts.ensure(connection, "ann", "Ann", 0)

        task = asyncio.create_task(work())
        for _ in range(200):
            await asyncio.sleep(0)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names(store) == []

    within(store_url, story)


def test_too_many_are_refused_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "IN_PROGRESS_MAX", 3)

    async def story(store: Store) -> None:
        async with store.transaction():
            others = [asyncio.create_task(names(store)) for _ in range(2)]
            await asyncio.sleep(0)
            assert store.in_progress == 3
            task = asyncio.create_task(names(store))
            with pytest.raises(StoreError, match="3 is the limit") as caught:
                await task
            assert (caught.value.code, store.refused) == ("busy", 1)
        assert await asyncio.gather(*others) == [[], []]

    within(MEMORY, story)


def test_no_transaction_inside_a_transaction() -> None:
    async def story(store: Store) -> None:
        async with store.transaction():
            with pytest.raises(RuntimeError, match="inside a transaction"):
                async with store.transaction():
                    pass
        assert await names(store) == []

    within(MEMORY, story)


def test_closing_waits_for_what_was_asked_and_refuses_what_comes_after(store_url: str) -> None:
    async def story(store: Store) -> None:
        with pytest.raises(RuntimeError, match="open already"):
            await store.open()
        async with store.transaction() as connection:
            earlier = asyncio.create_task(names(store))
            await asyncio.sleep(0)
            closing_it = asyncio.create_task(store.close())
            await asyncio.sleep(0)
            later = asyncio.create_task(names(store))
            await asyncio.sleep(0)
            await accounts.ensure(connection, "ann", "Ann", 0)
        assert await earlier == ["ann"]
        await closing_it
        with pytest.raises(StoreError, match="not open"):
            await later
        await store.close()

    within(store_url, story)
