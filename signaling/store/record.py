"""Writes what the rules decided: the column "store" of the table in `rules/effects.py`."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import (
    AskClosed,
    Asked,
    Banned,
    Effect,
    Ended,
    OnStage,
    Opened,
    PlaceGone,
    SeatAdded,
    SeatChanged,
    SeatRemoved,
    Waiting,
)
from signaling.store import bans, spaces, stage
from signaling.store.errors import StoreError

_DURABLE = (Opened, SeatAdded, SeatChanged, SeatRemoved, PlaceGone, Asked, AskClosed, Banned, Ended)


def is_durable(effects: Iterable[Effect]) -> bool:
    """Whether there is anything to write. A listener who comes or goes is not."""
    return any(isinstance(effect, _DURABLE) and not _is_kept(effect) for effect in effects)


async def record(connection: AsyncConnection, space: bytes, effects: Iterable[Effect], now_us: int) -> None:
    """Write the durable effects of one outcome; acknowledge the act when the transaction is committed.

    StoreError: already_hosting for Opened; no_such_space for Ended where it is not live; inconsistent
    where the store is not what the effects start from.
    """
    for effect in effects:
        await _record(connection, space, effect, now_us)


async def _record(connection: AsyncConnection, space: bytes, effect: Effect, now_us: int) -> None:
    match effect:
        case Opened(_, settings, host, host_name):
            await spaces.add(
                connection, space=space, title=settings.title, host=host, host_name=host_name, now_us=now_us
            )
        case SeatAdded(seat, user, name, role, muted):
            await stage.seat(connection, space, OnStage(seat, user, name, role, muted), now_us)
        case SeatChanged(_, user, _, muted):
            await stage.set_muted(connection, space, user, muted)
        case SeatRemoved(kept=True):
            pass
        case SeatRemoved(_, user) | PlaceGone(_, user):
            await stage.unseat(connection, space, user)
        case Asked(user, name):
            await stage.ask(connection, space, Waiting(user, name), now_us)
        case AskClosed(user):
            await stage.close_ask(connection, space, user)
        case Banned(user, name, by):
            await bans.ban(connection, space, user, name, by=by, now_us=now_us)
        case Ended(reason, state):
            if not await spaces.end(connection, space, reason, now_us, state.value):
                raise StoreError(
                    "no_such_space", f"No live Space has the id {space.hex()}; list the live ones."
                )


def _is_kept(effect: Effect) -> bool:
    """A lost connection writes nothing: the place on stage is kept for who comes back."""
    return isinstance(effect, SeatRemoved) and effect.kept
