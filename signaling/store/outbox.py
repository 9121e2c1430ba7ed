"""The outbox of webhooks: written with the act it tells of, taken in the order of each Space.

An event stays until its receiver has acknowledged it, over restarts too: it is sent at least once. A later
event of the same Space is not sent before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.tables import outbox

# Of one receiver. At 1 KiB an event this is 10 MiB; a receiver that was away longer has lost the latest.
EVENTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event on its way. `attempts` counts those that failed."""

    serial: int
    space: bytes
    receiver: str
    event_id: str
    body: bytes
    made_us: int
    attempts: int


async def add(
    connection: AsyncConnection, space: bytes, event_id: str, body: bytes, now_us: int, *, receiver: str = ""
) -> bool:
    """Put an event behind the others of its Space. False, and nothing written, where EVENTS_MAX wait.

    IntegrityError for an event that is there already.
    """
    if await count(connection, receiver) >= EVENTS_MAX:
        return False
    await connection.execute(
        insert(outbox).values(
            space=space, receiver=receiver, event_id=event_id, body=body, made_us=now_us, next_us=now_us
        )
    )
    return True


async def count(connection: AsyncConnection, receiver: str = "") -> int:
    """How many events wait for a receiver."""
    query = select(func.count()).select_from(outbox).where(outbox.c.receiver == receiver)
    return int((await connection.execute(query)).scalar_one())


async def first(connection: AsyncConnection, space: bytes, *, receiver: str = "") -> Outgoing | None:
    """The first event of one Space, due or not; None where nothing waits. Costs the same in a full outbox.

    Asking changes nothing: tell what became of it by `acknowledge` and `put_off`.
    """
    query = (
        select(outbox)
        .where(outbox.c.receiver == receiver, outbox.c.space == space)
        .order_by(outbox.c.serial)
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _outgoing(row)


async def waiting(connection: AsyncConnection, *, receiver: str = "") -> dict[bytes, int]:
    """The Spaces of which something waits, and when the first event of each may be sent."""
    heads = select(func.min(outbox.c.serial)).where(outbox.c.receiver == receiver).group_by(outbox.c.space)
    query = select(outbox.c.space, outbox.c.next_us).where(outbox.c.serial.in_(heads))
    return {bytes(row.space): int(row.next_us) for row in await connection.execute(query)}


async def acknowledge(connection: AsyncConnection, event: Outgoing) -> bool:
    """The receiver has it; the next of its Space is the first now. False where that was known."""
    gone = await connection.execute(delete(outbox).where(_is(event)))
    return bool(gone.rowcount == 1)


async def put_off(connection: AsyncConnection, event: Outgoing, until_us: int) -> bool:
    """It did not arrive: try again at `until_us`, and nothing of its Space before. False where it is gone."""
    changed = await connection.execute(
        update(outbox).where(_is(event)).values(attempts=outbox.c.attempts + 1, next_us=until_us)
    )
    return bool(changed.rowcount == 1)


def _outgoing(row: Row[Any]) -> Outgoing:
    return Outgoing(
        row.serial,
        bytes(row.space),
        row.receiver,
        row.event_id,
        bytes(row.body),
        row.made_us,
        row.attempts,
    )


def _is(event: Outgoing) -> ColumnElement[bool]:
    # By both: a database may use the serial of an event that is gone again.
    return (outbox.c.serial == event.serial) & (outbox.c.event_id == event.event_id)
