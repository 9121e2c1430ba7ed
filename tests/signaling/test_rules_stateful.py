"""Random histories of up to eight people: the rules against a simple model, invariants after each step."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signaling import rules
from signaling.rules import (
    Action,
    Allowed,
    AskClosed,
    Asked,
    AudienceChanged,
    Banned,
    Effect,
    Ended,
    Entered,
    Left,
    OnStage,
    Outcome,
    QueueChanged,
    Refused,
    Removed,
    Role,
    RoleChanged,
    SeatAdded,
    SeatMuted,
    SeatRemoved,
    SpaceLimits,
    SpaceState,
    StageChanged,
    State,
    Waiting,
    may,
)

PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal")
LIMITS = SpaceLimits(stage=3, queue=2, people=6, host_grace_us=10)
SPACE = bytes(16)
END_US = 40  # until then the host does not end it, or most histories would be short
users = st.sampled_from(PEOPLE)
guests = st.sampled_from(PEOPLE[1:])
# Most acts are the host's; drawn evenly, nearly all would be refused.
actors = st.one_of(st.just("ann"), users)


def photograph(state: SpaceState) -> tuple[object, ...]:
    return (
        state.state,
        state.people(),
        list(state.on_stage.values()),
        state.queue(),
        state.banned,
        state.resting_seats,
        state.absent_since_us,
        state.ended_us,
    )


class Server:
    """Knows a Space only through effects, as the server's store, mixer and fan-out do."""

    def __init__(self) -> None:
        self.fan_out: set[str] = set()
        self.seats: dict[int, tuple[str, bool]] = {}
        self.asks: list[str] = []
        self.bans: set[str] = set()
        self.stage: tuple[OnStage, ...] = ()
        self.queue: tuple[Waiting, ...] = ()
        self.audience = 0
        self.you: dict[str, tuple[Role, int | None, bool]] = {}
        self.ended = ""
        self.freed_now: set[int] = set()
        self.resting: set[int] = set()

    def carry_out(self, outcome: Outcome) -> None:
        self.freed_now = set()
        for effect in outcome.effects:
            if isinstance(effect, Ended):
                assert outcome.effects == (effect,)
                self.close(effect.reason)
            self.write(effect)
            self.move_seats(effect)
            self.push(effect)
        if any(isinstance(effect, SeatAdded | SeatRemoved) for effect in outcome.effects):
            self.resting = self.freed_now

    def close(self, reason: str) -> None:
        self.ended = reason
        self.fan_out.clear()
        self.seats.clear()
        self.asks.clear()
        self.you.clear()
        self.stage, self.queue, self.audience = (), (), 0

    def write(self, effect: Effect) -> None:
        match effect:
            case Asked(user):
                self.asks.append(user)
            case AskClosed(user):
                self.asks.remove(user)
            case Banned(user):
                self.bans.add(user)

    def move_seats(self, effect: Effect) -> None:
        match effect:
            case SeatAdded(seat, user, _, role, muted):
                assert seat not in self.seats
                assert seat not in self.freed_now | self.resting, "freed just now"
                self.seats[seat] = (user, muted)
                self.you[user] = (role, seat, muted)
            case SeatMuted(seat, user, muted):
                assert self.seats[seat] == (user, not muted)
                self.seats[seat] = (user, muted)
            case SeatRemoved(seat, user):
                assert self.seats.pop(seat)[0] == user
                self.freed_now.add(seat)

    def push(self, effect: Effect) -> None:
        match effect:
            case Entered(user):
                assert user not in self.fan_out
                self.fan_out.add(user)
                self.you[user] = (Role.LISTENER, None, False)
            case Left(user) | Removed(user):
                self.fan_out.remove(user)
                del self.you[user]
            case RoleChanged(user, role, seat_or, muted):
                assert user in self.fan_out
                self.you[user] = (role, seat_or, muted)
            case StageChanged(stage):
                assert stage != self.stage
                self.stage = stage
            case QueueChanged(queue):
                assert queue != self.queue
                self.queue = queue
            case AudienceChanged(count):
                assert count != self.audience
                self.audience = count


class Histories(RuleBasedStateMachine):
    @initialize()
    def open_it(self) -> None:
        self.now_us = 0
        self.server = Server()
        self.let_speak: set[str] = {"ann"}
        outcome = rules.open_space(SPACE, "T", "ann", "Ann", 0, limits=LIMITS)
        assert isinstance(outcome, Outcome)
        self.keep(outcome)

    def keep(self, answer: Outcome | Refused) -> bool:
        if isinstance(answer, Refused):
            assert answer.code in rules.CODES
            return False
        self.server.carry_out(answer)
        self.state = answer.state
        return True

    def attempt(self, verb: object, *args: str) -> bool:
        before = self.state
        picture = photograph(before)
        answer = verb(before, *args, self.now_us)  # type: ignore[operator]
        assert photograph(before) == picture, "a state is a value"
        return self.keep(answer)

    def asked(self, user: str) -> bool:
        return user in self.server.asks

    @rule(user=users)
    def join(self, user: str) -> None:
        fits = len(self.state.roster) < LIMITS.people
        free = user not in self.server.bans and user not in self.server.fan_out and not self.server.ended
        accepted = self.attempt(rules.join, user, user.title())
        assert not accepted or (free and fits)
        if user == "ann":
            assert accepted == free, "the host can always come back"

    @precondition(lambda self: self.now_us > END_US)
    @rule(user=users)
    def leave(self, user: str) -> None:
        self.go(rules.leave, user, user in self.server.fan_out)

    @rule(user=guests)
    def guest_leaves(self, user: str) -> None:
        self.go(rules.leave, user, user in self.server.fan_out)

    @rule(user=users)
    def lose(self, user: str) -> None:
        self.go(rules.lost, user, True)

    def go(self, verb: object, user: str, possible: bool) -> None:
        assert self.attempt(verb, user) == possible
        if user != "ann":
            self.let_speak.discard(user)

    @rule(user=users)
    def return_(self, user: str) -> None:
        absent = user == "ann" and self.state.absent_since_us is not None
        inside = user in self.server.fan_out
        muted = self.state.muted(user)
        assert self.attempt(rules.returned, user) == (inside or absent)
        assert self.state.muted(user) == muted

    @rule(user=users)
    def ask(self, user: str) -> None:
        possible = (
            self.state.role_of(user) is Role.LISTENER
            and not self.asked(user)
            and len(self.server.asks) < LIMITS.queue
        )
        assert self.attempt(rules.ask, user) == possible

    @rule(actor=actors, whom=users)
    def admit(self, actor: str, whom: str) -> None:
        possible = (
            self.state.role_of(actor) is Role.HOST
            and self.asked(whom)
            and len(self.state.on_stage) < LIMITS.stage
        )
        assert self.attempt(rules.admit, actor, whom) == possible
        if possible:
            self.let_speak.add(whom)

    @rule(user=guests)
    def come_up(self, user: str) -> None:
        self.join(user)
        self.ask(user)
        self.admit("ann", user)

    @rule(user=guests)
    def come_and_ask(self, user: str) -> None:
        self.join(user)
        self.ask(user)

    @rule(actor=actors, whom=users)
    def decline(self, actor: str, whom: str) -> None:
        possible = self.asked(whom) and (self.state.role_of(actor) is Role.HOST or actor == whom)
        assert self.attempt(rules.decline, actor, whom) == possible

    @rule(actor=actors, whom=users)
    def mute(self, actor: str, whom: str) -> None:
        possible = self.state.role_of(whom) in (Role.SPEAKER, Role.HOST) and (
            actor == whom or self.state.role_of(actor) is Role.HOST
        )
        assert self.attempt(rules.mute, actor, whom) == possible

    @rule(actor=actors, whom=users)
    def unmute(self, actor: str, whom: str) -> None:
        possible = actor == whom and self.state.role_of(whom) in (Role.SPEAKER, Role.HOST)
        assert self.attempt(rules.unmute, actor, whom) == possible

    @rule(actor=actors, whom=users)
    def move(self, actor: str, whom: str) -> None:
        possible = self.state.role_of(whom) is Role.SPEAKER and (
            actor == whom or self.state.role_of(actor) is Role.HOST
        )
        assert self.attempt(rules.move, actor, whom) == possible
        if possible:
            self.let_speak.discard(whom)

    @rule(actor=actors, whom=users)
    def remove(self, actor: str, whom: str) -> None:
        possible = self.state.role_of(actor) is Role.HOST and self.state.role_of(whom) in (
            Role.LISTENER,
            Role.SPEAKER,
        )
        assert self.attempt(rules.remove, actor, whom) == possible
        if possible:
            self.let_speak.discard(whom)
            assert whom in self.server.bans
            assert whom not in self.server.fan_out

    @precondition(lambda self: self.now_us > END_US)
    @rule(user=users)
    def end(self, user: str) -> None:
        host = self.state.role_of(user) is Role.HOST
        assert self.attempt(rules.end, user) == host

    @rule(step_us=st.integers(0, 6))
    def pass_time(self, step_us: int) -> None:
        self.now_us += step_us
        due = self.state.deadline_us is not None and self.now_us >= self.state.deadline_us
        ended_before = self.server.ended
        assert self.keep(rules.on_time(self.state, self.now_us))
        assert self.server.ended == ("host_lost" if due else ended_before)

    @invariant()
    def fan_out_is_the_roster(self) -> None:
        assert self.server.fan_out == {person.user for person in self.state.people()}
        assert len(self.server.fan_out) == self.state.people_count <= LIMITS.people

    @invariant()
    def the_server_sees_what_is(self) -> None:
        assert list(self.server.stage) == self.state.stage()
        assert list(self.server.queue) == self.state.queue()
        assert self.server.audience == self.state.audience_count
        for user in self.server.fan_out:
            now = (self.state.role_of(user), self.state.seat_of(user), self.state.muted(user))
            assert self.server.you[user] == now
        listeners = [who for who in self.server.fan_out if self.state.role_of(who) is Role.LISTENER]
        assert self.server.audience == len(listeners)

    @invariant()
    def only_those_speak_who_may(self) -> None:
        for user, _ in self.server.seats.values():
            assert isinstance(may(user, Action.SPEAK, self.state), Allowed)
            assert user in self.let_speak
        for user in PEOPLE:
            speaks = user in {who for who, _ in self.server.seats.values()}
            assert isinstance(may(user, Action.SPEAK, self.state), Allowed) == speaks

    @invariant()
    def the_stage_is_bounded_and_seats_are_unique(self) -> None:
        stage = self.state.stage()
        assert len(stage) <= LIMITS.stage
        assert len({place.seat for place in stage}) == len({place.user for place in stage}) == len(stage)
        assert all(0 <= place.seat < LIMITS.seats for place in stage)
        assert all(self.state.inside(place.user) or place.user == "ann" for place in stage)

    @invariant()
    def at_most_one_host(self) -> None:
        hosts = [place.user for place in self.state.stage() if place.role is Role.HOST]
        assert hosts == (["ann"] if self.state.state is State.LIVE else [])

    @invariant()
    def nobody_banned_is_inside(self) -> None:
        assert self.server.bans == self.state.banned
        assert not self.server.bans & self.server.fan_out
        assert "ann" not in self.server.bans

    @invariant()
    def the_queue_is_unique_and_bounded(self) -> None:
        queue = [waiting.user for waiting in self.state.queue()]
        assert queue == self.server.asks
        assert len(set(queue)) == len(queue) <= LIMITS.queue
        assert all(self.state.role_of(user) is Role.LISTENER for user in queue)

    @invariant()
    def an_ended_space_is_empty(self) -> None:
        if self.server.ended:
            assert self.state.state is State.ENDED
            assert not (self.server.fan_out or self.server.seats or self.server.asks)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=50, deadline=None, derandomize=True)
