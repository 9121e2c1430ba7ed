"""Bans: who was removed from a Space and may not come back."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person
from signaling.store import accounts
from signaling.store.pages import person_page
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import bans


async def ban(
    connection: AsyncConnection, space: bytes, user: str, name: str, *, by: str, now_us: int
) -> None:
    """`by` removed `user`, for as long as the Space lives. Banning the banned changes nothing."""
    if await is_banned(connection, space, user):
        return
    await accounts.ensure(connection, user, name, now_us)
    await accounts.ensure(connection, by, "", now_us)
    await connection.execute(insert(bans).values(space=space, user=user, by=by, banned_us=now_us))


async def unban(connection: AsyncConnection, space: bytes, user: str) -> bool:
    """`user` may come back. Returns whether they were banned."""
    gone = await connection.execute(delete(bans).where(bans.c.space == space, bans.c.user == user))
    return bool(gone.rowcount == 1)


async def is_banned(connection: AsyncConnection, space: bytes, user: str) -> bool:
    """Whether `user` may not come back."""
    query = select(bans.c.user).where(bans.c.space == space, bans.c.user == user)
    return (await connection.execute(query)).first() is not None


async def banned(connection: AsyncConnection, space: bytes) -> frozenset[str]:
    """Everyone who may not come back."""
    query = select(bans.c.user).where(bans.c.space == space)
    return frozenset((await connection.execute(query)).scalars())


async def page(
    connection: AsyncConnection, space: bytes, after: str = "", limit: int = 100
) -> tuple[list[Person], str]:
    """Who may not come back, by user id, behind `after`; and where to go on, "" at the end."""
    query = (
        select(bans.c.user, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == bans.c.user)
        .where(bans.c.space == space, bans.c.user > after)
        .order_by(bans.c.user)
        .limit(limit + 1)
    )
    return person_page([Person(row.user, row.name) for row in await connection.execute(query)], limit)
