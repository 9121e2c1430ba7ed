"""A whole follow graph into the store, in batches: some tens of thousands of edges in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    MetaData,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.tables import accounts, blocks, follows

_NAME_CHARS: Final = 50
# SQLite's cache while a batch is written, in KiB: with the usual 2 MiB the index is read from disk again
# and again. For one connection, until it is closed.
_CACHE_KIB: Final = 65_536


class Edge(NamedTuple):
    """One person who follows another. Names, where there are any, are for who has no account yet."""

    follower: str
    followed: str
    follower_name: str = ""
    followed_name: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """What a batch has changed: new accounts, new edges, and how many were left out for a block."""

    accounts: int
    edges: int
    blocked: int


async def add_edges(connection: AsyncConnection, edges: Sequence[Edge], now_us: int) -> Added:
    """Make accounts for who has none, and let the edges be; those that are there already change nothing.

    The counts of followers are right when the transaction is committed. IntegrityError for an edge from
    somebody to themselves.
    """
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql(f"PRAGMA cache_size = -{_CACHE_KIB}")
    await connection.run_sync(_TEMPORARY.create_all, checkfirst=False)
    new_accounts = await _add_accounts(connection, edges, now_us)
    await _fill(connection, _edges, list({(edge.follower, edge.followed) for edge in edges}))
    await connection.execute(delete(_edges).where(_is_there()))
    blocked = (await connection.execute(delete(_edges).where(_is_blocked()))).rowcount
    new_edges = await _add_follows(connection, now_us)
    await connection.run_sync(_TEMPORARY.drop_all, checkfirst=False)
    return Added(new_accounts, new_edges, blocked)


# What a batch brings, gone at its end
_TEMPORARY: Final = MetaData()
_people = Table(
    "incoming_people",
    _TEMPORARY,
    Column("user", String(64)),
    Column("name", String(_NAME_CHARS)),
    prefixes=["TEMPORARY"],
)
_edges = Table(
    "incoming_edges",
    _TEMPORARY,
    Column("follower", String(64)),
    Column("followed", String(64)),
    prefixes=["TEMPORARY"],
)


async def _fill(connection: AsyncConnection, table: Table, rows: list[tuple[str, str]]) -> None:
    """Rows as the driver takes them: a dict for each, SQLAlchemy's own way, costs more than all the rest."""
    if rows:
        await connection.exec_driver_sql(str(insert(table).compile(dialect=connection.dialect)), rows)


async def _add_accounts(connection: AsyncConnection, edges: Sequence[Edge], now_us: int) -> int:
    names: dict[str, str] = {}
    for edge in edges:
        for user, name in ((edge.follower, edge.follower_name), (edge.followed, edge.followed_name)):
            if name or user not in names:
                names[user] = name or user[:_NAME_CHARS]
    await _fill(connection, _people, list(names.items()))
    new = (
        select(_people.c.user, _people.c.name, literal(now_us, BigInteger))
        .where(~exists().where(accounts.c.user == _people.c.user))
        .order_by(_people.c.user)
    )
    added = await connection.execute(insert(accounts).from_select(["user", "name", "created_us"], new))
    return int(added.rowcount)


async def _add_follows(connection: AsyncConnection, now_us: int) -> int:
    for column, count in (
        (_edges.c.follower, accounts.c.following),
        (_edges.c.followed, accounts.c.followers),
    ):
        grouped = select(column.label("user"), func.count().label("many")).group_by(column).subquery()
        await connection.execute(
            update(accounts).where(accounts.c.user == grouped.c.user).values({count: count + grouped.c.many})
        )
    everything = select(_edges.c.follower, _edges.c.followed, literal(now_us, BigInteger)).order_by(
        _edges.c.follower, _edges.c.followed
    )
    added = await connection.execute(
        insert(follows).from_select(["follower", "followed", "since_us"], everything)
    )
    return int(added.rowcount)


def _is_there() -> ColumnElement[bool]:
    return exists().where(follows.c.follower == _edges.c.follower, follows.c.followed == _edges.c.followed)


def _is_blocked() -> ColumnElement[bool]:
    return exists().where(
        or_(
            (blocks.c.blocker == _edges.c.follower) & (blocks.c.blocked == _edges.c.followed),
            (blocks.c.blocker == _edges.c.followed) & (blocks.c.blocked == _edges.c.follower),
        )
    )
