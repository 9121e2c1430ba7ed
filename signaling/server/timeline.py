"""Timeline: the bubbles of everybody who watches, pushed as they change, to those whom they concern."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from enum import IntFlag
from typing import Any, TypeVar

from signaling.config import PeopleConfig
from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import (
    CameBack,
    Effect,
    Ended,
    Entered,
    HostChanged,
    Left,
    Opened,
    Refused,
    Removed,
    SettingsChanged,
    StageChanged,
    WentAbsent,
)
from signaling.rules.rates import RateKind
from signaling.server.actor import SpaceActor
from signaling.server.answers import Answer, Handler
from signaling.server.bubbles import rank
from signaling.server.directory import Directory
from signaling.server.interests import Subscriber
from signaling.server.relations import GraphError, Relations
from signaling.server.session import Member, Session
from signaling.server.shows import Encoded, Shows
from signaling.server.surroundings import Surroundings

__all__ = ["Timeline"]

log = logging.getLogger(__name__)

_SECOND_US = 1_000_000
_MS_US = 1_000
_FULL_RETRY_MS = 30_000
_TURN_PEOPLE = 128  # then others get a turn of the loop
_AGAIN_US = 5_000_000


_Key = TypeVar("_Key", bytes, str)


class _News(IntFlag):
    """What is new of a Space, from the least to the most."""

    COUNT = 1  # only how many are inside, and who of them listens
    STAGE = 2  # who is on stage: concerns those who follow them
    ALL = 4  # what everybody is shown of it
    AGAIN = 8  # it could not be found out whom it concerns


_KINDS: Mapping[type[Effect], _News] = {
    Entered: _News.COUNT,
    Left: _News.COUNT,
    Removed: _News.COUNT,
    WentAbsent: _News.COUNT,
    CameBack: _News.COUNT,
    StageChanged: _News.STAGE,
    Opened: _News.ALL,
    SettingsChanged: _News.ALL,
    HostChanged: _News.ALL,
    Ended: _News.ALL,
}


class Timeline:
    """**A change on a stage is looked at by those who follow whom it concerns, not by all who watch.**

    `on_outcome` takes what happened in any Space; once in `people.bubble_interval_ms` all of it is carried
    out by one task, which compares what each person concerned was told with what is so now. How many are
    inside is told at most every `people.count_interval_ms`, and less often where very many are shown it.
    """

    def __init__(
        self, directory: Directory, relations: Relations, around: Surroundings, limits: PeopleConfig
    ) -> None:
        self._relations = relations
        self._around = around
        self._limits = limits
        self._shows = Shows(directory, relations, around.counts, limits.bubbles)
        self._interests = self._shows.interests
        self._news: dict[bytes, _News] = {}
        self._afresh: set[str] = set()
        self._counted_us: dict[bytes, int] = {}
        self._is_pushing = False
        self._due_us: int | None = None

    def __len__(self) -> int:
        """How many people watch."""
        return len(self._interests.subscribers)

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Timeline."""
        return {wire.Timeline: self._timeline}

    # What happens

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
        """This has become so in a Space."""
        news = _News(0)
        for effect in effects:
            news |= _KINDS.get(type(effect), _News(0))
        if news & ~_News.COUNT:
            self._mark(actor.space, news & ~_News.COUNT)
        if news & _News.COUNT and self._interests.are_watched(actor.state.on_stage):
            self._mark_count(actor.space)

    def follow_changed(self, follower: str, followed: str, on: bool) -> None:
        """`follower` follows `followed`, or no more."""
        subscriber = self._interests.subscribers.get(follower)
        if subscriber is None:
            return
        if subscriber.missed is not None:
            subscriber.missed.append((followed, on))
        elif on:
            self._interests.follow(subscriber, [followed])
        else:
            self._interests.unfollow(subscriber, followed)
        self._look_afresh(follower)

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """`blocker` has blocked `user`, or no more."""
        self._shows.block_changed(blocker, user, on)
        for one, other in ((blocker, user), (user, blocker)):
            if on and self._relations.is_own:
                self.follow_changed(one, other, False)
            if one in self._interests.subscribers:
                self._look_afresh(one)

    def came(self, session: Session) -> None:
        """Somebody is here; they ask for their timeline themselves."""

    def gone(self, session: Session) -> None:
        """The connection is over."""
        member = session.member
        subscriber = None if member is None else self._interests.subscribers.get(member.user)
        if subscriber is not None and session in subscriber.sessions:
            subscriber.sessions.remove(session)
            if not subscriber.sessions and subscriber.missed is None:
                self._interests.forget(subscriber)

    # The request

    async def _timeline(self, session: Session, me: Member, request: wire.Timeline) -> Answer:
        allowed = self._around.rates.take(RateKind.SEARCH, me.user, self._around.clock_us())
        if isinstance(allowed, Refused):
            return allowed
        if not request.subscribe:
            self.gone(session)
            return await self._look(me, request)
        subscriber = self._interests.subscribers.get(me.user)
        if subscriber is None:
            if len(self) >= self._limits.subscribers:
                return _too_many(len(self), "people watch their timelines", self._limits.subscribers)
            subscriber = self._interests.subscribers[me.user] = Subscriber(me.user, missed=[])
        elif subscriber.missed is not None:
            return Refused("busy", "Your timeline is being read over another connection; try again.", 500)
        elif not self._relations.is_own:  # nobody tells us what changes there
            subscriber.missed = []
        try:
            refused = None if subscriber.missed is None else await self._read(subscriber)
            if refused is not None:
                return refused
            await self._shows.show_all(subscriber)
            rows = fit_rows(sorted(subscriber.shown.values(), key=rank))
            if not session.is_closed and session not in subscriber.sessions:
                subscriber.sessions.append(session)
            return wire.Bubbles(request.id, rows, True)
        finally:
            subscriber.missed = None
            if not subscriber.sessions:
                self._interests.forget(subscriber)

    async def _look(self, me: Member, request: wire.Timeline) -> Answer:
        """The timeline once, of somebody who is not told of changes."""
        subscriber = Subscriber(me.user, followed=set(await self._followed(me.user)))
        return wire.Bubbles(request.id, (await self._shows.best(subscriber))[0], False)

    async def _followed(self, user: str) -> Collection[str]:
        if self._relations.lists:
            return await self._relations.followed(user, self._limits.follows)
        return await self._relations.followed_among(user, self._interests.on_stage)

    async def _read(self, subscriber: Subscriber) -> Refused | None:
        """Find out whom they follow; what they change meanwhile counts."""
        interests = self._interests
        found = await self._followed(subscriber.user)
        if interests.edges + len(found) > self._limits.edges:
            return _too_many(interests.edges, "people are followed by those who watch", self._limits.edges)
        for other in subscriber.followed.difference(found):
            interests.unfollow(subscriber, other)
        interests.follow(subscriber, found)
        for other, on in subscriber.missed or ():
            if on:
                interests.follow(subscriber, [other])
            else:
                interests.unfollow(subscriber, other)
        return None

    # Pushing

    def _mark(self, space: bytes, news: _News) -> None:
        self._news[space] = self._news.get(space, _News(0)) | news
        self._wake_in(self._limits.bubble_interval_ms * _MS_US)

    def _mark_count(self, space: bytes) -> None:
        """How many are inside: after a pause that is longer the more people are told."""
        if space in self._counted_us:
            return
        people = len(self._interests.shown_to(space))
        pause_us = max(
            self._limits.count_interval_ms * _MS_US, people * _SECOND_US // self._limits.bubbles_per_s
        )
        due_us = self._counted_us[space] = self._around.clock_us() + pause_us
        self._around.alarms.set(("count", space), due_us, lambda now_us: self._count_due(space))

    def _count_due(self, space: bytes) -> None:
        self._counted_us.pop(space, None)
        self._mark(space, _News.COUNT)

    def _look_afresh(self, user: str) -> None:
        self._afresh.add(user)
        self._wake_in(0)

    def _wake_in(self, pause_us: int) -> None:
        if not self._is_pushing:
            at_us = self._around.clock_us() + pause_us
            held = self._due_us
            if held is None or at_us < held:
                self._due_us = at_us
                self._around.alarms.set(("bubbles",), at_us, self._on_time)

    def _on_time(self, now_us: int) -> None:
        self._due_us = None
        self._is_pushing = True
        self._around.spawn(self._push())

    async def _push(self) -> None:
        """Carry out what is new. What comes meanwhile waits for the next time."""
        news, self._news = self._news, {}
        afresh, self._afresh = self._afresh, set()
        try:
            for space, what in news.items():
                await self._guarded(self._push_space(space, what), space, self._again)
            for number, user in enumerate(sorted(afresh), 1):
                subscriber = self._interests.subscribers.get(user)
                if subscriber is not None and subscriber.missed is None:
                    await self._guarded(self._shows.show_all(subscriber), user, self._afresh.add)
                if number % _TURN_PEOPLE == 0:
                    await asyncio.sleep(0)
        finally:
            self._is_pushing = False
            if self._news or self._afresh:
                self._wake_in(0 if self._afresh else self._limits.bubble_interval_ms * _MS_US)

    async def _guarded(
        self, work: Coroutine[Any, Any, None], of: _Key, again: Callable[[_Key], None]
    ) -> None:
        """Do it, or if the graph of people does not answer now, do it again in a while."""
        try:
            await work
        except GraphError as error:
            self._around.counts.bubbles_behind += 1
            log.warning("timelines are behind: %s", error)

            def catch_up(now_us: int) -> None:
                again(of)
                self._wake_in(0)

            self._around.alarms.set(("bubbles", of), self._around.clock_us() + _AGAIN_US, catch_up)

    def _again(self, space: bytes) -> None:
        self._news[space] = _News.ALL | _News.AGAIN

    async def _push_space(self, space: bytes, news: _News) -> None:
        interests = self._interests
        state = self._shows.live(space)
        on_stage = frozenset(state.on_stage) if state else frozenset()
        came, went = interests.set_stage(space, on_stage)
        if news & _News.AGAIN:
            came = on_stage
        if not self._relations.lists:
            await self._shows.learn(came)
        concerned = interests.watchers(came | went)
        if news & (_News.ALL | _News.COUNT):
            concerned |= interests.shown_to(space)
            concerned |= {
                user for user in interests.watchers(on_stage) if interests.subscribers[user].has_more
            }
        if state is not None:
            await self._shows.learn_strangers(state, concerned)
        same: Encoded = {}
        for number, user in enumerate(sorted(concerned), 1):
            subscriber = interests.subscribers.get(user)
            reads = subscriber is None or subscriber.missed is not None
            if subscriber is not None and not reads and self._shows.show(subscriber, space, same):
                self._afresh.add(user)
            if number % _TURN_PEOPLE == 0:
                await asyncio.sleep(0)
        if not self._relations.lists:
            self._shows.unlearn(went)
        if state is None:
            self._counted_us.pop(space, None)
            self._around.alarms.set(("count", space), None, self._on_time)


def _too_many(many: int, what: str, limit: int) -> Refused:
    return Refused(
        "too_many_subscribers",
        f"{many} {what} and {limit} is the limit; ask for your timeline without subscribing, or later.",
        _FULL_RETRY_MS,
    )
