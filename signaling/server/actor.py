"""SpaceActor: everything that happens in one Space, one thing after the other."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from signaling import rules
from signaling.context import CONNECTION, SPACE
from signaling.links import SECRET_BYTES
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.rules import Action, Effect, Ended, Entered, Outcome, Refused, SpaceState
from signaling.server.admission import Guests, is_free
from signaling.server.answers import BUSY_RETRY_MS, refuse
from signaling.server.arrivals import ARRIVALS
from signaling.server.counts import Counts
from signaling.server.facts import NOTHING_ASKED, Facts, History, ask, questions
from signaling.server.hall import Hall, Step
from signaling.server.ledger import Ledger
from signaling.server.lists import LISTS
from signaling.server.pace import Pace
from signaling.server.place import Place
from signaling.server.rows import joined, people_page
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.server.talking import Talking
from signaling.server.verbs import VERBS, Turn

__all__ = ["SpaceActor"]

log = logging.getLogger(__name__)

# After so many jobs without a pause others get a turn of the loop: the next tick must not wait for a crowd.
_TURN_JOBS = 16
# So often it is asked again where the Space or a block has changed while we asked.
_ASKED_AGAIN_MOST = 3


class SpaceActor:
    """**One job at a time: decide by the rules, write to the store, and only then let it be so.**

    An act that the store refuses has not happened. A fact (a connection is gone, the time is up, the server
    stops) has happened whatever the store says; the ledger owes it.

    What a decision needs from outside is asked before its turn comes, so that a slow graph or store keeps
    only those waiting who asked; where the answers no longer fit, it is asked again.

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
        self._ledger = Ledger(state.space, around, lambda: self._put(self._ledger.write_end))
        self.history = History(state.space, around.records)
        self.guests = Guests()
        self._pace = Pace(around.rates, around.talk)
        self.talking = Talking(around.talk_book.open(state.space))
        hall.room.on_talk = self._on_talk
        self._blocks = 0  # how often it has changed whom the host blocks, or whose ticket is good
        self._jobs: deque[Callable[[], Awaitable[None]]] = deque()
        self._requests = 0
        self._job_came = asyncio.Event()
        self._is_done = False

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
        """Requests that wait for their turn, or for what has to be known first."""
        return self._requests

    @property
    def counts(self) -> Counts:
        """The server's counters."""
        return self._around.counts

    def now_us(self) -> int:
        """The time, by the clock of all Spaces."""
        return self._around.clock_us()

    # Inputs

    def submit(self, session: Session, request: wire.Request) -> None:
        """Have a request carried out; it is answered through the session."""
        limit, member = self._around.limits.inbox, session.member
        if member is None:
            session.refuse(ErrorCode.not_authenticated, "say hello first, and wait for welcome")
            return
        if self._requests >= limit:
            session.refuse(
                ErrorCode.busy,
                f"{self._requests} requests wait in this Space and {limit} is the limit; try again soon",
                BUSY_RETRY_MS,
            )
            return
        too_often = self._pace.of_person(member, request, self.now_us())
        if too_often is not None:
            refuse(session, too_often)
            return
        self._requests += 1
        if questions(self.state, member.user, request):
            self._around.spawn(self._asked(session, member, request, 0))
        else:
            self._put_request(session, request, NOTHING_ASKED, self._blocks, 0)

    def lost(self, session: Session) -> None:
        """The connection of somebody inside is gone."""
        self._put(lambda: self._lost(session))

    def block_changed(self, blocker: str, user: str, on: bool) -> None:
        """`blocker` has blocked `user`, or no more. Of the host's own people the blocked one is put out."""
        if blocker in self.state.owners:
            self._blocks += 1
            if on:
                self._put(lambda: self._fact(rules.shut_out(self.state, blocker, user, self.now_us())))

    def ticket_ended(self, user: str, *, may_return: bool) -> None:
        """`user` has no ticket any more: out, unless they need none. `may_return`: with a new one."""
        self._blocks += 1  # whoever was looked up before that is looked up again

        async def put_out() -> None:
            if not is_free(self.state, user, self.guests):
                outcome = rules.ticket_ended(self.state, user, self.now_us(), may_return=may_return)
                await self._fact(outcome)

        self._put(put_out)

    def close(self, reason: str) -> None:
        """End the Space, for a reason that people are told."""
        self._put(lambda: self._fact(rules.close(self.state, reason, self.now_us())))

    async def run(self) -> None:
        """Do one job after the other until the Space has ended, nothing waits and nothing is owed."""
        SPACE.set(self.space)  # of this task alone
        CONNECTION.set(None)  # whoever opened it is not who is at work in it
        done = 0
        while self._jobs or not self.is_over or self._ledger.owes:
            if not self._jobs:
                self._job_came.clear()
                await self._job_came.wait()
                done = 0
            await self._guarded(self._jobs.popleft())
            self._push(self.now_us())
            done += 1
            if done % _TURN_JOBS == 0:
                await asyncio.sleep(0)
        self._is_done = True

    async def opened(self, outcome: Outcome, session: Session | None) -> Refused | None:
        """Make the Space be: the first job, before `run`; without a session its host is not here yet.

        Refused if the store does.
        """
        refused = await self.perform(outcome, session, self.state.host)
        if refused is None:
            self.hall.herald.bulletin.forget()  # the host's snapshot says it all
            # A host who is not here yet is awaited from the first moment on.
            self._around.alarms.set(("due", self.space), self.state.deadline_us, self._on_due)
        return refused

    def snapshot(self, request_id: int, user: str) -> wire.Joined:
        """The Space as `user` finds it now."""
        return joined(self.state, request_id, user, self.hall.herald.serial)

    # Jobs

    def _put(self, job: Callable[[], Awaitable[None]]) -> None:
        self._jobs.append(job)
        self._job_came.set()

    def _put_request(
        self, session: Session, request: wire.Request, facts: Facts, blocks: int, asked: int
    ) -> None:
        if self._is_done:
            self._requests -= 1
            if type(request) in ARRIVALS:
                refuse(session, rules.no_such_space(self.space))
            else:
                session.refuse(ErrorCode.space_ended, "this Space has ended meanwhile; join another")
            return
        self._put(lambda: self._guarded_act(session, request, facts, blocks, asked))

    async def _asked(self, session: Session, member: Member, request: wire.Request, asked: int) -> None:
        """Ask what this request needs to know; then it waits for its turn."""
        blocks, needed = self._blocks, questions(self.state, member.user, request)
        found = await ask(needed, self._around.bonds, self.history)
        if isinstance(found, Refused):
            self._requests -= 1
            refuse(session, found)
            return
        self._put_request(session, request, found, blocks, asked + 1)

    async def _guarded(self, job: Callable[[], Awaitable[None]]) -> None:
        """The error boundary of the Space: our own bug in one job ends that job only."""
        try:
            await job()
        except Exception:
            self.counts.errors_caught += 1
            log.exception("a job of Space %s failed", self.space.hex())
        finally:
            CONNECTION.set(None)

    async def _guarded_act(
        self, session: Session, request: wire.Request, facts: Facts, blocks: int, asked: int
    ) -> None:
        self._requests -= 1
        member = session.member
        if session.is_closed or member is None:
            return
        needed = questions(self.state, member.user, request)
        if needed and not (blocks == self._blocks and facts.cover(needed)):
            self._ask_again(session, member, request, asked)
            return
        CONNECTION.set(session.number)
        try:
            await self._act(session, member, request, facts)
        except Exception:
            session.refuse(ErrorCode.internal, "the server failed at this request; try again later")
            raise

    def _ask_again(self, session: Session, member: Member, request: wire.Request, asked: int) -> None:
        if asked > _ASKED_AGAIN_MOST:
            session.refuse(
                ErrorCode.busy, "this Space changes while you are looked up; try again soon", BUSY_RETRY_MS
            )
            return
        self._requests += 1
        self._around.spawn(self._asked(session, member, request, asked))

    async def _act(self, session: Session, member: Member, request: wire.Request, facts: Facts) -> None:
        arrive, action = ARRIVALS.get(type(request)), LISTS.get(type(request))
        if arrive is not None:
            await arrive(self, session, member, request, facts)
        elif action is not None:
            self._list(session, member.user, request, action)
        elif isinstance(request, wire.Leave) and self.hall.dismiss(session):
            session.reply(wire.Ok(request.id))
        else:
            await self._decide(session, member.user, request, facts)

    async def _decide(self, session: Session, user: str, request: wire.Request, facts: Facts) -> None:
        verb = VERBS.get(type(request))
        if verb is None:
            session.refuse(ErrorCode.unknown_message, "this server has no such request within a Space")
            return
        around = self._around
        secret = around.random_bytes(SECRET_BYTES) if verb.makes_secret else b""
        turn = Turn(
            self.state, user, request, self.now_us(), around.wall_us(), facts, secret, around.address()
        )
        outcome = verb.decide(turn)
        if isinstance(outcome, Refused):
            refuse(session, outcome)
            return
        removed_before = self.hall.last_removal
        refused = self._pace.of_space(request, turn.now_us) or await self.perform(outcome)
        if refused is not None:
            refuse(session, refused)
            return
        answer = verb.answer(turn, outcome)
        if verb.takes_seat and self.hall.last_removal != removed_before:
            # The host is told when nothing of this voice can be mixed any more.
            self.hall.room.when_applied(self.hall.last_removal, lambda: session.reply(answer))
        else:
            session.reply(answer)

    def _list(self, session: Session, user: str, request: wire.Request, action: Action) -> None:
        allowed = rules.may(user, action, self.state)
        if isinstance(allowed, Refused):
            refuse(session, allowed)
        elif isinstance(request, wire.ListPeople):
            session.reply(people_page(self.state, request.id, request.after, request.limit))
        elif isinstance(request, wire.ListTalkers):
            session.reply(self.talking.times.answer(request.id, self.now_us()))
        else:
            self._around.spawn(self._around.lists.answer(session, self.space, request))

    async def _lost(self, session: Session) -> None:
        member = session.member
        if self.hall.dismiss(session):
            return
        if member is None or self.hall.session_of(member.user) is not session:
            return  # they left, or are here over a newer connection
        await self._fact(rules.lost(self.state, member.user, self.now_us()))

    async def _fact(self, outcome: Outcome) -> None:
        self._keep(outcome)
        await self._ledger.write_fact(outcome.effects)

    # What a job does

    async def perform(
        self, outcome: Outcome, arriving: Session | None = None, user: str = ""
    ) -> Refused | None:
        """Make an act durable and then let it be so; `user` arrives over the session. Refused: it is not."""
        refused = await self._ledger.write(outcome.effects)
        if refused is not None:
            return refused
        if arriving is not None and self.hall.session_of(user) not in (None, arriving):
            self.hall.enter(user, arriving, Place(self, self.hall.room, user=user))
        self._keep(outcome, arriving, user)
        return None

    def _keep(self, outcome: Outcome, arriving: Session | None = None, user: str = "") -> None:
        """From here on it is so: state, mix, roster and connections, without a pause between them."""
        step = Step(self.state, outcome.state, self.now_us(), user)
        self.state = outcome.state
        for effect in outcome.effects:
            self.guests.note(effect, outcome.state)
            if isinstance(effect, Entered):
                if arriving is not None:
                    self.hall.enter(effect.user, arriving, Place(self, self.hall.room, user=effect.user))
            else:
                self.hall.carry(effect, step)
                if isinstance(effect, Ended):
                    self._ended()
        if step.before.deadline_us != step.after.deadline_us:
            self._around.alarms.set(("due", self.space), step.after.deadline_us, self._on_due)
        self._show(outcome.effects)
        if arriving is not None and arriving.is_closed:
            self.lost(arriving)  # it went away while the store was written to

    def _show(self, effects: Sequence[Effect]) -> None:
        for observer in self._around.observers:
            try:
                observer.on_outcome(self, effects)
            except Exception:
                self.counts.errors_caught += 1
                log.exception("an observer of Space %s failed", self.space.hex())

    def _ended(self) -> None:
        for key in ("due", "push"):
            self._around.alarms.set((key, self.space), None, self._push)
        self._around.talk_book.close(self.space, self.now_us())
        self.counts.spaces_ended += 1
        self._on_end(self)

    def _on_due(self, now_us: int) -> None:
        self._put(lambda: self._fact(rules.on_time(self.state, now_us)))

    def _on_talk(self) -> None:
        """Somebody else is heard. Those who listen are told by each datagram, so nobody waits for this."""
        room, now_us = self.hall.room, self.now_us()
        here = [place for place in self.state.on_stage.values() if place.user not in self.state.absent]
        sitting = {place.seat: (place.user, place.name) for place in here}
        self.talking.on_change(room.talking, room.dominant, sitting, now_us)
        if self.hall.is_overseen:
            self._push(now_us)

    def _push(self, now_us: int) -> None:
        if self.is_over:
            return
        try:
            due_us = self.hall.push(now_us, self.state, self.talking)
        except Exception:  # also called where no job's error boundary is
            self.counts.errors_caught += 1
            log.exception("events of Space %s could not be told", self.space.hex())
            due_us = None
        self._around.alarms.set(("push", self.space), due_us, self._push)
