"""Scheduled Spaces, who wants to be reminded of them, and who has been told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import Person
from signaling.store import accounts, spaces
from signaling.store.errors import StoreError
from signaling.store.pages import chunks, pack_cursor, parse_cursor, person_page
from signaling.store.spaces import StoredSpace
from signaling.store.tables import accounts as accounts_table
from signaling.store.tables import follows, reminders
from signaling.store.tables import spaces as table


@dataclass(frozen=True, slots=True)
class Listed:
    """A scheduled Space as one person sees it: how many want to be reminded, and whether they do."""

    plan: StoredSpace
    reminders: int
    reminded: bool


async def add(
    connection: AsyncConnection,
    *,
    space: bytes,
    title: str,
    host: str,
    host_name: str,
    starts_us: int,
    now_us: int,
    topics: Iterable[str] = (),
    kind: str = "",
    who_may_speak: int = 0,
    queue_order: int = 0,
    locked: bool = False,
) -> None:
    """A new scheduled Space. It becomes live by `spaces.add`."""
    await accounts.ensure(connection, host, host_name, now_us)
    await connection.execute(
        insert(table).values(
            space=space,
            host=host,
            founder=host,
            host_name=host_name,
            state="scheduled",
            starts_us=starts_us,
            **spaces.settings_values(title, kind, who_may_speak, queue_order, locked),
        )
    )
    await spaces.set_topics(connection, space, topics)


async def move(connection: AsyncConnection, space: bytes, starts_us: int, now_us: int) -> None:
    """Another time: its host is to be told anew, and so are those with a reminder.

    StoreError no_such_space where it is not scheduled.
    """
    moved = await connection.execute(
        update(table).where(_planned(space)).values(starts_us=starts_us, notice_us=None, news_us=now_us)
    )
    _expect_planned(space, moved.rowcount)


async def cancel(connection: AsyncConnection, space: bytes, reason: str, now_us: int) -> None:
    """It is called off. StoreError no_such_space where it is not scheduled."""
    cancelled = await connection.execute(
        update(table)
        .where(_planned(space))
        .values(state="cancelled", ended_us=now_us, ended_reason=reason, news_us=now_us)
    )
    _expect_planned(space, cancelled.rowcount)


async def host_told(connection: AsyncConnection, space: bytes, now_us: int) -> None:
    """Its host was told that it begins soon. StoreError no_such_space where it is not scheduled."""
    told = await connection.execute(update(table).where(_planned(space)).values(notice_us=now_us))
    _expect_planned(space, told.rowcount)


async def count_of(connection: AsyncConnection, host: str) -> int:
    """How many Spaces of `host` are scheduled."""
    query = select(func.count()).select_from(table).where(table.c.host == host, table.c.state == "scheduled")
    return int((await connection.execute(query)).scalar_one())


async def upcoming(
    connection: AsyncConnection,
    viewer: str,
    limit: int = 50,
    after: bytes | None = None,
    *,
    host: str = "",
    text: str = "",
    topic: str = "",
) -> tuple[list[Listed], bytes | None]:
    """Scheduled Spaces as `viewer` sees them, the next first, and where to go on, None at the end.

    Those of `host`; or, where a text or topic is given, all that match; or else those of `viewer` and of
    whom they follow. StoreError inconsistent for an `after` that no earlier page gave.
    """
    query = spaces.matching(select(table).where(table.c.state == "scheduled"), text, topic)
    if host:
        query = query.where(table.c.host == host)
    elif not (text or topic):
        known = select(follows.c.followed).where(follows.c.follower == viewer)
        query = query.where(or_(table.c.host == viewer, table.c.host.in_(known)))
    if after is not None:
        starts_us, space = parse_cursor(after)
        query = query.where(_behind(starts_us, space))
    query = query.order_by(table.c.starts_us, table.c.space).limit(limit + 1)
    found = await spaces.read(connection, query)
    more = None
    if len(found) > limit:
        found = found[:limit]
        more = pack_cursor(found[-1].starts_us or 0, found[-1].space)
    return await _listed(connection, viewer, found), more


async def get(connection: AsyncConnection, viewer: str, space: bytes) -> Listed | None:
    """The scheduled Space with this id as `viewer` sees it, or None."""
    found = await spaces.read(connection, select(table).where(_planned(space)))
    listed = await _listed(connection, viewer, found)
    return listed[0] if listed else None


async def all_scheduled(
    connection: AsyncConnection, limit: int = 1_000, after: bytes | None = None
) -> tuple[list[StoredSpace], bytes | None]:
    """Every scheduled Space, the next first, for a server that starts; and where to go on."""
    query = select(table).where(table.c.state == "scheduled")
    if after is not None:
        query = query.where(_behind(*parse_cursor(after)))
    found = await spaces.read(connection, query.order_by(table.c.starts_us, table.c.space).limit(limit + 1))
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    return found[:limit], pack_cursor(last.starts_us or 0, last.space)


# Reminders


async def remind(connection: AsyncConnection, space: bytes, user: str, on: bool, now_us: int) -> bool:
    """Set or take back a reminder; returns whether that changed anything.

    StoreError: no_such_space where it is not scheduled; no_such_user without an account.
    """
    mine = (reminders.c.space == space) & (reminders.c.user == user)
    if not on:
        return bool((await connection.execute(delete(reminders).where(mine))).rowcount == 1)
    if (await connection.execute(select(reminders.c.user).where(mine))).first() is not None:
        return False
    found = await connection.execute(select(func.count()).select_from(table).where(_planned(space)))
    _expect_planned(space, found.scalar_one())
    if await accounts.get(connection, user) is None:
        raise accounts.no_such_user(user)
    await connection.execute(insert(reminders).values(space=space, user=user, told_us=now_us))
    return True


async def reminded(
    connection: AsyncConnection, space: bytes, after: str = "", limit: int = 1_000
) -> tuple[list[Person], str]:
    """Who wants to be told, by user id, behind `after`; and where to go on, "" at the end."""
    query = (
        select(reminders.c.user, accounts_table.c.name)
        .join(accounts_table, accounts_table.c.user == reminders.c.user)
        .where(reminders.c.space == space, reminders.c.user > after)
        .order_by(reminders.c.user)
        .limit(limit + 1)
    )
    return person_page([Person(row.user, row.name) for row in await connection.execute(query)], limit)


async def untold(connection: AsyncConnection, user: str, limit: int = 50) -> list[StoredSpace]:
    """Spaces of which `user` wants to be reminded and missed the news, the latest news first.

    Started (live, or over since), cancelled, or moved (still scheduled).
    """
    query = (
        select(table)
        .join(reminders, reminders.c.space == table.c.space)
        .where(reminders.c.user == user, table.c.news_us > reminders.c.told_us)
        .order_by(table.c.news_us.desc(), table.c.space)
        .limit(limit)
    )
    return await spaces.read(connection, query)


async def told(connection: AsyncConnection, space: bytes, users: Iterable[str], now_us: int) -> None:
    """These people know all that is new of the Space. A reminder of what began or was called off is over."""
    state = (await connection.execute(select(table.c.state).where(table.c.space == space))).scalar()
    for part in chunks(users):
        mine = (reminders.c.space == space) & reminders.c.user.in_(part)
        if state == "scheduled":
            await connection.execute(update(reminders).where(mine).values(told_us=now_us))
        else:
            await connection.execute(delete(reminders).where(mine))


async def _listed(connection: AsyncConnection, viewer: str, found: list[StoredSpace]) -> list[Listed]:
    ids = [plan.space for plan in found]
    if not ids:
        return []
    counted = await connection.execute(
        select(reminders.c.space, func.count().label("many"))
        .where(reminders.c.space.in_(ids))
        .group_by(reminders.c.space)
    )
    many = {bytes(row.space): int(row.many) for row in counted}
    query = select(reminders.c.space).where(reminders.c.space.in_(ids), reminders.c.user == viewer)
    mine = {bytes(space) for space in (await connection.execute(query)).scalars()}
    return [Listed(plan, many.get(plan.space, 0), plan.space in mine) for plan in found]


def _planned(space: bytes) -> ColumnElement[bool]:
    return and_(table.c.space == space, table.c.state == "scheduled")


def _behind(starts_us: int, space: bytes) -> ColumnElement[bool]:
    later = table.c.starts_us > starts_us
    return or_(later, and_(table.c.starts_us == starts_us, table.c.space > space))


def _expect_planned(space: bytes, rows: int) -> None:
    if rows != 1:
        raise StoreError(
            "no_such_space", f"No scheduled Space has the id {space.hex()}; list those that are scheduled."
        )
