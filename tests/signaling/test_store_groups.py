"""Transactions that wait together share a commit: counted in the write-ahead log, none lost, none mixed."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import struct
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, OperationalError

from signaling.store import Store, accounts, groups
from tests.signaling.store_stories import names, url_of, within

FRAME_BYTES, HEADER_BYTES = 24, 32


def commits(path: Path) -> int:
    """Commits in the write-ahead log since it was last begun: with synchronous=FULL each is one fsync.

    The last frame of a commit has the size of the database in its header, in the others that is 0 (format:
    https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
    """
    file = path.with_name(path.name + "-wal")
    if not file.exists():
        return 0
    log = file.read_bytes()
    page_bytes, salt = struct.unpack_from(">I", log, 8)[0], log[16:24]
    found = 0
    for at in range(HEADER_BYTES, len(log) - page_bytes, FRAME_BYTES + page_bytes):
        (_, size), its_salt = struct.unpack_from(">II", log, at), log[at + 8 : at + 16]
        found += bool(size) and its_salt == salt
    return found


def on_disk(path: Path) -> list[str]:
    """Whom another connection sees: what is committed."""
    other = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [row[0] for row in other.execute('SELECT "user" FROM accounts ORDER BY "user"')]
    finally:
        other.close()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # However slow the machine is, the number of members decides.
    monkeypatch.setattr(groups, "GROUP_US", 3_600_000_000)
    return tmp_path / "spaces.db"


async def add(store: Store, user: str) -> None:
    async with store.transaction() as connection:
        await accounts.ensure(connection, user, user, 0)


@pytest.mark.parametrize(("most", "wanted"), [(64, 1), (5, 4), (1, 20)])
def test_those_who_wait_share_a_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch, most: int, wanted: int
) -> None:
    monkeypatch.setattr(groups, "GROUP_MAX", most)

    async def story(store: Store) -> None:
        before = commits(path)
        await asyncio.gather(*(add(store, f"user{number:02}") for number in range(20)))
        assert commits(path) - before == wanted
        assert len(on_disk(path)) == 20

    within(url_of(path), story)


def test_a_group_that_is_old_takes_nobody_any_more(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUP_US", 0)

    async def story(store: Store) -> None:
        before = commits(path)
        await asyncio.gather(*(add(store, f"user{number}") for number in range(5)))
        assert commits(path) - before == 5

    within(url_of(path), story)


def test_who_is_alone_commits_at_once(path: Path) -> None:
    async def story(store: Store) -> None:
        before = commits(path)
        for number in range(3):
            await add(store, f"user{number}")
            assert len(on_disk(path)) == number + 1
        assert commits(path) - before == 3

    within(url_of(path), story)


def test_nobody_is_answered_before_the_common_commit(path: Path) -> None:
    async def story(store: Store) -> None:
        async def one(user: str) -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, user, user, 0)
                assert on_disk(path) == []
            assert len(on_disk(path)) == 10

        await asyncio.gather(*(one(f"user{number}") for number in range(10)))

    within(url_of(path), story)


def test_one_that_fails_rolls_back_alone(path: Path) -> None:
    async def story(store: Store) -> None:
        async def fails(user: str) -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, user, user, 0)
                raise ZeroDivisionError(user)

        async def breaks(user: str) -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, user, user, 0)
                await accounts.ensure(connection, "", "nobody", 0)

        work = [fails("a"), add(store, "b"), breaks("c"), fails("d"), add(store, "e"), fails("f")]
        found = await asyncio.gather(*work, return_exceptions=True)
        assert [type(one) for one in found] == [
            ZeroDivisionError,
            type(None),
            IntegrityError,
            ZeroDivisionError,
            type(None),
            ZeroDivisionError,
        ]
        assert on_disk(path) == await names(store) == ["b", "e"]

    within(url_of(path), story)


def test_a_commit_that_fails_is_told_to_all(path: Path) -> None:
    async def story(store: Store) -> None:
        async def owes(user: str) -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, user, user, 0)
                await connection.execute(sa.text("PRAGMA defer_foreign_keys = ON"))
                await connection.execute(sa.text("INSERT INTO follows VALUES ('nobody', 'no-one', 0)"))

        work = [add(store, "a"), owes("b"), add(store, "c")]
        found = await asyncio.gather(*work, return_exceptions=True)
        assert [type(one) for one in found] == [IntegrityError] * 3
        assert on_disk(path) == await names(store) == []
        await add(store, "d")
        assert on_disk(path) == ["d"]

    within(url_of(path), story)


def test_a_database_that_rolls_back_everything_is_told_to_all(path: Path) -> None:
    """As SQLite does when the disk is full: the work of those before is gone, and they wait still."""

    async def story(store: Store) -> None:
        async def loses(user: str) -> None:
            async with store.transaction() as connection:
                await connection.execute(
                    sa.text('INSERT OR ROLLBACK INTO accounts ("user", name, created_us) VALUES (:u, :u, 0)'),
                    {"u": ""},
                )

        work = [add(store, "a"), add(store, "b"), loses("c"), add(store, "d")]
        found = await asyncio.gather(*work, return_exceptions=True)
        assert [type(one) for one in found] == [
            OperationalError,
            OperationalError,
            IntegrityError,
            type(None),
        ]
        assert on_disk(path) == await names(store) == ["d"]

    within(url_of(path), story)


def test_what_is_left_is_left(path: Path) -> None:
    async def story(store: Store) -> None:
        async with store.transaction() as kept:
            pass
        with pytest.raises(sa.exc.InvalidRequestError):
            await kept.execute(sa.text("SELECT 1"))

    within(url_of(path), story)


@pytest.mark.parametrize("seed", range(6))
def test_whoever_is_cancelled_or_fails_the_others_get_what_is_theirs(path: Path, seed: int) -> None:
    """Whoever was answered is there; who failed is not; who was cancelled is there or not; nobody hangs."""
    rng = random.Random(seed)

    async def story(store: Store) -> None:
        async def one(user: str, fails: bool) -> None:
            async with store.transaction() as connection:
                await accounts.ensure(connection, user, user, 0)
                if fails:
                    raise ZeroDivisionError
            assert user in on_disk(path)

        wanted: set[str] = set()
        never: set[str] = set()
        for turn in range(6):
            tasks = {}
            for number in range(rng.randrange(1, 12)):
                user, fails = f"user{turn}-{number}", rng.random() < 0.2
                tasks[user] = asyncio.create_task(one(user, fails))
                never |= {user} if fails else set()
            for _ in range(rng.randrange(40)):
                await asyncio.sleep(0.001 if rng.random() < 0.2 else 0)
            for task in tasks.values():
                if rng.random() < 0.4:
                    task.cancel()
            async with asyncio.timeout(20):
                found = await asyncio.gather(*tasks.values(), return_exceptions=True)
            wanted |= {user for user, outcome in zip(tasks, found, strict=True) if outcome is None}
            assert {type(outcome) for outcome in found} <= {
                type(None),
                ZeroDivisionError,
                asyncio.CancelledError,
            }
        there = set(on_disk(path))
        assert wanted <= there, f"seed {seed}"
        assert not never & there, f"seed {seed}"
        assert store.in_progress == 0

    within(url_of(path), story)
