"""Who follows whom. The counts of followers in `accounts` change in the same transaction as an edge."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person
from signaling.store import accounts
from signaling.store.pages import chunks, person_page
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import follows as edges


async def follow(connection: AsyncConnection, follower: str, followed: str, now_us: int) -> bool:
    """Returns whether that is new. StoreError no_such_user where one of them has no account."""
    if await follows(connection, follower, followed):
        return False
    for user in (follower, followed):
        if await accounts.get(connection, user) is None:
            raise accounts.no_such_user(user)
    await connection.execute(insert(edges).values(follower=follower, followed=followed, since_us=now_us))
    await _count(connection, follower, followed, 1)
    return True


async def unfollow(connection: AsyncConnection, follower: str, followed: str) -> bool:
    """Returns whether they followed."""
    gone = await connection.execute(
        delete(edges).where(edges.c.follower == follower, edges.c.followed == followed)
    )
    if gone.rowcount != 1:
        return False
    await _count(connection, follower, followed, -1)
    return True


async def follows(connection: AsyncConnection, follower: str, followed: str) -> bool:
    """Whether `follower` follows `followed`."""
    query = select(edges.c.follower).where(edges.c.follower == follower, edges.c.followed == followed)
    return (await connection.execute(query)).first() is not None


async def followers_count(connection: AsyncConnection, user: str) -> int:
    """How many follow `user`; 0 for somebody without an account."""
    query = select(accounts_table.c.followers).where(accounts_table.c.user == user)
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def followed_among(connection: AsyncConnection, user: str, candidates: Iterable[str]) -> frozenset[str]:
    """Those of `candidates` whom `user` follows."""
    found: set[str] = set()
    for part in chunks(candidates):
        query = select(edges.c.followed).where(edges.c.follower == user, edges.c.followed.in_(part))
        found.update((await connection.execute(query)).scalars())
    return frozenset(found)


async def followers_among(
    connection: AsyncConnection, user: str, candidates: Iterable[str]
) -> frozenset[str]:
    """Those of `candidates` who follow `user`."""
    found: set[str] = set()
    for part in chunks(candidates):
        query = select(edges.c.follower).where(edges.c.followed == user, edges.c.follower.in_(part))
        found.update((await connection.execute(query)).scalars())
    return frozenset(found)


async def followed(
    connection: AsyncConnection, user: str, after: str = "", limit: int = 100
) -> tuple[list[Person], str]:
    """Whom `user` follows, by user id, behind `after`; and where to go on, "" at the end."""
    query = (
        select(edges.c.followed.label("user"), accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == edges.c.followed)
        .where(edges.c.follower == user, edges.c.followed > after)
        .order_by(edges.c.followed)
        .limit(limit + 1)
    )
    return person_page([Person(row.user, row.name) for row in await connection.execute(query)], limit)


async def followers(
    connection: AsyncConnection, user: str, after: str = "", limit: int = 100
) -> tuple[list[Person], str]:
    """Who follows `user`, by user id, behind `after`; and where to go on, "" at the end."""
    query = (
        select(edges.c.follower.label("user"), accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == edges.c.follower)
        .where(edges.c.followed == user, edges.c.follower > after)
        .order_by(edges.c.follower)
        .limit(limit + 1)
    )
    return person_page([Person(row.user, row.name) for row in await connection.execute(query)], limit)


async def _count(connection: AsyncConnection, follower: str, followed: str, step: int) -> None:
    for user, column in ((follower, accounts_table.c.following), (followed, accounts_table.c.followers)):
        await connection.execute(
            update(accounts_table).where(accounts_table.c.user == user).values({column: column + step})
        )
