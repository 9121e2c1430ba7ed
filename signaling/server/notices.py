"""Notices: what is told of scheduled Spaces, now to those who are here, else when they come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from signaling.protocol import messages as wire
from signaling.rules import State
from signaling.rules.plans import Audience, Plan, PlanEffect, PlanNews, Tell
from signaling.server.presence import Presence
from signaling.server.relations import GraphError, Relations
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoredSpace, StoreError, plans

__all__ = ["MISSED_MAX", "Notices"]

log = logging.getLogger(__name__)

MISSED_MAX = 50
"""Notices that somebody is told of when they come, the latest first."""
_ARRIVALS_AT_ONCE = 64
_MS_US = 1_000

_MISSED = {
    State.LIVE: PlanNews.LIVE,
    State.CANCELLED: PlanNews.CANCELLED,
    State.SCHEDULED: PlanNews.MOVED,
}


class Notices:
    """**Everybody is told once: over every connection they have then, or over the first they make after.**

    What somebody has been told is in the store, so that a restart tells nobody twice of the same. Who comes
    is looked up by one task, many in one transaction: a storm of arrivals does not become one of the store.
    """

    def __init__(self, store: Store, relations: Relations, presence: Presence, around: Surroundings) -> None:
        self._store = store
        self._relations = relations
        self._presence = presence
        self._around = around
        self._arrived: dict[str, None] = {}
        self._is_looking = False
        self._hosts_away: dict[str, set[bytes]] = {}
        self.on_host: Callable[[Sequence[bytes]], None] = lambda spaces: None
        """Called with plans of a host who comes and was not here when they were to be told of them."""

    def tell(self, effects: Iterable[PlanEffect]) -> None:
        """Tell what these effects say is to be told. They are in the store."""
        for effect in effects:
            if isinstance(effect, Tell):
                if effect.audience is Audience.HOST:
                    self._presence.tell(effect.plan.host, _notice(effect.news, effect.plan))
                else:
                    self._around.spawn(self._tell_reminded(effect))

    def must_wait(self, plan: Plan) -> bool:
        """Whether its host is not here to be told that it begins soon; then `on_host` is called some time."""
        waits = plan.state is State.SCHEDULED and plan.told_us is None and plan.host not in self._presence
        if waits:
            self._hosts_away.setdefault(plan.host, set()).add(plan.space)
        return waits

    def forget(self, plan: Plan) -> None:
        """Nothing of it is to be told any more."""
        away = self._hosts_away.get(plan.host)
        if away is not None:
            away.discard(plan.space)
            if not away:
                del self._hosts_away[plan.host]

    def came(self, session: Session) -> None:
        """Somebody is here."""
        if session.member is None:
            return
        user = session.member.user
        self._arrived[user] = None
        if not self._is_looking:
            self._is_looking = True
            self._around.spawn(self._look_up())
        spaces = self._hosts_away.pop(user, None)
        if spaces:
            self.on_host(sorted(spaces))

    def gone(self, session: Session) -> None:
        """The connection is over."""
        if session.member is not None and session.member.user not in self._presence:
            self._arrived.pop(session.member.user, None)

    async def _tell_reminded(self, effect: Tell) -> None:
        """Tell those who are here; the others, and all if it fails, are told when they come."""
        try:
            await self._tell_all_reminded(effect)
        except (StoreError, GraphError) as error:
            self._around.counts.notices_failed += 1
            log.warning("of %s people are told when they come: %s", effect.plan.space.hex(), error)

    async def _tell_all_reminded(self, effect: Tell) -> None:
        """Page by page: only those who are here cost more than a row that is read."""
        plan, after = effect.plan, ""
        notice = _notice(effect.news, plan)
        while True:
            async with self._store.transaction() as connection:
                page, after = await plans.reminded(connection, plan.space, after)
            here = self._presence.among(person.user for person in page)
            hidden = await self._relations.strangers_among(plan.host, here)
            told = [user for user in here if user not in hidden and self._presence.tell(user, notice)]
            self._around.counts.notices += len(told)
            if told:
                async with self._store.transaction() as connection:
                    await plans.told(connection, plan.space, told, self._around.wall_us())
            if not after:
                return

    async def _look_up(self) -> None:
        """What those who came have missed."""
        try:
            while self._arrived:
                users = list(self._arrived)[:_ARRIVALS_AT_ONCE]
                for user in users:
                    del self._arrived[user]
                try:
                    await self._tell_missed(users)
                except (StoreError, GraphError) as error:
                    self._around.counts.notices_failed += len(users)
                    log.warning("who came is told of missed notices at their next coming: %s", error)
                await asyncio.sleep(0)
        finally:
            self._is_looking = False

    async def _tell_missed(self, users: Sequence[str]) -> None:
        missed: dict[str, list[StoredSpace]] = {}
        async with self._store.transaction() as connection:
            for user in users:
                found = await plans.untold(connection, user, MISSED_MAX)
                if found:
                    missed[user] = found
        told: dict[bytes, list[str]] = {}
        for user, found in missed.items():
            hidden = await self._relations.strangers_among(user, {stored.host for stored in found})
            for stored in reversed(found):
                news = _MISSED.get(State(stored.state))  # what has ended since is no news
                if news is not None and stored.host not in hidden:
                    self._around.counts.notices += self._presence.tell(user, _missed(news, stored))
                told.setdefault(stored.space, []).append(user)
        if told:
            async with self._store.transaction() as connection:
                for space, people in told.items():
                    await plans.told(connection, space, people, self._around.wall_us())


def _notice(news: PlanNews, plan: Plan) -> wire.Notice:
    return wire.Notice(
        0, int(news), plan.space, plan.settings.title, plan.host_name, plan.starts_us // _MS_US
    )


def _missed(news: PlanNews, stored: StoredSpace) -> wire.Notice:
    return wire.Notice(
        0, int(news), stored.space, stored.title, stored.host_name, (stored.starts_us or 0) // _MS_US
    )
