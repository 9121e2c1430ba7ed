"""Repository of waiting lists: who waits for a seat of a Space that is sold out, in the order of coming."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.waiting import Waiter
from signaling.store.tables_sales import sales
from signaling.store.tables_sales import waiting as table


async def add(connection: AsyncConnection, space: bytes, user: str, now_us: int) -> int:
    """Go to the end of the list, or stay where one is; returns the place, from 1."""
    known = await place(connection, space, user)
    if known:
        return known
    last = select(func.max(table.c.number)).where(table.c.space == space)
    number = ((await connection.execute(last)).scalar_one() or 0) + 1
    await connection.execute(insert(table).values(space=space, number=number, user=user, since_us=now_us))
    return await place(connection, space, user)


async def remove(connection: AsyncConnection, space: bytes, user: str) -> bool:
    """Returns whether they waited."""
    gone = await connection.execute(delete(table).where(table.c.space == space, table.c.user == user))
    return bool(gone.rowcount == 1)


async def clear(connection: AsyncConnection, space: bytes) -> int:
    """Nobody waits any more; returns how many did."""
    return int((await connection.execute(delete(table).where(table.c.space == space))).rowcount)


async def place(connection: AsyncConnection, space: bytes, user: str) -> int:
    """Their place on the list, from 1; 0 for who does not wait."""
    own = select(table.c.number).where(table.c.space == space, table.c.user == user)
    number = (await connection.execute(own)).scalar_one_or_none()
    if number is None:
        return 0
    before = select(func.count()).select_from(table).where(table.c.space == space, table.c.number <= number)
    return int((await connection.execute(before)).scalar_one())


async def first(connection: AsyncConnection, space: bytes, limit: int = 100) -> list[Waiter]:
    """The longest waiting who have no open hold."""
    hold = (
        select(sales.c.sale)
        .where(sales.c.buyer == table.c.user, sales.c.state.in_(("held", "paying")))
        .correlate(table)
        .exists()
    )
    query = (
        select(table.c.number, table.c.user)
        .where(table.c.space == space, ~hold)
        .order_by(table.c.number)
        .limit(limit)
    )
    return [Waiter(row.number, row.user) for row in await connection.execute(query)]
