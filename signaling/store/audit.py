"""Who did what in a Space, for its host to read. Nothing of it is ever changed or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.pages import numbered_page
from signaling.store.tables import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`entry` counts up in a Space. `target` and `detail` are empty where there is none."""

    entry: int
    at_us: int
    actor: str
    action: str
    target: str
    detail: str


async def add(
    connection: AsyncConnection,
    space: bytes,
    actor: str,
    action: str,
    now_us: int,
    *,
    target: str = "",
    detail: str = "",
) -> None:
    """`actor` did `action`."""
    last = select(func.coalesce(func.max(audit.c.entry), 0) + 1).where(audit.c.space == space)
    await connection.execute(
        insert(audit).values(
            space=space,
            entry=last.scalar_subquery(),
            at_us=now_us,
            actor=actor,
            action=str(action),
            target=target,
            detail=detail,
        )
    )


async def page(
    connection: AsyncConnection, space: bytes, before: int = 0, limit: int = 50
) -> tuple[list[AuditEntry], int]:
    """The latest first, those of lower numbers than `before` (0: all); where to go on, 0 at the end."""
    query = numbered_page(select(audit).where(audit.c.space == space), audit.c.entry, before, limit)
    rows = (await connection.execute(query)).all()
    found = [
        AuditEntry(row.entry, row.at_us, row.actor, row.action, row.target, row.detail)
        for row in rows[:limit]
    ]
    return found, found[-1].entry if len(rows) > limit else 0


async def targets(connection: AsyncConnection, space: bytes, action: str) -> frozenset[str]:
    """At whom this act was aimed in this Space, ever."""
    query = select(audit.c.target).where(audit.c.space == space, audit.c.action == str(action)).distinct()
    return frozenset((await connection.execute(query)).scalars())
