"""Who is on stage, who was, and who asks to be."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CursorResult, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import OnStage, Role, Waiting
from signaling.store import accounts
from signaling.store.errors import StoreError
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import asks, stage
from signaling.store.tables import spoke as spoke_table


async def seat(connection: AsyncConnection, space: bytes, place: OnStage, now_us: int) -> None:
    """Someone takes a seat. IntegrityError where the seat or the person has another."""
    await accounts.ensure(connection, place.user, place.name, now_us)
    await connection.execute(
        insert(stage).values(
            space=space,
            user=place.user,
            seat=place.seat,
            role=int(place.role),
            muted=int(place.muted),
            held=int(place.held),
            volume_pct=place.volume_pct,
            since_us=now_us,
        )
    )


async def change(
    connection: AsyncConnection,
    space: bytes,
    user: str,
    *,
    role: Role,
    muted: bool,
    held: bool,
    volume_pct: int,
) -> None:
    """Someone on stage is this from now on. StoreError inconsistent where they are not there."""
    found = await connection.execute(
        update(stage)
        .where(stage.c.space == space, stage.c.user == user)
        .values(role=int(role), muted=int(muted), held=int(held), volume_pct=volume_pct)
    )
    _expect_one(found, f"{user!r} is not on stage")


async def unseat(connection: AsyncConnection, space: bytes, user: str) -> None:
    """Someone leaves the stage. StoreError inconsistent where they are not there."""
    found = await connection.execute(delete(stage).where(stage.c.space == space, stage.c.user == user))
    _expect_one(found, f"{user!r} is not on stage")


async def on_stage(connection: AsyncConnection, space: bytes) -> list[OnStage]:
    """Everyone on stage in the order of coming up; a lost connection is not known here."""
    query = (
        select(stage, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == stage.c.user)
        .where(stage.c.space == space)
        .order_by(stage.c.since_us, stage.c.seat)
    )
    rows = await connection.execute(query)
    return [
        OnStage(
            row.seat,
            row.user,
            row.name,
            Role(row.role),
            bool(row.muted),
            bool(row.held),
            row.volume_pct,
        )
        for row in rows
    ]


async def spoke(connection: AsyncConnection, space: bytes, user: str, now_us: int) -> None:
    """Someone was on stage: in a fair queue they stand behind those who were not. Once is enough."""
    if user not in await who_spoke(connection, space):
        await accounts.ensure(connection, user, "", now_us)
        await connection.execute(insert(spoke_table).values(space=space, user=user))


async def who_spoke(connection: AsyncConnection, space: bytes) -> frozenset[str]:
    """Everyone who was on stage."""
    query = select(spoke_table.c.user).where(spoke_table.c.space == space)
    return frozenset((await connection.execute(query)).scalars())


async def ask(connection: AsyncConnection, space: bytes, waiting: Waiting, now_us: int) -> None:
    """Someone asks to speak. IntegrityError where they have an open ask."""
    await accounts.ensure(connection, waiting.user, waiting.name, now_us)
    await connection.execute(insert(asks).values(space=space, user=waiting.user, asked_us=now_us))


async def close_ask(connection: AsyncConnection, space: bytes, user: str) -> None:
    """An ask is answered or withdrawn. StoreError inconsistent where there is none."""
    found = await connection.execute(delete(asks).where(asks.c.space == space, asks.c.user == user))
    _expect_one(found, f"{user!r} has no open ask")


async def waiting(connection: AsyncConnection, space: bytes) -> list[Waiting]:
    """Who asks to speak, the earliest first."""
    query = (
        select(asks.c.user, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == asks.c.user)
        .where(asks.c.space == space)
        .order_by(asks.c.ask)
    )
    return [Waiting(row.user, row.name) for row in await connection.execute(query)]


def _expect_one(found: CursorResult[Any], otherwise: str) -> None:
    if found.rowcount != 1:
        raise StoreError(
            "inconsistent", f"The store has {found.rowcount} rows where 1 is right: {otherwise}."
        )
