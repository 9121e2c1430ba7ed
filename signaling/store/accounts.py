"""Accounts: whoever something durable is known of."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.tables import accounts


@dataclass(frozen=True, slots=True)
class Account:
    user: str
    name: str
    created_us: int


async def get(connection: AsyncConnection, user: str) -> Account | None:
    """The account of `user`, or None."""
    found = await connection.execute(select(accounts).where(accounts.c.user == user))
    row = found.one_or_none()
    return None if row is None else Account(row.user, row.name, row.created_us)


async def ensure(connection: AsyncConnection, user: str, name: str, now_us: int) -> bool:
    """Make the account, or take over a new name. Returns whether it is a new account.

    Writes nothing where the account is there under this name.
    """
    known = await get(connection, user)
    if known is None:
        await connection.execute(insert(accounts).values(user=user, name=name, created_us=now_us))
        return True
    if known.name != name:
        await connection.execute(update(accounts).where(accounts.c.user == user).values(name=name))
    return False
