"""Repository of what was delivered: the checkpoints of ticketed Spaces, each in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.delivery import delivered_us
from signaling.store.errors import StoreError
from signaling.store.pages import chunks
from signaling.store.tables_sales import deliveries, offers, sales


@dataclass(frozen=True, slots=True)
class Delivered:
    """What is known of a ticketed Space: how long it was on air at `at_us` (None: it was not), and what each
    sale missed of that, where it missed anything."""

    on_air_us: int
    at_us: int | None
    missed_us: Mapping[bytes, int]

    def to(self, sale: bytes) -> int:
        """What counts as delivered to a sale of the Space, in microseconds."""
        return delivered_us(self.on_air_us, self.missed_us.get(sale, 0))


class Heard(NamedTuple):
    """How long its Space was on air, and what of that counts as delivered to a sale."""

    on_air_us: int
    delivered_us: int


async def checkpoint(
    connection: AsyncConnection, space: bytes, on_air_us: int, missed_us: Mapping[bytes, int], now_us: int
) -> None:
    """Write down how long the Space is on air, and what these sales missed; of others what is there stays.

    StoreError inconsistent: the Space is not ticketed.
    """
    values = {"on_air_us": on_air_us, "checkpoint_us": now_us}
    done = await connection.execute(update(offers).where(offers.c.space == space).values(values))
    if done.rowcount != 1:
        raise StoreError(
            "inconsistent", f"The Space {space.hex()} has 0 terms of sale, and 1 is needed; put it on sale."
        )
    for part in chunks(missed_us):
        query = select(deliveries.c.sale).where(deliveries.c.sale.in_(part))
        known = {bytes(sale) for sale in (await connection.execute(query)).scalars()}
        # Each a statement for all of them: there may be thousands, every few seconds.
        if known:
            changed = update(deliveries).where(deliveries.c.sale == bindparam("of"))
            await connection.execute(
                changed.values(missed_us=bindparam("now")),
                [{"of": sale, "now": missed_us[sale]} for sale in part if sale in known],
            )
        new = [{"sale": sale, "missed_us": missed_us[sale]} for sale in part if sale not in known]
        if new:
            await connection.execute(insert(deliveries), new)


async def of_space(connection: AsyncConnection, space: bytes) -> Delivered | None:
    """The last checkpoint of a Space; None where it is not ticketed."""
    query = select(offers.c.on_air_us, offers.c.checkpoint_us).where(offers.c.space == space)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    missed = (
        select(deliveries.c.sale, deliveries.c.missed_us)
        .join(sales, sales.c.sale == deliveries.c.sale)
        .where(sales.c.space == space)
    )
    found = {bytes(each.sale): each.missed_us for each in await connection.execute(missed)}
    return Delivered(row.on_air_us, row.checkpoint_us, found)


async def of_sales(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, Heard]:
    """Each of these sales as the last checkpoint of its Space says."""
    query = (
        select(sales.c.sale, offers.c.on_air_us, deliveries.c.missed_us)
        .join(offers, offers.c.space == sales.c.space)
        .outerjoin(deliveries, deliveries.c.sale == sales.c.sale)
    )
    found: dict[bytes, Heard] = {}
    for part in chunks(wanted):
        for row in await connection.execute(query.where(sales.c.sale.in_(part))):
            heard_us = delivered_us(row.on_air_us, row.missed_us or 0)
            found[bytes(row.sale)] = Heard(row.on_air_us, heard_us)
    return found
