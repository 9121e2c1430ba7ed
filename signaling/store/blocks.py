"""Who has blocked whom. Blocking ends following, both ways, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person
from signaling.store import accounts, follows
from signaling.store.pages import chunks, person_page
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import blocks as edges


async def block(connection: AsyncConnection, blocker: str, blocked: str, now_us: int) -> bool:
    """Returns whether that is new. StoreError no_such_user where one of them has no account."""
    if await is_blocked(connection, blocker, blocked):
        return False
    for user in (blocker, blocked):
        if await accounts.get(connection, user) is None:
            raise accounts.no_such_user(user)
    await follows.unfollow(connection, blocker, blocked)
    await follows.unfollow(connection, blocked, blocker)
    await connection.execute(insert(edges).values(blocker=blocker, blocked=blocked, since_us=now_us))
    return True


async def unblock(connection: AsyncConnection, blocker: str, blocked: str) -> bool:
    """Returns whether they were blocked."""
    gone = await connection.execute(
        delete(edges).where(edges.c.blocker == blocker, edges.c.blocked == blocked)
    )
    return bool(gone.rowcount == 1)


async def is_blocked(connection: AsyncConnection, blocker: str, user: str) -> bool:
    """Whether `blocker` has blocked `user`."""
    query = select(edges.c.blocker).where(edges.c.blocker == blocker, edges.c.blocked == user)
    return (await connection.execute(query)).first() is not None


async def count(connection: AsyncConnection, blocker: str) -> int:
    """How many people `blocker` has blocked."""
    query = select(func.count()).select_from(edges).where(edges.c.blocker == blocker)
    return int((await connection.execute(query)).scalar_one())


async def strangers_among(
    connection: AsyncConnection, user: str, candidates: Iterable[str]
) -> frozenset[str]:
    """Those of `candidates` whom `user` has blocked or who have blocked `user`."""
    found: set[str] = set()
    for part in chunks(candidates):
        mine = select(edges.c.blocked).where(edges.c.blocker == user, edges.c.blocked.in_(part))
        theirs = select(edges.c.blocker).where(edges.c.blocked == user, edges.c.blocker.in_(part))
        for query in (mine, theirs):
            found.update((await connection.execute(query)).scalars())
    return frozenset(found)


async def blocked(
    connection: AsyncConnection, user: str, after: str = "", limit: int = 100
) -> tuple[list[Person], str]:
    """Whom `user` has blocked, by user id, behind `after`; and where to go on, "" at the end."""
    query = (
        select(edges.c.blocked, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == edges.c.blocked)
        .where(edges.c.blocker == user, edges.c.blocked > after)
        .order_by(edges.c.blocked)
        .limit(limit + 1)
    )
    return person_page([Person(row.blocked, row.name) for row in await connection.execute(query)], limit)
