"""Bans: who was removed from a Space and may not come back."""

from __future__ import annotations

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import accounts
from signaling.store.tables import bans


async def ban(
    connection: AsyncConnection, space: bytes, user: str, name: str, *, by: str, now_us: int
) -> None:
    """`by` removed `user`, for as long as the Space lives. Banning the banned changes nothing."""
    if await is_banned(connection, space, user):
        return
    await accounts.ensure(connection, user, name, now_us)
    await connection.execute(insert(bans).values(space=space, user=user, by=by, banned_us=now_us))


async def is_banned(connection: AsyncConnection, space: bytes, user: str) -> bool:
    """Whether `user` may not come back."""
    query = select(bans.c.user).where(bans.c.space == space, bans.c.user == user)
    return (await connection.execute(query)).first() is not None


async def banned(connection: AsyncConnection, space: bytes) -> frozenset[str]:
    """Everyone who may not come back."""
    query = select(bans.c.user).where(bans.c.space == space)
    return frozenset((await connection.execute(query)).scalars())
