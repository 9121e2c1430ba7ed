"""Repository of what is on sale: the terms of ticketed Spaces and the seats that are taken of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.roles import State
from signaling.rules.sale import Seats
from signaling.rules.sales import OnSale, Terms
from signaling.store.errors import StoreError
from signaling.store.pages import CHUNK
from signaling.store.tables import spaces
from signaling.store.tables_sales import offers, waiting


async def put(connection: AsyncConnection, space: bytes, host: str, terms: Terms) -> None:
    """Put a Space on sale, or change its terms; what is held and sold stays. IntegrityError where more is."""
    values = {
        "host": host,
        "price_minor": terms.price_minor,
        "currency": terms.currency,
        "capacity": terms.capacity,
        "promised_us": terms.promised_us,
        "sale_from_us": terms.sale_from_us,
        "sale_until_us": terms.sale_until_us,
    }
    changed = await connection.execute(update(offers).where(offers.c.space == space).values(values))
    if changed.rowcount == 0:
        await connection.execute(insert(offers).values(space=space, **values))


async def get(connection: AsyncConnection, space: bytes) -> OnSale | None:
    """A Space as the rules of sale see it, also one without terms. None: there is no such Space."""
    row = (await connection.execute(_query().where(spaces.c.space == space))).one_or_none()
    return None if row is None else _on_sale(row)


async def among(connection: AsyncConnection, candidates: Iterable[bytes]) -> dict[bytes, OnSale]:
    """Those of `candidates` that are ticketed."""
    wanted = list(candidates)
    found: dict[bytes, OnSale] = {}
    for at in range(0, len(wanted), CHUNK):
        query = _query().where(spaces.c.space.in_(wanted[at : at + CHUNK]), offers.c.space.is_not(None))
        for row in await connection.execute(query):
            found[bytes(row.space)] = _on_sale(row)
    return found


async def over(connection: AsyncConnection, since_us: int, until_us: int) -> list[bytes]:
    """Ticketed Spaces that ended, or were cancelled, within this time, the first one first."""
    query = (
        select(offers.c.space)
        .join(spaces, spaces.c.space == offers.c.space)
        .where(spaces.c.ended_us.between(since_us, until_us))
        .order_by(spaces.c.ended_us, offers.c.space)
    )
    return [bytes(space) for space in (await connection.execute(query)).scalars()]


async def with_room(connection: AsyncConnection, limit: int = 100) -> list[bytes]:
    """Spaces in which people wait and a seat is free."""
    query = (
        select(offers.c.space)
        .join(spaces, spaces.c.space == offers.c.space)
        .where(
            offers.c.held + offers.c.sold < offers.c.capacity,
            spaces.c.state.in_(("scheduled", "live")),
            select(waiting.c.user).where(waiting.c.space == offers.c.space).exists(),
        )
        .order_by(offers.c.space)
        .limit(limit)
    )
    return [bytes(space) for space in (await connection.execute(query)).scalars()]


async def take(connection: AsyncConnection, space: bytes, before: Seats, after: Seats) -> bool:
    """Change the seats that one sale takes. **False, and nothing changed, where they are not free.**

    One statement decides: whoever asks at the same time, never more than the capacity is held and sold.
    """
    held, sold = after.held - before.held, after.sold - before.sold
    if not held and not sold:
        return True
    values: dict[str, Any] = {"held": offers.c.held + held, "sold": offers.c.sold + sold}
    if after.sold:
        values["ever_sold"] = 1
    guard = [offers.c.space == space, offers.c.held + held >= 0, offers.c.sold + sold >= 0]
    if held + sold > 0:
        guard.append(offers.c.held + offers.c.sold + (held + sold) <= offers.c.capacity)
    changed = await connection.execute(update(offers).where(*guard).values(values))
    return bool(changed.rowcount == 1)


def no_seat(space: bytes) -> StoreError:
    """What is raised where a seat was to be taken and none is free."""
    return StoreError("sold_out", f"0 seats of the Space {space.hex()} are free, of 1 that is needed; wait.")


def _query() -> Select[Any]:
    waiters = (
        select(func.count())
        .select_from(waiting)
        .where(waiting.c.space == spaces.c.space)
        .scalar_subquery()
        .label("waiting")
    )
    return select(
        spaces.c.space,
        spaces.c.host.label("current_host"),
        spaces.c.state,
        spaces.c.starts_us,
        spaces.c.opened_us,
        *(column for column in offers.c if column.name != "space"),
        offers.c.space.label("offered"),
        waiters,
    ).select_from(spaces.outerjoin(offers, offers.c.space == spaces.c.space))


def _on_sale(row: Row[Any]) -> OnSale:
    starts_us = row.starts_us if row.starts_us is not None else row.opened_us
    state = State(row.state)
    if row.offered is None:
        return OnSale(bytes(row.space), row.current_host, state, starts_us)
    terms = Terms(
        row.price_minor, row.capacity, row.promised_us, row.currency, row.sale_from_us, row.sale_until_us
    )
    return OnSale(
        bytes(row.space),
        row.host,
        state,
        starts_us,
        terms,
        row.held,
        row.sold,
        row.waiting,
        row.ever_sold == 1,
    )
