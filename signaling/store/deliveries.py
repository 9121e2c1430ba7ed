"""Repository of what was delivered: the checkpoints of ticketed Spaces, each in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.errors import StoreError
from signaling.store.pages import chunks
from signaling.store.tables_sales import deliveries, offers, sales


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known of a ticketed Space: how long it was on air at `at_us` (None: it was not), and what of
    that was delivered to each sale."""

    on_air_us: int
    at_us: int | None
    delivered_us: Mapping[bytes, int]


async def checkpoint(
    connection: AsyncConnection, space: bytes, on_air_us: int, delivered_us: Mapping[bytes, int], now_us: int
) -> None:
    """Write down how long the Space is on air, and what was delivered to these sales.

    StoreError inconsistent: the Space is not ticketed.
    """
    values = {"on_air_us": on_air_us, "checkpoint_us": now_us}
    done = await connection.execute(update(offers).where(offers.c.space == space).values(values))
    if done.rowcount != 1:
        raise StoreError(
            "inconsistent", f"The Space {space.hex()} has 0 terms of sale, and 1 is needed; put it on sale."
        )
    known = set(await _delivered(connection, space))
    for sale, sale_us in delivered_us.items():
        if sale in known:
            await connection.execute(
                update(deliveries).where(deliveries.c.sale == sale).values(delivered_us=sale_us)
            )
    new = [
        {"sale": sale, "delivered_us": sale_us} for sale, sale_us in delivered_us.items() if sale not in known
    ]
    if new:
        await connection.execute(insert(deliveries), new)


async def of_space(connection: AsyncConnection, space: bytes) -> Delivered | None:
    """The last checkpoint of a Space; None where it is not ticketed."""
    query = select(offers.c.on_air_us, offers.c.checkpoint_us).where(offers.c.space == space)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return Delivered(row.on_air_us, row.checkpoint_us, await _delivered(connection, space))


async def of_sale(connection: AsyncConnection, sale: bytes) -> int:
    """What was delivered to a sale at the last checkpoint."""
    query = select(deliveries.c.delivered_us).where(deliveries.c.sale == sale)
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def of_sales(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, int]:
    """What was delivered to these sales, where anything was written down of them."""
    query = select(deliveries.c.sale, deliveries.c.delivered_us)
    found: dict[bytes, int] = {}
    for part in chunks(wanted):
        rows = await connection.execute(query.where(deliveries.c.sale.in_(part)))
        found.update({bytes(row.sale): row.delivered_us for row in rows})
    return found


async def _delivered(connection: AsyncConnection, space: bytes) -> dict[bytes, int]:
    query = (
        select(deliveries.c.sale, deliveries.c.delivered_us)
        .join(sales, sales.c.sale == deliveries.c.sale)
        .where(sales.c.space == space)
    )
    return {bytes(row.sale): row.delivered_us for row in await connection.execute(query)}
