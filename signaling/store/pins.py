"""What hosts pinned in a Space."""

from __future__ import annotations

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Pin
from signaling.store import accounts
from signaling.store.tables import pins


async def add(connection: AsyncConnection, space: bytes, pin: Pin, now_us: int) -> None:
    """Keep a pin. IntegrityError where the Space has one of this number."""
    await accounts.ensure(connection, pin.user, "", now_us)
    await connection.execute(
        insert(pins).values(space=space, pin=pin.pin, user=pin.user, text=pin.text, at_us=pin.at_us)
    )


async def remove(connection: AsyncConnection, space: bytes, pin: int) -> bool:
    """Delete a pin. Returns whether it was there."""
    gone = await connection.execute(delete(pins).where(pins.c.space == space, pins.c.pin == pin))
    return bool(gone.rowcount == 1)


async def pinned(connection: AsyncConnection, space: bytes) -> tuple[Pin, ...]:
    """What is pinned, the earliest first."""
    rows = await connection.execute(select(pins).where(pins.c.space == space).order_by(pins.c.pin))
    return tuple(Pin(row.pin, row.user, row.text, row.at_us) for row in rows)
