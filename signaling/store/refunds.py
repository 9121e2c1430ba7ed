"""Repository of refunds and disputes: what went back of sales, and what is owed still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.refunds import Refund, RefundReason, RefundState
from signaling.store.pages import chunks
from signaling.store.tables_sales import CODE_CHARS, NOTE_CHARS, disputes, sales
from signaling.store.tables_sales import refunds as table


@dataclass(frozen=True, slots=True)
class StoredRefund:
    """A refund, and what the provider is known to say of it; `attempts` counts the vain ones."""

    refund: Refund
    ref: str = ""
    failure: str = ""
    attempts: int = 0
    next_us: int = 0


@dataclass(frozen=True, slots=True)
class StoredDispute:
    """A chargeback by the provider's name of it. `state`: opened, won or lost."""

    provider: str
    ref: str
    sale: bytes
    state: str
    amount_minor: int
    fee_minor: int
    at_us: int


async def add(connection: AsyncConnection, refund: Refund) -> None:
    """Write what is owed, with the sale of which it is: in the transaction that books it."""
    await connection.execute(
        insert(table).values(
            refund=refund.refund,
            sale=refund.sale,
            amount_minor=refund.amount_minor,
            reason=refund.reason.value,
            at_us=refund.at_us,
            state=refund.state.value,
            note=refund.note[:NOTE_CHARS],
        )
    )


async def save(connection: AsyncConnection, refund: Refund, *, ref: str = "", failure: str = "") -> bool:
    """What became of it. The provider's name of it stays where none is given. False: no such refund."""
    values: dict[str, Any] = {
        "state": refund.state.value,
        "fee_returned_minor": refund.fee_returned_minor,
        "failure": failure[:CODE_CHARS],
    }
    values |= {"ref": ref} if ref else {}
    changed = await connection.execute(update(table).where(table.c.refund == refund.refund).values(values))
    return bool(changed.rowcount == 1)


async def put_off(connection: AsyncConnection, refund: bytes, until_us: int) -> None:
    """It was asked about, or tried, in vain: again at `until_us`."""
    await connection.execute(
        update(table).where(table.c.refund == refund).values(attempts=table.c.attempts + 1, next_us=until_us)
    )


async def get(connection: AsyncConnection, refund: bytes) -> StoredRefund | None:
    """The refund of this id."""
    row = (await connection.execute(select(table).where(table.c.refund == refund))).one_or_none()
    return None if row is None else _refund(row)


async def of_sale(connection: AsyncConnection, sale: bytes) -> list[StoredRefund]:
    """The refunds of a sale, the first one first."""
    query = select(table).where(table.c.sale == sale).order_by(table.c.at_us, table.c.refund)
    return [_refund(row) for row in await connection.execute(query)]


async def latest_of(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, Refund]:
    """The last refund of each of these sales that has one."""
    found: dict[bytes, Refund] = {}
    for part in chunks(wanted):
        query = select(table).where(table.c.sale.in_(part)).order_by(table.c.at_us, table.c.refund)
        found |= {bytes(row.sale): _refund(row).refund for row in await connection.execute(query)}
    return found


async def owed(connection: AsyncConnection, now_us: int, limit: int = 100) -> list[StoredRefund]:
    """Those that no provider has confirmed and that are due to be tried, the longest due first."""
    query = (
        select(table)
        .where(table.c.state == RefundState.OWED.value, table.c.next_us <= now_us)
        .order_by(table.c.next_us, table.c.refund)
        .limit(limit)
    )
    return [_refund(row) for row in await connection.execute(query)]


async def put_dispute(connection: AsyncConnection, dispute: StoredDispute) -> None:
    """Write what is known of a dispute, whether it is new or not."""
    same = (disputes.c.provider == dispute.provider, disputes.c.ref == dispute.ref)
    values = {
        "sale": dispute.sale,
        "state": dispute.state,
        "amount_minor": dispute.amount_minor,
        "fee_minor": dispute.fee_minor,
        "at_us": dispute.at_us,
    }
    changed = await connection.execute(update(disputes).where(*same).values(values))
    if changed.rowcount == 0:
        await connection.execute(
            insert(disputes).values(provider=dispute.provider, ref=dispute.ref, **values)
        )


async def dispute(connection: AsyncConnection, provider: str, ref: str) -> StoredDispute | None:
    """The dispute that a provider calls so."""
    query = select(disputes).where(disputes.c.provider == provider, disputes.c.ref == ref)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return StoredDispute(
        row.provider, row.ref, bytes(row.sale), row.state, row.amount_minor, row.fee_minor, row.at_us
    )


async def of_space(connection: AsyncConnection, space: bytes) -> list[StoredRefund]:
    """The refunds of all sales of a Space, the first one first."""
    query = (
        select(table)
        .join(sales, sales.c.sale == table.c.sale)
        .where(sales.c.space == space)
        .order_by(table.c.at_us, table.c.refund)
    )
    return [_refund(row) for row in await connection.execute(query)]


def _refund(row: Row[Any]) -> StoredRefund:
    refund = Refund(
        bytes(row.refund),
        bytes(row.sale),
        row.amount_minor,
        RefundReason(row.reason),
        row.at_us,
        RefundState(row.state),
        row.fee_returned_minor,
        row.note,
    )
    return StoredRefund(refund, row.ref, row.failure, row.attempts, row.next_us)
