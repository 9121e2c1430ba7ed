"""Repository of sales: each a row, from the hold of a seat to what was refunded of it.

Whoever changes a sale gives it as it was, too: its seats and the host's lifetime revenue change with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.refunds import lifetime_minor
from signaling.rules.sale import Sale, SaleState, Seats, seats
from signaling.rules.sales import TicketState
from signaling.store import offers, sellers
from signaling.store.errors import StoreError
from signaling.store.pages import chunks
from signaling.store.tables import spaces
from signaling.store.tables_ledger import ledger_transactions
from signaling.store.tables_sales import charges
from signaling.store.tables_sales import sales as table

_NAMES: Final = tuple(field.name for field in fields(Sale))
_FLAGS: Final = frozenset(field.name for field in fields(Sale) if field.type == "bool")
_IDS: Final = frozenset(field.name for field in fields(Sale) if field.type == "bytes")
_OPEN: Final = table.c.state.in_(("held", "paying"))


async def add(connection: AsyncConnection, sale: Sale) -> None:
    """Write a new hold, with the seat it takes.

    StoreError sold_out where none is free, hold_open where the buyer has another; and nothing is written.
    """
    if await open_of(connection, sale.buyer) is not None:
        raise StoreError(
            "hold_open", f"{sale.buyer!r} holds a seat already and 1 is the limit; buy or release it first."
        )
    if not await offers.take(connection, sale.space, Seats(0, 0), seats(sale)):
        raise offers.no_seat(sale.space)
    await connection.execute(insert(table).values(_values(sale)))


async def save(connection: AsyncConnection, before: Sale, after: Sale) -> None:
    """Write what became of a sale: the row, the seats it takes, the host's lifetime revenue.

    StoreError inconsistent where it is not as `before` says, sold_out where a seat it needs is not free.
    """
    old, new = _values(before), _values(after)
    changed = {name: new[name] for name in _NAMES if new[name] != old[name]}
    if not changed:
        return
    # Compared as a whole: what was decided about another state of it would be wrong.
    same = [table.c[name].is_not_distinct_from(old[name]) for name in _NAMES if name != "sale"]
    done = await connection.execute(update(table).where(table.c.sale == before.sale, *same).values(changed))
    if done.rowcount != 1:
        raise _moved(before)
    if not await offers.take(connection, before.space, seats(before), seats(after)):
        raise offers.no_seat(before.space)
    await sellers.earn(
        connection, before.host, before.sandbox, lifetime_minor(after) - lifetime_minor(before)
    )


async def get(connection: AsyncConnection, sale: bytes) -> Sale | None:
    """The sale of this id."""
    return _one((await connection.execute(select(table).where(table.c.sale == sale))).one_or_none())


async def by_charge(connection: AsyncConnection, charge: bytes) -> Sale | None:
    """The sale for which this charge was made, also if it was not the last one."""
    query = select(table).join(charges, charges.c.sale == table.c.sale).where(charges.c.charge == charge)
    return _one((await connection.execute(query)).one_or_none())


async def open_of(connection: AsyncConnection, buyer: str) -> Sale | None:
    """The open hold of a buyer, of whatever Space."""
    return _one((await connection.execute(select(table).where(table.c.buyer == buyer, _OPEN))).one_or_none())


async def offered_to(connection: AsyncConnection, users: Iterable[str]) -> list[Sale]:
    """The open holds that were offered to those of `users` who waited."""
    found: list[Sale] = []
    for part in chunks(users):
        query = select(table).where(table.c.buyer.in_(part), table.c.offered == 1, _OPEN)
        found += [_sale(row) for row in await connection.execute(query)]
    return found


async def tickets_of(connection: AsyncConnection, space: bytes, users: Iterable[str]) -> dict[str, bytes]:
    """The valid or revoked tickets of those of `users` who have one."""
    query = select(table.c.buyer, table.c.sale).where(
        table.c.space == space, table.c.ticket.in_(("valid", "revoked"))
    )
    found: dict[str, bytes] = {}
    for part in chunks(users):
        rows = await connection.execute(query.where(table.c.buyer.in_(part)))
        found.update({row.buyer: bytes(row.sale) for row in rows})
    return found


async def offered_since(connection: AsyncConnection, since_us: int) -> list[Sale]:
    """The open holds that were offered to who waited, since then."""
    query = select(table).where(table.c.offered == 1, table.c.held_us >= since_us, _OPEN)
    return [_sale(row) for row in await connection.execute(query)]


async def booked_after(connection: AsyncConnection, entry: int, limit: int = 500) -> list[tuple[int, Sale]]:
    """The sales of which something was booked behind the ledger's entry of this number, as they are now, each
    with its entry, in the order of booking."""
    booked = ledger_transactions
    query = (
        select(booked.c.entry, table)
        .join(table, table.c.sale == booked.c.ref)
        .where(booked.c.entry > entry)
        .order_by(booked.c.entry)
        .limit(limit)
    )
    return [(row.entry, _sale(row)) for row in await connection.execute(query)]


async def ticket_of(connection: AsyncConnection, space: bytes, user: str) -> Sale | None:
    """The sale by which `user` has a ticket: the one that keeps a seat, else the latest that was sold."""
    query = (
        select(table)
        .where(table.c.space == space, table.c.buyer == user, table.c.state == "sold")
        .order_by((table.c.ticket == "refunded").asc(), table.c.sold_us.desc(), table.c.sale)
        .limit(1)
    )
    return _one((await connection.execute(query)).one_or_none())


async def holders(connection: AsyncConnection, space: bytes) -> dict[str, Sale]:
    """Who has a valid ticket of a Space."""
    query = select(table).where(table.c.space == space, table.c.ticket == TicketState.VALID.value)
    return {row.buyer: _sale(row) for row in await connection.execute(query)}


async def of_space(connection: AsyncConnection, space: bytes) -> list[Sale]:
    """The sold ones of a Space, in the order of selling."""
    query = (
        select(table)
        .where(table.c.space == space, table.c.state == "sold")
        .order_by(table.c.sold_us, table.c.sale)
    )
    return [_sale(row) for row in await connection.execute(query)]


async def page(
    connection: AsyncConnection,
    *,
    buyer: str = "",
    space: bytes = b"",
    after: tuple[int, bytes] | None = None,
    limit: int = 100,
) -> tuple[list[Sale], tuple[int, bytes] | None]:
    """The sold ones of a buyer, of a Space, or of both, the latest first; and where to go on.

    A page goes on behind (`sold_us`, `sale`) of the last row of the one before.
    """
    query = select(table).where(table.c.state == "sold")
    if buyer:
        query = query.where(table.c.buyer == buyer)
    if space:
        query = query.where(table.c.space == space)
    if after is not None:
        at_us, sale = after
        query = query.where(or_(table.c.sold_us < at_us, and_(table.c.sold_us == at_us, table.c.sale < sale)))
    query = query.order_by(table.c.sold_us.desc(), table.c.sale.desc()).limit(limit + 1)
    found = [_sale(row) for row in await connection.execute(query)]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], (last.sold_us or 0, last.sale)


async def expired(
    connection: AsyncConnection, now_us: int, limit: int = 100, *, state: SaleState = SaleState.HELD
) -> list[Sale]:
    """Those in this state, HELD or PAYING, whose time is over, the longest first."""
    query = (
        select(table)
        .where(_OPEN, table.c.state == state.value, table.c.expires_us <= now_us)
        .order_by(table.c.expires_us, table.c.sale)
        .limit(limit)
    )
    return [_sale(row) for row in await connection.execute(query)]


async def next_expiry_us(connection: AsyncConnection, *, state: SaleState = SaleState.HELD) -> int | None:
    """When the next one in this state, HELD or PAYING, expires."""
    query = select(func.min(table.c.expires_us)).where(_OPEN, table.c.state == state.value)
    found = (await connection.execute(query)).scalar_one()
    return None if found is None else int(found)


async def unsettled(connection: AsyncConnection, after: bytes = b"", limit: int = 100) -> list[Sale]:
    """Sold ones of which the provider has not reported its fee, by id, behind `after`."""
    query = (
        select(table)
        .where(table.c.state == "sold", table.c.fee_minor.is_(None), table.c.sale > after)
        .order_by(table.c.sale)
        .limit(limit)
    )
    return [_sale(row) for row in await connection.execute(query)]


async def unpaid(connection: AsyncConnection, host: str) -> list[tuple[Sale, int | None]]:
    """A host's sold ones that are in no payout yet, each with the time when its Space was over, if it is."""
    query = (
        select(table, spaces.c.ended_us.label("closed_us"))
        .join(spaces, spaces.c.space == table.c.space)
        .where(table.c.host == host, table.c.state == "sold", table.c.payout.is_(None))
        .order_by(table.c.sold_us, table.c.sale)
    )
    return [(_sale(row), row.closed_us) for row in await connection.execute(query)]


async def of_payout(connection: AsyncConnection, payout: bytes) -> list[Sale]:
    """The sales whose share went into a payout."""
    query = select(table).where(table.c.payout == payout).order_by(table.c.sold_us, table.c.sale)
    return [_sale(row) for row in await connection.execute(query)]


def _values(sale: Sale) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in _NAMES:
        value = getattr(sale, name)
        if name in _FLAGS:
            value = int(value)
        elif name in _IDS:
            value = value or None
        elif isinstance(value, SaleState | TicketState):
            value = value.value
        values[name] = value
    return values


def _one(row: Row[Any] | None) -> Sale | None:
    return None if row is None else _sale(row)


def _sale(row: Row[Any]) -> Sale:
    values = {name: getattr(row, name) for name in _NAMES}
    values |= {name: bytes(values[name] or b"") for name in _IDS}
    values |= {name: values[name] == 1 for name in _FLAGS}
    ticket = values["ticket"]
    values |= {"state": SaleState(row.state), "ticket": None if ticket is None else TicketState(ticket)}
    return Sale(**values)


def _moved(sale: Sale) -> StoreError:
    return StoreError(
        "inconsistent",
        f"The sale {sale.sale.hex()} is not as it was when this was decided, and it must be; decide again.",
    )
