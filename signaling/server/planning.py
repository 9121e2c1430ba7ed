"""Planning: scheduled Spaces, from the announcement to the start; the rules decide, the store keeps them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from signaling import rules
from signaling.protocol import messages as wire
from signaling.protocol.wire import fit_rows
from signaling.rules import Refused, State
from signaling.rules import plans as plan_rules
from signaling.rules.graph import KnownGraph
from signaling.rules.plans import Plan, PlanAdded, PlanCancelled, PlanEffect, PlanMoved, PlanOutcome
from signaling.rules.rates import RateKind
from signaling.rules.sale_limits import SaleLimits
from signaling.server import happenings
from signaling.server.actor import SpaceActor
from signaling.server.admission import may_move
from signaling.server.announcer import Announcement, Announcer
from signaling.server.answers import Answer, Handler
from signaling.server.following import account_named, nobody
from signaling.server.happenings import What
from signaling.server.notices import Notices
from signaling.server.opening import Openings
from signaling.server.plan_rows import plan_of, plan_row
from signaling.server.relations import Relations
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, StoreError, accounts, plans, spaces
from signaling.store.pages import pack_cursor
from signaling.store.record_plans import record_plan

__all__ = ["Planning"]

log = logging.getLogger(__name__)

_MS_US = 1_000
_SPACE_ID_BYTES = 16
# The time since the epoch may be set while a server runs: no alarm is trusted for longer.
_LOOK_AGAIN_US = 3_600_000_000
_RETRY_US = 30_000_000
_FULL_RETRY_MS = 60_000

_Verb = Callable[[Plan, KnownGraph, int], PlanOutcome | Refused]


class Planning:
    """**A plan is read, decided on and written in one transaction; then people are told.**

    An alarm for each plan calls the rules when something of it is due. `most` bounds the plans of the whole
    server.
    """

    def __init__(
        self,
        store: Store,
        relations: Relations,
        around: Surroundings,
        openings: Openings,
        notices: Notices,
        *,
        announcer: Announcer,
        most: int,
        sale_limits: SaleLimits,
    ) -> None:
        self._store = store
        self._relations = relations
        self._openings = openings
        self._announcer = announcer
        self._notices = notices
        self._around = around
        self._most = most
        self._sale_limits = sale_limits
        self._limits = replace(plan_rules.LIMITS, no_show_us=sale_limits.no_show_us)
        self._planned: set[bytes] = set()
        self.on_cancelled: Callable[[bytes], None] = lambda space: None
        """Told of each Space that sells tickets and is off, once that is so. It must not wait."""
        self.on_started: Callable[[SpaceActor], None] = lambda actor: None
        """Told of each that has become live. It must not wait."""
        notices.on_host = self._host_came

    def __len__(self) -> int:
        """How many Spaces are scheduled."""
        return len(self._planned)

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """Everything about scheduled Spaces."""
        return {
            wire.Schedule: self._schedule,
            wire.Reschedule: self._reschedule,
            wire.Cancel: self._cancel,
            wire.ListPlanned: self._list,
            wire.Start: self._start,
            wire.Remind: self._remind,
        }

    async def restore(self) -> int:
        """Set the alarms of all that is scheduled, when the server starts; returns how many there are."""
        after = None
        while True:
            async with self._store.transaction() as connection:
                found, after = await plans.all_scheduled(connection, after=after)
            for stored in found:
                self._wait_for(plan_of(stored))
            if after is None:
                return len(self._planned)

    # Requests

    async def _schedule(self, session: Session, me: Member, request: wire.Schedule) -> Answer:
        refused = self._rated(RateKind.PLAN, me) or await self._openings.hosting.refused(
            me.user, request.kind
        )
        if refused is not None:
            return refused
        if len(self._planned) >= self._most:
            return Refused(
                "too_many_planned",
                f"{len(self._planned)} Spaces are scheduled on this server and {self._most} is the limit; "
                "schedule one later.",
                _FULL_RETRY_MS,
            )
        settings = self._openings.settings(request.title, request.topics, request.kind, request.who_may_speak)
        if isinstance(settings, Refused):
            return settings
        space = self._around.random_bytes(_SPACE_ID_BYTES)
        starts_us, now_us = request.starts_ms * _MS_US, self._around.wall_us()
        async with self._store.transaction() as connection:
            planned = await plans.count_of(connection, me.user)
            outcome = plan_rules.schedule(
                space,
                settings,
                me.user,
                me.name,
                starts_us,
                planned,
                now_us,
                space_limits=self._openings.limits,
            )
            if isinstance(outcome, Refused):
                return outcome
            announcement = await self._write(connection, outcome, now_us)
        self._kept(outcome, announcement)
        return wire.Planned(request.id, plan_row(outcome.plan))

    async def _reschedule(self, session: Session, me: Member, request: wire.Reschedule) -> Answer:
        starts_us = request.starts_ms * _MS_US
        done = await self._act(
            me,
            request.space,
            RateKind.PLAN,
            lambda plan, graph, now_us: plan_rules.reschedule(
                plan, me.user, starts_us, now_us, graph, limits=self._limits
            ),
        )
        return done if isinstance(done, Refused) else wire.Planned(request.id, plan_row(done.plan))

    async def _cancel(self, session: Session, me: Member, request: wire.Cancel) -> Answer:
        done = await self._act(
            me,
            request.space,
            RateKind.PLAN,
            lambda plan, graph, now_us: plan_rules.cancel(plan, me.user, now_us, graph, limits=self._limits),
        )
        return done if isinstance(done, Refused) else wire.Ok(request.id)

    async def _remind(self, session: Session, me: Member, request: wire.Remind) -> Answer:
        done = await self._act(
            me,
            request.space,
            RateKind.REMIND,
            lambda plan, graph, now_us: plan_rules.remind(
                plan, me.user, request.on, now_us, graph, limits=self._limits
            ),
        )
        return done if isinstance(done, Refused) else wire.Ok(request.id)

    async def _start(self, session: Session, me: Member, request: wire.Start) -> Answer:
        read = await self._read(me, request.space, RateKind.PLAN)
        if isinstance(read, Refused):
            return read
        plan, graph = read
        refused = await self._openings.hosting.refused(me.user, plan.settings.kind)
        if refused is not None:
            return refused
        outcome = plan_rules.start(plan, me.user, self._around.wall_us(), graph, limits=self._limits)
        if isinstance(outcome, Refused):
            return outcome
        actor = await self._openings.open(session, me, plan.settings, plan.space, price=plan.price)
        if isinstance(actor, Refused):
            return actor
        self.on_started(actor)
        self._kept(outcome)
        return actor.snapshot(request.id, me.user)

    async def _list(self, session: Session, me: Member, request: wire.ListPlanned) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        if refused is not None:
            return refused
        host = request.host
        if host.startswith("@"):
            account = await account_named(self._store, host)
            if account is None or isinstance(account, Refused):
                return account or nobody(host)
            if await self._relations.are_strangers(me.user, account.user):
                return nobody(host)
            host = account.user
        try:
            async with self._store.transaction() as connection:
                found, more = await plans.upcoming(
                    connection, me.user, request.limit, request.after, host=host
                )
        except StoreError as error:
            if error.code != "inconsistent":
                raise
            return Refused("bad_value", error.message)
        others = {listed.plan.host for listed in found} - {me.user}
        hidden = await self._relations.strangers_among(me.user, others)
        seen = [listed for listed in found if listed.plan.host not in hidden]
        rows = fit_rows([plan_row(plan_of(each.plan), each.reminded, each.reminders) for each in seen])
        if len(rows) < len(seen):
            last = seen[len(rows) - 1].plan
            more = pack_cursor(last.starts_us or 0, last.space)
        return wire.Plans(request.id, rows, more)

    # Deciding

    async def _act(self, me: Member, space: bytes, rate: RateKind, verb: _Verb) -> PlanOutcome | Refused:
        """Decide on a plan and write what comes of it."""
        read = await self._read(me, space, rate)
        if isinstance(read, Refused):
            return read
        _, graph = read
        now_us = self._around.wall_us()
        async with self._store.transaction() as connection:
            stored = await spaces.get(connection, space)
            if stored is None:
                return rules.no_such_space(space)
            outcome = verb(plan_of(stored), graph, now_us)
            if isinstance(outcome, Refused):
                return outcome
            if any(isinstance(effect, PlanMoved) for effect in outcome.effects):
                fixed = await may_move(connection, space, self._sale_limits)
                if fixed is not None:
                    return fixed
            await accounts.ensure(connection, me.user, me.name, now_us)
            announcement = await self._write(connection, outcome, now_us)
        self._kept(outcome, announcement)
        return outcome

    async def _read(self, me: Member, space: bytes, rate: RateKind) -> tuple[Plan, KnownGraph] | Refused:
        """The plan, and what the rules have to know of `me` and its host."""
        refused = self._rated(rate, me)
        if refused is not None:
            return refused
        async with self._store.transaction() as connection:
            stored = await spaces.get(connection, space)
        if stored is None:
            return rules.no_such_space(space)
        plan = plan_of(stored)
        if plan.host == me.user:
            return plan, KnownGraph()
        both = [(plan.host, me.user), (me.user, plan.host)]
        return plan, await self._relations.gather(edges=[(me.user, plan.host)], blocks=both)

    async def _write(self, connection: Any, outcome: PlanOutcome, now_us: int) -> Announcement:
        """Within a transaction; what an application is to be told goes with it."""
        announcement = self._announcer.that(outcome.plan.space, *_told(outcome.effects))
        await record_plan(connection, outcome.effects, now_us)
        await announcement.write(connection)
        return announcement

    def _kept(self, outcome: PlanOutcome, announcement: Announcement | None = None) -> None:
        """It is in the store: set the alarm, and tell who is to be told."""
        if announcement is not None:
            announcement.told()
        self._wait_for(outcome.plan)
        self._notices.tell(outcome.effects)
        if outcome.plan.state is State.CANCELLED and outcome.plan.price is not None:
            self.on_cancelled(outcome.plan.space)

    # Time

    def _wait_for(self, plan: Plan) -> None:
        key = ("plan", plan.space)
        due_us = plan_rules.due_us(plan, self._limits)
        if due_us is None:
            self._planned.discard(plan.space)
            self._notices.forget(plan)
            self._around.alarms.set(key, None, lambda now_us: None)
            return
        self._planned.add(plan.space)
        if plan.told_us is None and self._notices.must_wait(plan):
            due_us = max(due_us, self._limits.until_us(plan))
        pause_us = min(max(0, due_us - self._around.wall_us()), _LOOK_AGAIN_US)
        self._set_alarm(plan.space, pause_us)

    def _set_alarm(self, space: bytes, pause_us: int) -> None:
        at_us = self._around.clock_us() + pause_us
        self._around.alarms.set(
            ("plan", space), at_us, lambda now_us: self._around.spawn(self._on_time(space))
        )

    async def _on_time(self, space: bytes) -> None:
        now_us = self._around.wall_us()
        try:
            async with self._store.transaction() as connection:
                listed = await plans.get(connection, "", space)
                if listed is None:
                    self._planned.discard(space)
                    return
                plan = plan_of(listed.plan)
                outcome = PlanOutcome(plan)
                if not self._notices.must_wait(plan) or now_us >= self._limits.until_us(plan):
                    outcome = plan_rules.on_time(plan, now_us, self._limits)
                announcement = await self._write(connection, outcome, now_us)
        except Exception:
            self._around.counts.store_failures += 1
            log.exception("the plan %s is looked at again in a while", space.hex())
            self._set_alarm(space, _RETRY_US)
            return
        self._kept(outcome, announcement)

    def put_on_sale(self, space: bytes) -> None:
        """Tickets are sold for it, or at other terms: it waits less long for its host."""
        self._set_alarm(space, 0)

    def _host_came(self, coming: Sequence[bytes]) -> None:
        """Their host is here, and was not when they were to be told that these begin soon."""
        for space in coming:
            if space in self._planned:
                self._set_alarm(space, 0)

    def _rated(self, kind: RateKind, me: Member) -> Refused | None:
        allowed = self._around.rates.take(kind, me.user, self._around.clock_us())
        return allowed if isinstance(allowed, Refused) else None


def _told(effects: Iterable[PlanEffect]) -> list[What]:
    """What of this is for an application."""
    told: list[What] = []
    for effect in effects:
        match effect:
            case PlanAdded(plan):
                settings = plan.settings
                told.append(
                    happenings.SpaceScheduled(
                        settings.title,
                        settings.topics,
                        settings.kind,
                        plan.host,
                        plan.host_name,
                        plan.starts_us // _MS_US,
                    )
                )
            case PlanMoved(_, starts_us):
                told.append(happenings.SpaceRescheduled(starts_us // _MS_US))
            case PlanCancelled(_, reason):
                told.append(happenings.SpaceCancelled(reason.removeprefix("host_")))
            case _:
                pass
    return told
