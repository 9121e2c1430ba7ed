"""Random histories of ten hosts who plan, move, cancel and start: the rules against a simple model."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from signaling.rules import CODES, Refused, plans
from signaling.rules.graph import KnownGraph
from signaling.rules.plans import (
    Audience,
    HostTold,
    Plan,
    PlanAdded,
    PlanCancelled,
    PlanEffect,
    PlanLimits,
    PlanMoved,
    PlanNews,
    PlanOutcome,
    PlanStarted,
    ReminderSet,
    ReminderTaken,
    Tell,
)
from signaling.rules.roles import State
from signaling.rules.settings import Settings

HOSTS = tuple(f"host-{number}" for number in range(10))
FANS = ("ann", "bob", "cat")
# Small, so that histories meet each bound: ahead 2 to 40, told 8 before, started 5 before to 6 late.
LIMITS = PlanLimits(per_host=3, ahead_us=2, ahead_most_us=40, notice_us=8, early_us=5, late_us=6)

hosts = st.one_of(st.just(HOSTS[0]), st.sampled_from(HOSTS))  # one is busy enough to meet the limit
fans = st.sampled_from(FANS)
everybody = st.sampled_from(HOSTS[:3] + FANS)
picks = st.integers(0, 1_000_000)
aheads_us = st.integers(-2, 44)


class Server:
    """Knows of plans only through effects, as store and push do."""

    def __init__(self) -> None:
        self.starts_us: dict[bytes, int] = {}
        self.told: dict[bytes, bool] = {}
        self.over: dict[bytes, str] = {}
        self.reminders: set[tuple[bytes, str]] = set()
        self.notices: Counter[tuple[bytes, Audience, PlanNews]] = Counter()

    def carry_out(self, effects: tuple[PlanEffect, ...]) -> None:
        for effect in effects:
            match effect:
                case PlanAdded(plan):
                    assert plan.space not in self.starts_us
                    self.starts_us[plan.space] = plan.starts_us
                    self.told[plan.space] = False
                case PlanMoved(space, starts_us):
                    assert space not in self.over
                    assert self.starts_us[space] != starts_us
                    self.starts_us[space] = starts_us
                    self.told[space] = False
                case HostTold(space):
                    assert not self.told[space], "told once of each time"
                    self.told[space] = True
                case PlanCancelled(space, reason):
                    assert space not in self.over, "a plan is over once"
                    self.over[space] = reason
                case PlanStarted(space):
                    assert space not in self.over, "a plan is over once"
                    self.over[space] = "live"
                case ReminderSet(space, user):
                    self.reminders.add((space, user))
                case ReminderTaken(space, user):
                    self.reminders.discard((space, user))
                case Tell(audience, news, plan):
                    self.notices[plan.space, audience, news] += 1


class Histories(RuleBasedStateMachine):
    @initialize()
    def open_it(self) -> None:
        self.now_us = 1_000
        self.server = Server()
        self.plans: dict[bytes, Plan] = {}
        self.moves: Counter[bytes] = Counter()
        self.edges: set[tuple[str, str]] = set()
        self.blocks: set[tuple[str, str]] = set()

    @property
    def graph(self) -> KnownGraph:
        return KnownGraph(edges=frozenset(self.edges), blocks=frozenset(self.blocks))

    def keep(self, answer: PlanOutcome | Refused) -> str:
        """What became of an act: "" for done, else the code. A refused one changes nothing."""
        if isinstance(answer, Refused):
            assert answer.code in CODES
            assert answer.message.endswith(".")
            assert ";" in answer.message
            return answer.code
        self.server.carry_out(answer.effects)
        self.plans[answer.plan.space] = answer.plan
        return ""

    def plan(self, pick: int) -> Plan | None:
        known = list(self.plans.values())
        return known[pick % len(known)] if known else None

    def held(self, host: str) -> int:
        return sum(plan.host == host and plan.state is State.SCHEDULED for plan in self.plans.values())

    def in_bounds(self, starts_us: int) -> bool:
        return 2 <= starts_us - self.now_us <= 40

    def expected(self, plan: Plan, actor: str, if_host: str) -> str:
        """The code for an act that only the host may do."""
        if actor != plan.host and {(plan.host, actor), (actor, plan.host)} & self.blocks:
            return "no_such_space"
        if plan.state is not State.SCHEDULED:
            return "not_planned"
        if actor != plan.host:
            return "not_permitted"
        return "not_planned" if self.now_us >= plan.starts_us + 6 else if_host

    @rule(host=hosts, ahead_us=aheads_us)
    def schedule(self, host: str, ahead_us: int) -> None:
        space, starts_us, held = len(self.plans).to_bytes(16), self.now_us + ahead_us, self.held(host)
        answer = plans.schedule(
            space, Settings("Sea talk"), host, host, starts_us, held, self.now_us, limits=LIMITS
        )
        in_time = "" if self.in_bounds(starts_us) else "bad_time"
        assert self.keep(answer) == ("too_many_planned" if held >= 3 else in_time)
        assert isinstance(answer, Refused) or (answer.plan.told_us is None) == (ahead_us > 8)

    @rule(pick=picks, actor=everybody, as_host=st.booleans(), ahead_us=aheads_us)
    def move(self, pick: int, actor: str, as_host: bool, ahead_us: int) -> None:
        plan = self.plan(pick)
        if plan is None:
            return
        actor, starts_us = plan.host if as_host else actor, self.now_us + ahead_us
        same = starts_us == plan.starts_us
        code = self.keep(plans.reschedule(plan, actor, starts_us, self.now_us, self.graph, limits=LIMITS))
        assert code == self.expected(plan, actor, "" if same or self.in_bounds(starts_us) else "bad_time")
        if not code and not same:
            self.moves[plan.space] += 1
            assert (self.plans[plan.space].told_us is None) == (ahead_us > 8)

    @rule(pick=picks, actor=everybody, as_host=st.booleans())
    def cancel(self, pick: int, actor: str, as_host: bool) -> None:
        plan = self.plan(pick)
        if plan is not None:
            actor = plan.host if as_host else actor
            code = self.keep(plans.cancel(plan, actor, self.now_us, self.graph, limits=LIMITS))
            assert code == self.expected(plan, actor, "")

    @rule(pick=picks, actor=everybody, as_host=st.booleans())
    def start(self, pick: int, actor: str, as_host: bool) -> None:
        plan = self.plan(pick)
        if plan is not None:
            actor = plan.host if as_host else actor
            answer = plans.start(plan, actor, self.now_us, self.graph, limits=LIMITS)
            early = "" if self.now_us >= plan.starts_us - 5 else "bad_time"
            assert self.keep(answer) == self.expected(plan, actor, early)

    @rule(pick=picks)
    def start_as_early_as_can_be(self, pick: int) -> None:
        plan = self.plan(pick)
        if plan is not None and plan.state is State.SCHEDULED:
            while self.now_us < plan.starts_us - 6:
                self.pass_time(1)
            self.start(pick, plan.host, True)
            self.pass_time(1)
            self.start(pick, plan.host, True)

    @rule(pick=picks, user=fans, on=st.booleans())
    def remind(self, pick: int, user: str, on: bool) -> None:
        plan = self.plan(pick)
        if plan is None:
            return
        code = self.keep(plans.remind(plan, user, on, self.now_us, self.graph, limits=LIMITS))
        follows = "" if not on or (user, plan.host) in self.edges else "not_permitted"
        # What only the host may do, anybody else may here.
        if {(plan.host, user), (user, plan.host)} & self.blocks:
            assert code == "no_such_space"
        elif plan.state is not State.SCHEDULED or self.now_us >= plan.starts_us + 6:
            assert code == "not_planned"
        else:
            assert code == follows
            assert code or ((plan.space, user) in self.server.reminders) == on

    @rule(fan=fans, host=hosts)
    def follow(self, fan: str, host: str) -> None:
        self.edges ^= {(fan, host)}

    @rule(fan=fans, host=hosts, by_host=st.booleans())
    def block(self, fan: str, host: str, by_host: bool) -> None:
        self.blocks ^= {(host, fan) if by_host else (fan, host)}

    @rule(step_us=st.integers(0, 9))
    def pass_time(self, step_us: int) -> None:
        """The server is up: it looks at every moment at which something is due."""
        for _ in range(step_us):
            self.now_us += 1
            self.look()

    @rule(step_us=st.integers(0, 60))
    def be_down(self, step_us: int) -> None:
        self.now_us += step_us
        self.look()

    def look(self) -> None:
        for plan in list(self.plans.values()):
            due_us = plans.due_us(plan, LIMITS)
            outcome = plans.on_time(plan, self.now_us, LIMITS)
            assert bool(outcome.effects) == (due_us is not None and self.now_us >= due_us)
            assert not self.keep(outcome)
            due_us = plans.due_us(self.plans[plan.space], LIMITS)
            assert due_us is None or due_us > self.now_us, "what was due is done"

    @invariant()
    def a_host_has_no_more_plans_than_the_limit(self) -> None:
        assert all(self.held(host) <= 3 for host in HOSTS)

    @invariant()
    def the_server_sees_what_is(self) -> None:
        for space, plan in self.plans.items():
            assert self.server.starts_us[space] == plan.starts_us
            assert self.server.told[space] == (plan.told_us is not None)
            over = {"live": State.LIVE}.get(self.server.over.get(space, ""), State.CANCELLED)
            assert plan.state is (over if space in self.server.over else State.SCHEDULED)

    @invariant()
    def all_is_told_once(self) -> None:
        for space in self.plans:
            notices, over = self.server.notices, self.server.over.get(space)
            assert notices[space, Audience.REMINDED, PlanNews.LIVE] == (over == "live")
            assert notices[space, Audience.REMINDED, PlanNews.CANCELLED] == (over not in (None, "live"))
            assert notices[space, Audience.HOST, PlanNews.CANCELLED] == (over == "not_started")
            assert notices[space, Audience.REMINDED, PlanNews.MOVED] == self.moves[space]
            assert notices[space, Audience.HOST, PlanNews.SOON] <= 1 + self.moves[space]
            assert notices[space, Audience.REMINDED, PlanNews.SOON] == 0


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=50, deadline=None, derandomize=True)
