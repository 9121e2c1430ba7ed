"""SpaceActor: everything that happens in one Space, one thing after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from signaling import rules
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Action, Effect, Ended, Entered, Outcome, Refused, SpaceState
from signaling.server.hall import Hall
from signaling.server.place import Place
from signaling.server.rows import joined, people_page
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings
from signaling.store import StoreError, is_durable

__all__ = ["SpaceActor"]

log = logging.getLogger(__name__)

# After so many jobs without a pause others get a turn of the loop: the next tick must not wait for a crowd.
_TURN_JOBS = 16
_BUSY_RETRY_MS = 500
# The end of a Space that could not be recorded is tried again after 0.5, 1, 2 … 30 s, for some five minutes.
_END_RETRY_US = 500_000
_END_RETRY_MOST_US = 30_000_000
_END_TRIES = 15
# What the store refuses in words meant for who asked, and when to try again.
_PASSED_ON = {"busy": _BUSY_RETRY_MS, "already_hosting": 0}


_Verb = Callable[[SpaceState, str, Any, int], "Outcome | Refused"]

_VERBS: Mapping[type[wire.Request], _Verb] = {
    wire.Leave: lambda state, user, request, now_us: rules.leave(state, user, now_us),
    wire.Ask: lambda state, user, request, now_us: rules.ask(state, user, now_us),
    wire.Admit: lambda state, user, request, now_us: rules.admit(state, user, request.user, now_us),
    wire.Decline: lambda state, user, request, now_us: rules.decline(state, user, request.user, now_us),
    wire.Mute: lambda state, user, request, now_us: rules.mute(state, user, request.user, now_us),
    wire.Unmute: lambda state, user, request, now_us: rules.unmute(state, user, request.user, now_us),
    wire.Move: lambda state, user, request, now_us: rules.move(state, user, request.user, now_us),
    wire.Remove: lambda state, user, request, now_us: rules.remove(state, user, request.user, now_us),
    wire.End: lambda state, user, request, now_us: rules.end(state, user, now_us),
}


class SpaceActor:
    """**One job at a time: decide by the rules, write to the store, and only then let it be so.**

    An act that the store refuses has not happened. A fact (a connection is gone, the time is up, the server
    stops) has happened whatever the store says: what could not be recorded is owed, and written first with
    the next change. After the end of the Space there is none, so that is written again by itself.

    `submit` takes requests up to a bound; facts are always taken, there is at most one for each person inside
    and one for each alarm.
    """

    def __init__(
        self, state: SpaceState, hall: Hall, around: Surroundings, on_end: Callable[[SpaceActor], None]
    ) -> None:
        self.state = state
        self.hall = hall
        self._around = around
        self._on_end = on_end
        self._owed: list[Effect] = []
        self._end_tries = 0
        self._due_us: int | None = None
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._requests = 0
        self._job_came = asyncio.Event()

    @property
    def space(self) -> bytes:
        """The Space's id."""
        return self.state.space

    @property
    def is_over(self) -> bool:
        """Whether the Space has ended."""
        return not self.state.is_live

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._requests

    # Inputs

    def submit(self, session: Session, request: wire.Request) -> None:
        """Have a request carried out; it is answered through the session."""
        limit = self._around.limits.inbox
        if self._requests >= limit:
            session.refuse(
                ErrorCode.busy,
                f"{self._requests} requests wait in this Space and {limit} is the limit; try again soon",
                _BUSY_RETRY_MS,
            )
            return
        self._requests += 1
        self._put(lambda: self._guarded_act(session, request))

    def lost(self, session: Session) -> None:
        """The connection of somebody inside is gone."""
        self._put(lambda: self._lost(session))

    def close(self, reason: str) -> None:
        """End the Space, for a reason that people are told."""
        self._put(lambda: self._fact(rules.close(self.state, reason, self._now_us())))

    async def run(self) -> None:
        """Do one job after the other until the Space has ended, nothing waits and nothing is owed."""
        done = 0
        while self._jobs or not self.is_over or self._owed:
            if not self._jobs:
                self._job_came.clear()
                await self._job_came.wait()
                done = 0
            await self._guarded(self._jobs.popleft())
            self._push(self._now_us())
            done += 1
            if done % _TURN_JOBS == 0:
                await asyncio.sleep(0)

    async def opened(self, outcome: Outcome, session: Session) -> Refused | None:
        """Make the Space be: the first job, before `run`. Refused if the store does."""
        refused = await self._write(outcome.effects)
        if refused is None:
            self._keep(outcome, session)
            self.hall.bulletin.forget()  # the host's snapshot says it all
        return refused

    def snapshot(self, request_id: int, user: str) -> wire.Joined:
        """The Space as `user` finds it now."""
        return joined(self.state, request_id, user, self.hall.bulletin.serial)

    # Jobs

    def _put(self, job: Callable[[], Awaitable[None]]) -> None:
        self._jobs.append(job)
        self._job_came.set()

    async def _guarded(self, job: Callable[[], Awaitable[None]]) -> None:
        """The error boundary of the Space: our own bug in one job ends that job only."""
        try:
            await job()
        except Exception:
            self._around.counts.errors_caught += 1
            log.exception("a job of Space %s failed", self.space.hex())

    async def _guarded_act(self, session: Session, request: wire.Request) -> None:
        self._requests -= 1
        if session.is_closed or session.member is None:
            return
        try:
            await self._act(session, session.member.user, request)
        except Exception:
            session.refuse(ErrorCode.internal, "the server failed at this request; try again later")
            raise

    async def _act(self, session: Session, user: str, request: wire.Request) -> None:
        if isinstance(request, wire.Join):
            await self._join(session, user, request)
            return
        if isinstance(request, wire.ListPeople):
            allowed = rules.may(user, Action.PEOPLE, self.state)
            if isinstance(allowed, Refused):
                _refuse(session, allowed)
            else:
                session.reply(people_page(self.state, request.id, request.after, request.limit))
            return
        outcome = _VERBS[type(request)](self.state, user, request, self._now_us())
        refused = outcome if isinstance(outcome, Refused) else await self._write(outcome.effects)
        if refused is not None:
            _refuse(session, refused)
            return
        if isinstance(outcome, Outcome):
            removed_before = self.hall.last_removal
            self._keep(outcome)
            done = wire.Ok(request.id)
            if isinstance(request, wire.Remove) and self.hall.last_removal != removed_before:
                # The host is told when nothing of this voice can be mixed any more.
                self.hall.room.when_applied(self.hall.last_removal, lambda: session.reply(done))
            else:
                session.reply(done)

    async def _join(self, session: Session, user: str, request: wire.Join) -> None:
        before = self.hall.session_of(user)
        if before is session:
            session.reply(self.snapshot(request.id, user))
            return
        name = session.member.name if session.member is not None else ""
        now_us = self._now_us()
        if before is None:
            outcome = rules.join(self.state, user, name, now_us)
        else:
            outcome = rules.returned(self.state, user, now_us)
        refused = outcome if isinstance(outcome, Refused) else await self._write(outcome.effects)
        if refused is not None:
            _refuse(session, refused)
            return
        if isinstance(outcome, Outcome):
            self._around.counts.joins += 1
            if before is not None:
                self.hall.enter(user, session, Place(self, self.hall.room))
            self._keep(outcome, session)
            session.reply(self.snapshot(request.id, user))

    async def _lost(self, session: Session) -> None:
        member = session.member
        if member is None or self.hall.session_of(member.user) is not session:
            return  # they left, or are here over a newer connection
        await self._fact(rules.lost(self.state, member.user, self._now_us()))

    async def _fact(self, outcome: Outcome) -> None:
        self._keep(outcome)
        refused = await self._write(outcome.effects)
        if refused is not None:
            self._owed.extend(outcome.effects)
            log.warning("Space %s: not recorded: %s", self.space.hex(), refused.message)
            if self.is_over:
                self._record_end_later()

    def _record_end_later(self) -> None:
        """Until the end is recorded the store lets the host open no other Space."""
        if self._end_tries == _END_TRIES:
            log.error("Space %s: its end is recorded at the server's next start", self.space.hex())
            self._owed.clear()
            return
        pause_us = min(_END_RETRY_US << self._end_tries, _END_RETRY_MOST_US)
        self._end_tries += 1
        self._around.alarms.set(
            ("record", self.space), self._now_us() + pause_us, lambda now_us: self._put(self._record_end)
        )

    async def _record_end(self) -> None:
        if await self._write([effect for effect in self._owed if isinstance(effect, Ended)]) is not None:
            self._record_end_later()

    # What a job does

    async def _write(self, effects: Sequence[Effect]) -> Refused | None:
        """Make the effects durable. If that cannot be done, nothing was written and nothing may change."""
        around = self._around
        if not is_durable(effects):
            return None
        # The end of a Space leaves nothing of it in the store, also not what is owed.
        owed = [] if any(isinstance(effect, Ended) for effect in effects) else self._owed
        try:
            await around.records.write(self.space, [*owed, *effects])
        except StoreError as error:
            around.counts.store_failures += 1
            if error.code in _PASSED_ON:
                return Refused(error.code, error.message, _PASSED_ON[error.code])
            log.error("the store refused a change of Space %s: %s", self.space.hex(), error)
        except Exception:
            around.counts.store_failures += 1
            log.exception("the store failed at a change of Space %s", self.space.hex())
        else:
            self._owed.clear()
            return None
        return Refused("internal", "the store failed and nothing was changed; try again later")

    def _keep(self, outcome: Outcome, arriving: Session | None = None) -> None:
        """From here on it is so: state, mix, roster and connections, without a pause between them."""
        self.state = outcome.state
        for effect in outcome.effects:
            if isinstance(effect, Entered) and arriving is not None:
                self.hall.enter(effect.user, arriving, Place(self, self.hall.room))
            else:
                self.hall.carry(effect)
            if isinstance(effect, Ended):
                self._ended()
        self._set_due()
        for observer in self._around.observers:
            try:
                observer.on_outcome(self, outcome.effects)
            except Exception:
                self._around.counts.errors_caught += 1
                log.exception("an observer of Space %s failed", self.space.hex())
        if arriving is not None and arriving.is_closed:
            self.lost(arriving)  # it went away while the store was written to

    def _ended(self) -> None:
        self._around.alarms.set(("push", self.space), None, self._push)
        self._around.counts.spaces_ended += 1
        self._on_end(self)

    def _set_due(self) -> None:
        if self._due_us != self.state.deadline_us:
            self._due_us = self.state.deadline_us
            self._around.alarms.set(("due", self.space), self._due_us, self._on_due)

    def _on_due(self, now_us: int) -> None:
        self._due_us = None
        self._put(lambda: self._fact(rules.on_time(self.state, now_us)))

    def _push(self, now_us: int) -> None:
        if self.is_over:
            return
        due_us = self.hall.push(now_us, self.state)
        self._around.alarms.set(("push", self.space), due_us, self._push)

    def _now_us(self) -> int:
        return self._around.clock_us()


def _refuse(session: Session, refused: Refused) -> None:
    session.refuse(ErrorCode[refused.code], refused.message, refused.retry_after_ms)
