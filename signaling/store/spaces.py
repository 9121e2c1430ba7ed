"""Spaces: which are live, who hosts them, what is said of them, how they ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.money import Price
from signaling.store import accounts
from signaling.store.errors import StoreError
from signaling.store.pages import chunks, folded, pack_cursor, parse_cursor
from signaling.store.tables import asks, invites, links, pins, space_topics, spaces, spoke, stage
from signaling.store.tables_sales import offers

# What is of no use once a Space has ended.
_WHILE_LIVE = (stage, asks, spoke, invites, links, pins)
_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class StoredSpace:
    """One row. `opened_us` is None before it was opened, `ended_us` and `ended_reason` until it is over.

    `starts_us` is when a scheduled one begins, `notice_us` when its host was told; the numbers of
    `who_may_speak` and `queue_order` are those of the wire. `price`: of a ticket, None where none is sold.
    """

    space: bytes
    title: str
    host: str
    host_name: str
    state: str
    opened_us: int | None
    ended_us: int | None = None
    ended_reason: str | None = None
    founder: str = ""
    topics: tuple[str, ...] = ()
    kind: str = ""
    who_may_speak: int = 0
    queue_order: int = 0
    locked: bool = False
    starts_us: int | None = None
    notice_us: int | None = None
    price: Price | None = None


async def add(
    connection: AsyncConnection,
    *,
    space: bytes,
    title: str,
    host: str,
    host_name: str,
    now_us: int,
    topics: Iterable[str] = (),
    kind: str = "",
    who_may_speak: int = 0,
    queue_order: int = 0,
    locked: bool = False,
) -> None:
    """A Space is live: a new one, or one that was scheduled.

    StoreError: already_hosting where its host has another live one; inconsistent where it was live before.
    """
    await _expect_no_other(connection, host)
    await accounts.ensure(connection, host, host_name, now_us)
    values = {
        "host": host,
        "host_name": host_name,
        "state": "live",
        "opened_us": now_us,
        "news_us": now_us,
        **settings_values(title, kind, who_may_speak, queue_order, locked),
    }
    known = (await connection.execute(select(spaces.c.state).where(spaces.c.space == space))).scalar()
    if known is None:
        await connection.execute(insert(spaces).values(space=space, founder=host, **values))
    elif known == "scheduled":
        await connection.execute(update(spaces).where(spaces.c.space == space).values(**values))
    else:
        raise StoreError(
            "inconsistent", f"The Space {space.hex()} is {known}, only a scheduled one begins; open another."
        )
    await set_topics(connection, space, topics)


async def change(
    connection: AsyncConnection,
    space: bytes,
    *,
    title: str,
    topics: Iterable[str],
    kind: str,
    who_may_speak: int,
    queue_order: int,
    locked: bool,
) -> None:
    """Other settings for a live Space. StoreError no_such_space where it is not live."""
    changed = await connection.execute(
        update(spaces)
        .where(spaces.c.space == space, spaces.c.state == "live")
        .values(**settings_values(title, kind, who_may_speak, queue_order, locked))
    )
    if changed.rowcount != 1:
        raise not_live(space)
    await set_topics(connection, space, topics)


async def set_host(connection: AsyncConnection, space: bytes, host: str, host_name: str, now_us: int) -> None:
    """Somebody else hosts a live Space. StoreError: already_hosting; no_such_space where it is not live."""
    await _expect_no_other(connection, host, but=space)
    await accounts.ensure(connection, host, host_name, now_us)
    changed = await connection.execute(
        update(spaces)
        .where(spaces.c.space == space, spaces.c.state == "live")
        .values(host=host, host_name=host_name)
    )
    if changed.rowcount != 1:
        raise not_live(space)


async def end(
    connection: AsyncConnection, space: bytes, reason: str, now_us: int, state: str = "ended"
) -> bool:
    """End a live Space: nobody is on stage, waiting or invited any more. False where it is not live.

    `state`: ended or timed_out.
    """
    ended = await connection.execute(
        update(spaces)
        .where(spaces.c.space == space, spaces.c.state == "live")
        .values(state=state, ended_us=now_us, ended_reason=reason)
    )
    for table in _WHILE_LIVE:
        await connection.execute(delete(table).where(table.c.space == space))
    return bool(ended.rowcount == 1)


async def end_all_live(connection: AsyncConnection, now_us: int, reason: str = "server_restarted") -> int:
    """End what a crash left live; called at start-up, before anyone can open one. Returns how many."""
    live = select(spaces.c.space).where(spaces.c.state == "live")
    for table in _WHILE_LIVE:
        await connection.execute(delete(table).where(table.c.space.in_(live)))
    ended = await connection.execute(
        update(spaces)
        .where(spaces.c.state == "live")
        .values(state="ended", ended_us=now_us, ended_reason=reason)
    )
    return int(ended.rowcount)


async def get(connection: AsyncConnection, space: bytes) -> StoredSpace | None:
    """The Space with this id, whatever its state, or None."""
    found = await read(connection, select(spaces).where(spaces.c.space == space))
    return found[0] if found else None


async def hosted_by(connection: AsyncConnection, host: str) -> StoredSpace | None:
    """The live Space that `host` hosts, or None."""
    found = await read(connection, select(spaces).where(spaces.c.host == host, spaces.c.state == "live"))
    return found[0] if found else None


async def count_hosted(connection: AsyncConnection, host: str, since_us: int) -> int:
    """How many Spaces that `host` hosts, or hosted to their end, were opened since then."""
    query = select(func.count()).select_from(spaces)
    found = await connection.execute(query.where(spaces.c.host == host, spaces.c.opened_us >= since_us))
    return int(found.scalar_one())


async def titles(connection: AsyncConnection, wanted: Iterable[bytes]) -> dict[bytes, str]:
    """The titles of these Spaces, in whatever state they are."""
    found: dict[bytes, str] = {}
    for part in chunks(wanted):
        query = select(spaces.c.space, spaces.c.title).where(spaces.c.space.in_(part))
        found.update({bytes(row.space): row.title for row in await connection.execute(query)})
    return found


async def count_live(connection: AsyncConnection) -> int:
    """How many Spaces are live."""
    query = select(func.count()).select_from(spaces).where(spaces.c.state == "live")
    return int((await connection.execute(query)).scalar_one())


async def list_live(
    connection: AsyncConnection,
    limit: int = 50,
    after: bytes | None = None,
    *,
    text: str = "",
    topic: str = "",
) -> tuple[list[StoredSpace], bytes | None]:
    """Live Spaces, the latest opened first, and where to go on (`after`), None at the end.

    Only those with `text` in the title and about `topic`, where these are given: without regard to case.
    StoreError inconsistent for an `after` that no earlier page gave.
    """
    query = matching(select(spaces).where(spaces.c.state == "live"), text, topic)
    if after is not None:
        opened_us, space = parse_cursor(after)
        earlier = spaces.c.opened_us < opened_us
        query = query.where(or_(earlier, and_(spaces.c.opened_us == opened_us, spaces.c.space > space)))
    query = query.order_by(spaces.c.opened_us.desc(), spaces.c.space).limit(limit + 1)
    found = await read(connection, query)
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], pack_cursor(last.opened_us or 0, last.space)


# Of Spaces in any state, for `plans` too


def matching(query: Select[Any], text: str, topic: str) -> Select[Any]:
    """The query for Spaces with `text` in the title and about `topic`, where these are given."""
    if text:
        query = query.where(spaces.c.title_folded.contains(folded(text), autoescape=True, escape=_ESCAPE))
    if topic:
        about = select(space_topics.c.space).where(space_topics.c.topic == folded(topic))
        query = query.where(spaces.c.space.in_(about))
    return query


def settings_values(
    title: str, kind: str, who_may_speak: int, queue_order: int, locked: bool
) -> dict[str, object]:
    """The columns of a Space's settings."""
    return {
        "title": title,
        "title_folded": folded(title),
        "kind": kind,
        "who_may_speak": int(who_may_speak),
        "queue_order": int(queue_order),
        "locked": int(locked),
    }


async def set_topics(connection: AsyncConnection, space: bytes, topics: Iterable[str]) -> None:
    """What a Space is about, in this order, instead of what it was about."""
    await connection.execute(delete(space_topics).where(space_topics.c.space == space))
    rows = [
        {"space": space, "place": place, "topic": folded(topic)}
        for place, topic in enumerate(dict.fromkeys(topics))
    ]
    if rows:
        await connection.execute(insert(space_topics), rows)


async def read(connection: AsyncConnection, query: Select[Any]) -> list[StoredSpace]:
    """The Spaces that a query over their table finds, with their topics and prices."""
    priced = query.outerjoin(offers, offers.c.space == spaces.c.space)
    rows = (await connection.execute(priced.add_columns(offers.c.price_minor, offers.c.currency))).all()
    about: dict[bytes, list[str]] = {bytes(row.space): [] for row in rows}
    if about:
        found = await connection.execute(
            select(space_topics)
            .where(space_topics.c.space.in_(list(about)))
            .order_by(space_topics.c.space, space_topics.c.place)
        )
        for row in found:
            about[bytes(row.space)].append(row.topic)
    return [_stored(row, about[bytes(row.space)]) for row in rows]


def not_live(space: bytes) -> StoreError:
    """What is raised about a Space that is not live."""
    return StoreError("no_such_space", f"No live Space has the id {space.hex()}; list the live ones.")


async def _expect_no_other(connection: AsyncConnection, host: str, but: bytes = b"") -> None:
    other = await hosted_by(connection, host)
    if other is not None and other.space != but:
        raise StoreError(
            "already_hosting",
            f"{host!r} hosts {other.title!r}, which is live, and one is the limit; end that one first.",
        )


def _stored(row: Row[Any], topics: list[str]) -> StoredSpace:
    return StoredSpace(
        bytes(row.space),
        row.title,
        row.host,
        row.host_name,
        row.state,
        row.opened_us,
        row.ended_us,
        row.ended_reason,
        row.founder,
        tuple(topics),
        row.kind,
        row.who_may_speak,
        row.queue_order,
        bool(row.locked),
        row.starts_us,
        row.notice_us,
        None if row.price_minor is None else Price(row.price_minor, row.currency),
    )
