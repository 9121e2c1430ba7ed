"""Writes what the rules decided: the column "store" of the table in `rules/effects.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import (
    AskClosed,
    Asked,
    Audited,
    Banned,
    BlockedByHost,
    Effect,
    Ended,
    HostChanged,
    InviteAdded,
    InviteClosed,
    LinkAdded,
    LinkClosed,
    NoteAdded,
    OnStage,
    Opened,
    Pinned,
    PlaceGone,
    Posted,
    PostGone,
    Reported,
    SeatAdded,
    SeatChanged,
    SeatRemoved,
    Settings,
    SettingsChanged,
    Spoke,
    Unbanned,
    Unpinned,
    Waiting,
)
from signaling.store import accounts, audit, bans, blocks, invites, notes, pins, posts, reports, spaces, stage

# Takes the connection, the Space, the effect, and microseconds since the epoch.
_Writer: TypeAlias = Callable[[AsyncConnection, bytes, Any, int], Awaitable[object]]


def is_durable(effects: Iterable[Effect]) -> bool:
    """Whether there is anything to write. A listener who comes or goes is not, nor a connection lost."""
    return any(type(effect) in _WRITERS and not _is_kept(effect) for effect in effects)


async def record(connection: AsyncConnection, space: bytes, effects: Iterable[Effect], now_us: int) -> None:
    """Write the durable effects of one outcome; acknowledge the act when the transaction is committed.

    StoreError: already_hosting for Opened and HostChanged; no_such_space for what changes a Space that is not
    live; inconsistent where the store is not what the effects start from.
    """
    for effect in effects:
        write = _WRITERS.get(type(effect))
        if write is not None:
            await write(connection, space, effect, now_us)


def _is_kept(effect: Effect) -> bool:
    return isinstance(effect, SeatRemoved) and effect.kept


# The Space


async def _opened(connection: AsyncConnection, space: bytes, effect: Opened, now_us: int) -> None:
    await spaces.add(
        connection,
        space=space,
        host=effect.host,
        host_name=effect.host_name,
        now_us=now_us,
        **_columns(effect.settings),
    )


async def _settings(connection: AsyncConnection, space: bytes, effect: SettingsChanged, now_us: int) -> None:
    await spaces.change(connection, space, **_columns(effect.settings))


def _columns(settings: Settings) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in Settings.__slots__}


async def _host(connection: AsyncConnection, space: bytes, effect: HostChanged, now_us: int) -> None:
    await spaces.set_host(connection, space, effect.host, effect.host_name, now_us)


async def _ended(connection: AsyncConnection, space: bytes, effect: Ended, now_us: int) -> None:
    if not await spaces.end(connection, space, effect.reason, now_us, effect.state.value):
        raise spaces.not_live(space)


# The stage


async def _seat_added(connection: AsyncConnection, space: bytes, effect: SeatAdded, now_us: int) -> None:
    place = OnStage(
        effect.seat,
        effect.user,
        effect.name,
        effect.role,
        effect.muted,
        effect.held,
        effect.volume_pct,
    )
    await stage.seat(connection, space, place, now_us)


async def _seat_changed(connection: AsyncConnection, space: bytes, effect: SeatChanged, now_us: int) -> None:
    await stage.change(
        connection,
        space,
        effect.user,
        role=effect.role,
        muted=effect.muted,
        held=effect.held,
        volume_pct=effect.volume_pct,
    )


async def _seat_removed(connection: AsyncConnection, space: bytes, effect: SeatRemoved, now_us: int) -> None:
    if not effect.kept:
        await stage.unseat(connection, space, effect.user)


async def _place_gone(connection: AsyncConnection, space: bytes, effect: PlaceGone, now_us: int) -> None:
    await stage.unseat(connection, space, effect.user)


async def _spoke(connection: AsyncConnection, space: bytes, effect: Spoke, now_us: int) -> None:
    await stage.spoke(connection, space, effect.user, now_us)


async def _asked(connection: AsyncConnection, space: bytes, effect: Asked, now_us: int) -> None:
    await stage.ask(connection, space, Waiting(effect.user, effect.name), now_us)


async def _ask_closed(connection: AsyncConnection, space: bytes, effect: AskClosed, now_us: int) -> None:
    await stage.close_ask(connection, space, effect.user)


# Doors


async def _invite_added(connection: AsyncConnection, space: bytes, effect: InviteAdded, now_us: int) -> None:
    await invites.invite(connection, space, effect.invitation, now_us)


async def _invite_closed(
    connection: AsyncConnection, space: bytes, effect: InviteClosed, now_us: int
) -> None:
    await invites.close(connection, space, effect.user)


async def _link_added(connection: AsyncConnection, space: bytes, effect: LinkAdded, now_us: int) -> None:
    await invites.add_link(connection, space, effect.digest, effect.link, now_us)


async def _link_closed(connection: AsyncConnection, space: bytes, effect: LinkClosed, now_us: int) -> None:
    if effect.how == "used":
        await invites.use_link(connection, space, effect.digest, effect.user, now_us)
    else:
        await invites.drop_link(connection, space, effect.digest)


async def _banned(connection: AsyncConnection, space: bytes, effect: Banned, now_us: int) -> None:
    await bans.ban(connection, space, effect.user, effect.name, by=effect.by, now_us=now_us)


async def _unbanned(connection: AsyncConnection, space: bytes, effect: Unbanned, now_us: int) -> None:
    await bans.unban(connection, space, effect.user)


async def _blocked(connection: AsyncConnection, space: bytes, effect: BlockedByHost, now_us: int) -> None:
    await accounts.ensure(connection, effect.blocker, "", now_us)
    await accounts.ensure(connection, effect.user, effect.name, now_us)
    await blocks.block(connection, effect.blocker, effect.user, now_us)


# What is said and what is kept of it


async def _posted(connection: AsyncConnection, space: bytes, effect: Posted, now_us: int) -> None:
    await posts.add(connection, space, effect.post, now_us)


async def _post_gone(connection: AsyncConnection, space: bytes, effect: PostGone, now_us: int) -> None:
    await posts.remove(connection, space, effect.post)


async def _note(connection: AsyncConnection, space: bytes, effect: NoteAdded, now_us: int) -> None:
    await notes.add(connection, space, effect.note, now_us)


async def _pinned(connection: AsyncConnection, space: bytes, effect: Pinned, now_us: int) -> None:
    await pins.add(connection, space, effect.pin, now_us)


async def _unpinned(connection: AsyncConnection, space: bytes, effect: Unpinned, now_us: int) -> None:
    await pins.remove(connection, space, effect.pin)


async def _reported(connection: AsyncConnection, space: bytes, effect: Reported, now_us: int) -> None:
    await reports.add(connection, effect.report)


async def _audited(connection: AsyncConnection, space: bytes, effect: Audited, now_us: int) -> None:
    await audit.add(
        connection,
        space,
        effect.actor,
        effect.action,
        now_us,
        target=effect.target,
        detail=effect.detail,
    )


_WRITERS: Final[Mapping[type, _Writer]] = {
    Opened: _opened,
    SettingsChanged: _settings,
    HostChanged: _host,
    Ended: _ended,
    SeatAdded: _seat_added,
    SeatChanged: _seat_changed,
    SeatRemoved: _seat_removed,
    PlaceGone: _place_gone,
    Spoke: _spoke,
    Asked: _asked,
    AskClosed: _ask_closed,
    InviteAdded: _invite_added,
    InviteClosed: _invite_closed,
    LinkAdded: _link_added,
    LinkClosed: _link_closed,
    Banned: _banned,
    Unbanned: _unbanned,
    BlockedByHost: _blocked,
    Posted: _posted,
    PostGone: _post_gone,
    NoteAdded: _note,
    Pinned: _pinned,
    Unpinned: _unpinned,
    Reported: _reported,
    Audited: _audited,
}
