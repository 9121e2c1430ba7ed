"""What is known of who wants to hold a seat: tickets, open holds, and holds that bought nothing."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.holds import NO_LAPSES, BuyerFacts, Lapses
from signaling.store.tables_sales import lapses, sales


async def facts(
    connection: AsyncConnection, space: bytes, buyer: str, prefix: str, *, free_of_charge: bool = False
) -> BuyerFacts:
    """What the rules ask of `buyer` before they hold a seat of `space`."""
    is_open = sales.c.state.in_(("held", "paying"))
    kept = sales.c.ticket.in_(("valid", "revoked"))
    mine, ticket = sales.c.buyer == buyer, sales.c.space == space
    from_prefix = select(func.count()).select_from(sales).where(sales.c.prefix == prefix, is_open)
    return BuyerFacts(
        prefix,
        free_of_charge,
        (await connection.execute(select(sales.c.sale).where(mine, ticket, kept))).first() is not None,
        (await connection.execute(select(sales.c.sale).where(mine, is_open))).first() is not None,
        int((await connection.execute(from_prefix)).scalar_one()),
        await lapses_of(connection, buyer),
    )


async def lapses_of(connection: AsyncConnection, buyer: str) -> Lapses:
    """Holds of a buyer in a row that bought nothing."""
    query = select(lapses.c["count"], lapses.c.last_us).where(lapses.c.buyer == buyer)
    row = (await connection.execute(query)).one_or_none()
    return NO_LAPSES if row is None else Lapses(row[0], row[1])


async def put_lapses(connection: AsyncConnection, buyer: str, now: Lapses) -> None:
    """What `rules.holds.after_lapse` says, or none after a purchase."""
    if not now[0]:
        await connection.execute(delete(lapses).where(lapses.c.buyer == buyer))
        return
    values = {"count": now[0], "last_us": now.last_us}
    changed = await connection.execute(update(lapses).where(lapses.c.buyer == buyer).values(values))
    if changed.rowcount == 0:
        await connection.execute(insert(lapses).values(buyer=buyer, **values))
