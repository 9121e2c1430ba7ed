"""Accounts: whoever something durable is known of, their names and handles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.errors import StoreError
from signaling.store.pages import chunks
from signaling.store.tables import accounts

_NAME_CHARS = 50


@dataclass(frozen=True, slots=True)
class Account:
    """One row. `handle` is "" where there is none; `followers` and `following` count edges of the graph."""

    user: str
    name: str
    created_us: int
    handle: str = ""
    followers: int = 0
    following: int = 0


async def get(connection: AsyncConnection, user: str) -> Account | None:
    """The account of `user`, or None."""
    found = await connection.execute(select(accounts).where(accounts.c.user == user))
    return _account(found.one_or_none())


async def with_handle(connection: AsyncConnection, handle: str) -> Account | None:
    """The account with this handle, in its normalised form, or None."""
    found = await connection.execute(select(accounts).where(accounts.c.handle == handle))
    return _account(found.one_or_none())


async def names(connection: AsyncConnection, users: Iterable[str]) -> dict[str, str]:
    """The names of those among `users` who have an account."""
    known: dict[str, str] = {}
    for part in chunks(users):
        rows = await connection.execute(
            select(accounts.c.user, accounts.c.name).where(accounts.c.user.in_(part))
        )
        known.update({row.user: row.name for row in rows})
    return known


async def ensure(connection: AsyncConnection, user: str, name: str, now_us: int) -> bool:
    """Make the account, or take over a new name. Returns whether it is a new account.

    With an empty name a known one stays and a new account is called by its id. Writes nothing where the
    account is there under this name.
    """
    known = await get(connection, user)
    if known is None:
        await connection.execute(
            insert(accounts).values(user=user, name=name or user[:_NAME_CHARS], created_us=now_us)
        )
        return True
    if name and known.name != name:
        await connection.execute(update(accounts).where(accounts.c.user == user).values(name=name))
    return False


async def set_handle(connection: AsyncConnection, user: str, handle: str, skeleton: str) -> None:
    """Give an account another handle; `skeleton` is what it looks like.

    StoreError: handle_taken where somebody else's looks like it; no_such_user without an account.
    """
    query = select(accounts.c.handle).where(accounts.c.skeleton == skeleton, accounts.c.user != user)
    taken = (await connection.execute(query)).scalar_one_or_none()
    if taken is not None:
        raise StoreError(
            "handle_taken",
            f"The handle {handle!r} looks like {taken!r}, which somebody has, and one is the limit; "
            "choose another.",
        )
    changed = await connection.execute(
        update(accounts).where(accounts.c.user == user).values(handle=handle, skeleton=skeleton)
    )
    if changed.rowcount != 1:
        raise no_such_user(user)


def no_such_user(user: str) -> StoreError:
    """What is raised about somebody without an account."""
    return StoreError(
        "no_such_user",
        f"There is no account {user!r} and one is needed; name somebody who is known here.",
    )


def _account(row: Row[Any] | None) -> Account | None:
    if row is None:
        return None
    return Account(row.user, row.name, row.created_us, row.handle or "", row.followers, row.following)
