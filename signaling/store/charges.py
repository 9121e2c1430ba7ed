"""Repository of charges: each attempt to pay for a sale, written before the provider is asked.

`state` is a word of `signaling.pay.ChargeState`, or "intended" while nobody has heard of the provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.pages import chunks
from signaling.store.tables_sales import CODE_CHARS, charges

INTENDED: Final = "intended"
_UNDER_WAY: Final = charges.c.state.in_((INTENDED, "unknown", "needs_action", "pending"))


@dataclass(frozen=True, slots=True)
class StoredCharge:
    """One attempt. `ref` is the provider's name of it; `attempts` counts how often it was asked about;
    `decline_code` is its word for why it was declined."""

    charge: bytes
    sale: bytes
    provider: str
    made_us: int
    state: str = INTENDED
    ref: str = ""
    action_url: str = ""
    attempts: int = 0
    next_us: int = 0
    decline_code: str = ""


async def add(connection: AsyncConnection, charge: StoredCharge) -> None:
    """Write the intent."""
    await connection.execute(
        insert(charges).values(
            charge=charge.charge,
            sale=charge.sale,
            provider=charge.provider,
            state=charge.state,
            ref=charge.ref,
            action_url=charge.action_url,
            made_us=charge.made_us,
            next_us=charge.next_us,
        )
    )


async def put(
    connection: AsyncConnection,
    charge: bytes,
    state: str,
    *,
    ref: str = "",
    action_url: str = "",
    decline_code: str = "",
) -> bool:
    """What the provider says of it. A name that is known stays where none is given. False: no such charge."""
    values = {"state": state, "action_url": action_url, "decline_code": decline_code[:CODE_CHARS]}
    values |= {"ref": ref} if ref else {}
    changed = await connection.execute(update(charges).where(charges.c.charge == charge).values(values))
    return bool(changed.rowcount == 1)


async def put_off(connection: AsyncConnection, charge: bytes, until_us: int) -> None:
    """It was asked about in vain: ask again at `until_us`."""
    await connection.execute(
        update(charges)
        .where(charges.c.charge == charge)
        .values(attempts=charges.c.attempts + 1, next_us=until_us)
    )


async def move(connection: AsyncConnection, charge: bytes, sale: bytes) -> None:
    """It did not pay for the sale it was made for: another one has it from now on."""
    await connection.execute(update(charges).where(charges.c.charge == charge).values(sale=sale))


async def get(connection: AsyncConnection, charge: bytes) -> StoredCharge | None:
    """The charge of this id."""
    return _one((await connection.execute(select(charges).where(charges.c.charge == charge))).one_or_none())


async def by_ref(connection: AsyncConnection, provider: str, ref: str) -> StoredCharge | None:
    """The charge that a provider calls so."""
    query = select(charges).where(charges.c.provider == provider, charges.c.ref == ref)
    return _one((await connection.execute(query)).one_or_none()) if ref else None


async def of_sale(connection: AsyncConnection, sale: bytes) -> list[StoredCharge]:
    """All attempts to pay for a sale, the first one first."""
    query = select(charges).where(charges.c.sale == sale).order_by(charges.c.made_us, charges.c.charge)
    return [_charge(row) for row in await connection.execute(query)]


async def under_way(connection: AsyncConnection, now_us: int, limit: int = 100) -> list[StoredCharge]:
    """Those without an end that are due to be asked about, the longest due first."""
    query = (
        select(charges)
        .where(_UNDER_WAY, charges.c.next_us <= now_us)
        .order_by(charges.c.next_us, charges.c.charge)
        .limit(limit)
    )
    return [_charge(row) for row in await connection.execute(query)]


async def declines(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, str]:
    """Why those of `wanted` that the provider declined were, by the sale they were to pay for."""
    found: dict[bytes, str] = {}
    for part in chunks(wanted):
        query = select(charges.c.sale, charges.c.decline_code).where(
            charges.c.charge.in_(part), charges.c.state == "declined"
        )
        found |= {bytes(row.sale): row.decline_code for row in await connection.execute(query)}
    return found


def _one(row: Row[Any] | None) -> StoredCharge | None:
    return None if row is None else _charge(row)


def _charge(row: Row[Any]) -> StoredCharge:
    return StoredCharge(
        bytes(row.charge),
        bytes(row.sale),
        row.provider,
        row.made_us,
        row.state,
        row.ref,
        row.action_url,
        row.attempts,
        row.next_us,
        row.decline_code,
    )
