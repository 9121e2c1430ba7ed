"""Spaces: which are live, who hosts them, how they ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store import accounts
from signaling.store.errors import StoreError
from signaling.store.tables import asks, spaces, stage

_CURSOR_BYTES = 8 + 16


@dataclass(frozen=True, slots=True)
class StoredSpace:
    """One row. `ended_us` and `ended_reason` are None while it is live."""

    space: bytes
    title: str
    host: str
    host_name: str
    state: str
    opened_us: int
    ended_us: int | None
    ended_reason: str | None


async def add(
    connection: AsyncConnection, *, space: bytes, title: str, host: str, host_name: str, now_us: int
) -> None:
    """A new live Space. StoreError already_hosting where its host has another live one."""
    other = await hosted_by(connection, host)
    if other is not None:
        raise StoreError(
            "already_hosting",
            f"{host!r} hosts {other.title!r}, which is live, and one is the limit; end that one first.",
        )
    await accounts.ensure(connection, host, host_name, now_us)
    await connection.execute(
        insert(spaces).values(
            space=space, title=title, host=host, host_name=host_name, state="live", opened_us=now_us
        )
    )


async def end(connection: AsyncConnection, space: bytes, reason: str, now_us: int) -> bool:
    """End a live Space: nobody is on stage or waiting any more. Returns False where it is not live."""
    ended = await connection.execute(
        update(spaces)
        .where(spaces.c.space == space, spaces.c.state == "live")
        .values(state="ended", ended_us=now_us, ended_reason=reason)
    )
    await connection.execute(delete(stage).where(stage.c.space == space))
    await connection.execute(delete(asks).where(asks.c.space == space))
    return bool(ended.rowcount == 1)


async def end_all_live(connection: AsyncConnection, now_us: int, reason: str = "server_restarted") -> int:
    """End what a crash left live; called at start-up, before anyone can open one. Returns how many."""
    live = select(spaces.c.space).where(spaces.c.state == "live")
    await connection.execute(delete(stage).where(stage.c.space.in_(live)))
    await connection.execute(delete(asks).where(asks.c.space.in_(live)))
    ended = await connection.execute(
        update(spaces)
        .where(spaces.c.state == "live")
        .values(state="ended", ended_us=now_us, ended_reason=reason)
    )
    return int(ended.rowcount)


async def get(connection: AsyncConnection, space: bytes) -> StoredSpace | None:
    """The Space with this id, live or ended, or None."""
    found = (await connection.execute(select(spaces).where(spaces.c.space == space))).one_or_none()
    return None if found is None else _stored(found)


async def hosted_by(connection: AsyncConnection, host: str) -> StoredSpace | None:
    """The live Space that `host` hosts, or None."""
    query = select(spaces).where(spaces.c.host == host, spaces.c.state == "live")
    found = (await connection.execute(query)).one_or_none()
    return None if found is None else _stored(found)


async def count_live(connection: AsyncConnection) -> int:
    """How many Spaces are live."""
    query = select(func.count()).select_from(spaces).where(spaces.c.state == "live")
    return int((await connection.execute(query)).scalar_one())


async def list_live(
    connection: AsyncConnection, limit: int = 50, after: bytes | None = None
) -> tuple[list[StoredSpace], bytes | None]:
    """Live Spaces, the latest opened first, and where to go on (`after`), None at the end.

    StoreError inconsistent for an `after` that no earlier page gave.
    """
    query = select(spaces).where(spaces.c.state == "live")
    if after is not None:
        if len(after) != _CURSOR_BYTES:
            raise StoreError(
                "inconsistent",
                f"The place to go on from has {len(after)} bytes, {_CURSOR_BYTES} is right; "
                "use the one of the page before.",
            )
        opened_us, space = int.from_bytes(after[:8], "big", signed=True), after[8:]
        earlier = spaces.c.opened_us < opened_us
        query = query.where(or_(earlier, and_(spaces.c.opened_us == opened_us, spaces.c.space > space)))
    query = query.order_by(spaces.c.opened_us.desc(), spaces.c.space).limit(limit + 1)
    found = [_stored(row) for row in await connection.execute(query)]
    if len(found) <= limit:
        return found, None
    page = found[:limit]
    more = page[-1].opened_us.to_bytes(8, "big", signed=True) + page[-1].space if page else None
    return page, more


def _stored(row: Row[Any]) -> StoredSpace:
    return StoredSpace(
        bytes(row.space),
        row.title,
        row.host,
        row.host_name,
        row.state,
        row.opened_us,
        row.ended_us,
        row.ended_reason,
    )
