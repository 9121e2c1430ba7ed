"""Repository of what hosts earned in all, net of fees and refunds: by it their next sale is split."""

from __future__ import annotations

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.tables_ledger import sellers


async def lifetime_minor(connection: AsyncConnection, host: str, *, sandbox: bool = False) -> int:
    """The sum of `rules.refunds.lifetime_minor` over a host's sales; the sandbox's apart."""
    query = select(sellers.c.lifetime_minor).where(sellers.c.host == host, sellers.c.sandbox == int(sandbox))
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def earn(connection: AsyncConnection, host: str, sandbox: bool, step_minor: int) -> None:
    """Add to it, or take from it. `sales.save` does."""
    if not step_minor:
        return
    same = (sellers.c.host == host, sellers.c.sandbox == int(sandbox))
    changed = await connection.execute(
        update(sellers).where(*same).values(lifetime_minor=sellers.c.lifetime_minor + step_minor)
    )
    if changed.rowcount == 0:
        await connection.execute(
            insert(sellers).values(host=host, sandbox=int(sandbox), lifetime_minor=step_minor)
        )
