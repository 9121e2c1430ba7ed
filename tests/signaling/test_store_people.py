"""People in the store: accounts and handles, who follows and blocks whom, and counts that are right."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person
from signaling.store import Account, StoreError, accounts, blocks, follows, tables
from signaling.store.pages import CHUNK
from tests.signaling.store_stories import Told

SEED = 11


async def people(connection: AsyncConnection, *users: str) -> None:
    for user in users:
        await accounts.ensure(connection, user, user.title(), 1)


async def refused(code: str, attempt: object) -> str:
    with pytest.raises(StoreError) as caught:
        await attempt  # type: ignore[misc]
    assert caught.value.code == code
    assert ";" in caught.value.message, "a refusal names a remedy"
    return caught.value.message


def test_accounts_without_a_name_are_called_by_their_id(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        assert await accounts.ensure(connection, "x" * 64, "", 1)
        assert not await accounts.ensure(connection, "x" * 64, "Xenia", 2)
        assert not await accounts.ensure(connection, "x" * 64, "", 3), "the known name stays"
        assert await accounts.get(connection, "x" * 64) == Account("x" * 64, "Xenia", 1)
        await people(connection, "ann")
        assert await accounts.names(connection, ["ann", "nobody"]) == {"ann": "Ann"}
        assert await accounts.names(connection, []) == {}

    told(story)


def test_handles_are_unique_by_what_they_look_like(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await people(connection, "ann", "bob")
        await accounts.set_handle(connection, "ann", "paul", "paul")
        assert "'paul'" in await refused(
            "handle_taken", accounts.set_handle(connection, "bob", "pau1", "paul")
        )
        await refused("no_such_user", accounts.set_handle(connection, "cat", "cat", "cat"))
        await accounts.set_handle(connection, "ann", "pau1", "paul")
        found = await accounts.with_handle(connection, "pau1")
        assert found is not None
        assert (found.user, found.handle) == ("ann", "pau1")
        assert await accounts.with_handle(connection, "paul") is None
        await accounts.set_handle(connection, "ann", "ann", "ann")
        await accounts.set_handle(connection, "bob", "paul", "paul")

    told(story)


def test_following_counts_once_and_goes_by_pages(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await people(connection, "ann", "bob", "cat", "dan")
        assert await follows.follow(connection, "bob", "ann", 2)
        assert not await follows.follow(connection, "bob", "ann", 3), "twice is once"
        for user in ("cat", "dan"):
            assert await follows.follow(connection, user, "ann", 2)
        assert await follows.follow(connection, "ann", "bob", 2)
        assert await follows.followers_count(connection, "ann") == 3
        assert await follows.followers_count(connection, "nobody") == 0
        assert await follows.follows(connection, "bob", "ann")
        page, more = await follows.followers(connection, "ann", limit=2)
        assert (page, more) == ([Person("bob", "Bob"), Person("cat", "Cat")], "cat")
        assert await follows.followers(connection, "ann", more, 2) == ([Person("dan", "Dan")], "")
        assert await follows.followed(connection, "ann") == ([Person("bob", "Bob")], "")
        assert await follows.followed_among(connection, "ann", ["bob", "cat"]) == {"bob"}
        assert await follows.followers_among(connection, "ann", ["ann", "bob", "dan"]) == {"bob", "dan"}
        many = [f"u{number}" for number in range(2 * CHUNK)]
        assert await follows.followers_among(connection, "ann", [*many, "cat"]) == {"cat"}
        assert await follows.unfollow(connection, "bob", "ann")
        assert not await follows.unfollow(connection, "bob", "ann")
        assert await follows.followers_count(connection, "ann") == 2
        await refused("no_such_user", follows.follow(connection, "ann", "nobody", 4))
        await refused("no_such_user", follows.follow(connection, "nobody", "ann", 4))

    told(story)


def test_a_block_ends_following_both_ways(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await people(connection, "ann", "bob", "cat")
        await follows.follow(connection, "ann", "bob", 2)
        await follows.follow(connection, "bob", "ann", 2)
        assert await blocks.block(connection, "ann", "bob", 3)
        assert not await blocks.block(connection, "ann", "bob", 4)
        assert await blocks.block(connection, "cat", "ann", 4)
        for user in ("ann", "bob"):
            found = await accounts.get(connection, user)
            assert found is not None
            assert (found.followers, found.following) == (0, 0)
        assert await blocks.is_blocked(connection, "ann", "bob")
        assert not await blocks.is_blocked(connection, "bob", "ann")
        assert await blocks.strangers_among(connection, "ann", ["bob", "cat", "dan"]) == {"bob", "cat"}
        assert await blocks.strangers_among(connection, "bob", ["ann", "cat"]) == {"ann"}
        assert await blocks.count(connection, "ann") == 1
        assert await blocks.blocked(connection, "ann") == ([Person("bob", "Bob")], "")
        assert await blocks.unblock(connection, "ann", "bob")
        assert not await blocks.unblock(connection, "ann", "bob")
        await refused("no_such_user", blocks.block(connection, "ann", "nobody", 5))

    told(story)


def test_counts_are_those_of_the_edges_after_any_history(told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        rng = random.Random(SEED)
        users = [f"u{number}" for number in range(6)]
        await people(connection, *users)
        edges: set[tuple[str, str]] = set()
        for _ in range(120):
            one, other = rng.sample(users, 2)
            match rng.randrange(5):
                case 0 | 1 | 2:
                    await follows.follow(connection, one, other, 1)
                    edges.add((one, other))
                case 3:
                    assert await follows.unfollow(connection, one, other) == ((one, other) in edges)
                    edges.discard((one, other))
                case _:
                    await blocks.block(connection, one, other, 1)
                    await blocks.unblock(connection, one, other)
                    edges -= {(one, other), (other, one)}
        rows = (await connection.execute(sa.select(tables.follows))).all()
        assert {(row.follower, row.followed) for row in rows} == edges, f"seed {SEED}"
        for user in users:
            found = await accounts.get(connection, user)
            assert found is not None
            assert found.followers == sum(1 for _, followed in edges if followed == user), f"seed {SEED}"
            assert found.following == sum(1 for follower, _ in edges if follower == user), f"seed {SEED}"

    told(story)


REFUSED = {
    "following oneself": tables.follows.insert().values(follower="ann", followed="ann", since_us=1),
    "following nobody": tables.follows.insert().values(follower="ann", followed="no", since_us=1),
    "blocking oneself": tables.blocks.insert().values(blocker="ann", blocked="ann", since_us=1),
    "a handle without a skeleton": tables.accounts.update().values(handle="ann"),
    "less than no followers": tables.accounts.update().values(followers=-1),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_tables_refuse_it_by_themselves(what: str, told: Told) -> None:
    async def story(connection: AsyncConnection) -> None:
        await people(connection, "ann")
        with pytest.raises(IntegrityError):
            await connection.execute(REFUSED[what])

    told(story)
