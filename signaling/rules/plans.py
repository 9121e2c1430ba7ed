"""Scheduled Spaces: announced, moved, cancelled, started; who is reminded, and what is told when.

A plan lives from `schedule` until it is started, which makes it a live Space of the same id, or cancelled,
by its host or by the server when nobody came. Verbs answer with the plan as it is from then on and with
effects, in the order in which they are to be carried out:

| effect        | store                       | push                                       |
|---------------|-----------------------------|--------------------------------------------|
| PlanAdded     | a new scheduled Space       |                                            |
| PlanMoved     | another time                |                                            |
| PlanCancelled | cancelled, for this reason  |                                            |
| PlanStarted   | (its Opened makes it live)  |                                            |
| HostTold      | the host has been told      |                                            |
| ReminderSet   | a reminder                  |                                            |
| ReminderTaken | no longer a reminder        |                                            |
| Tell          |                             | `notice` to the host, or to who is reminded |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from signaling.rules.graph import NOBODY_KNOWN, Graph
from signaling.rules.limits import SpaceLimits
from signaling.rules.money import Price
from signaling.rules.permissions import ALLOWED, Allowed, Refused, may, no_such_space
from signaling.rules.roles import Action, Standing, State, Target
from signaling.rules.settings import Settings, checked
from signaling.rules.text import display_name, user_id

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
_SPACE_ID_BYTES = 16
_SPACE_LIMITS = SpaceLimits()


@dataclass(frozen=True, slots=True)
class PlanLimits:
    """The bounds of scheduling.

    `per_host` plans a host at one time; each from `ahead_us` to `ahead_most_us` ahead. The host is told
    `notice_us` before and may start `early_us` before; a plan that is not started `late_us` after its time
    is cancelled, one that sells tickets after `no_show_us`.
    """

    per_host: int = 10
    ahead_us: int = _MINUTE_US
    ahead_most_us: int = 30 * _DAY_US
    notice_us: int = 30 * _MINUTE_US
    early_us: int = 15 * _MINUTE_US
    late_us: int = _HOUR_US
    no_show_us: int = 15 * _MINUTE_US

    def until_us(self, plan: Plan) -> int:
        """When a plan is cancelled that was not started."""
        return plan.starts_us + (self.late_us if plan.price is None else self.no_show_us)


LIMITS: Final = PlanLimits()


@dataclass(frozen=True, slots=True)
class Plan:
    """A scheduled Space at one moment. **Immutable: a verb makes a new plan.**

    `starts_us` since the epoch. `told_us`: when the host was told that it begins soon, None until then.
    `price`: of its tickets, None where it sells none. To the table of permissions it is a Space in which
    nobody is but its host.
    """

    space: bytes
    settings: Settings
    host: str
    host_name: str
    starts_us: int
    state: State = State.SCHEDULED
    told_us: int | None = None
    price: Price | None = None

    def standing(self, user: str) -> Standing:
        """The host, or outside."""
        return Standing.HOST if user == self.host else Standing.OUTSIDE

    def aimed_at(self, user: str) -> Target:
        """The host, or outside."""
        return Target.HOST if user == self.host else Target.OUTSIDE


class PlanNews(IntEnum):
    """What is told of a plan. The numbers are those of the wire."""

    SOON = 0
    LIVE = 1
    CANCELLED = 2
    MOVED = 3


class Audience(StrEnum):
    """Who is told."""

    HOST = "host"
    REMINDED = "reminded"


@dataclass(frozen=True, slots=True)
class PlanAdded:
    plan: Plan


@dataclass(frozen=True, slots=True)
class PlanMoved:
    """The host counts as not told of the new time; HostTold follows where there is no need to."""

    space: bytes
    starts_us: int


@dataclass(frozen=True, slots=True)
class PlanCancelled:
    """`reason`: host_cancelled or not_started."""

    space: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class PlanStarted:
    space: bytes


@dataclass(frozen=True, slots=True)
class HostTold:
    space: bytes


@dataclass(frozen=True, slots=True)
class ReminderSet:
    space: bytes
    user: str


@dataclass(frozen=True, slots=True)
class ReminderTaken:
    space: bytes
    user: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell `audience` that `news` is so of `plan`."""

    audience: Audience
    news: PlanNews
    plan: Plan


PlanEffect: TypeAlias = (
    PlanAdded | PlanMoved | PlanCancelled | PlanStarted | HostTold | ReminderSet | ReminderTaken | Tell
)


@dataclass(frozen=True, slots=True)
class PlanOutcome:
    """What came of an act: the plan as it is from now on, and what the server has to carry out."""

    plan: Plan
    effects: tuple[PlanEffect, ...] = ()


def schedule(  # noqa: PLR0917 - what a plan is made of, in the order of its fields
    space: bytes,
    settings: Settings,
    host: str,
    host_name: str,
    starts_us: int,
    planned: int,
    now_us: int,
    *,
    limits: PlanLimits = LIMITS,
    space_limits: SpaceLimits = _SPACE_LIMITS,
) -> PlanOutcome | Refused:
    """Announce a Space under a new random id; its host has `planned` scheduled ones already.

    Who is within the notice already counts as told. Whether they may host at all, `may_host` decides.
    Refused: bad_value, bad_time, too_many_planned. ValueError for an id of another length.
    """
    if len(space) != _SPACE_ID_BYTES:
        raise ValueError(f"a Space id has {len(space)} bytes; make it {_SPACE_ID_BYTES}")
    user = user_id(host)
    if isinstance(user, Refused):
        return user
    name = display_name(host_name, user)
    if isinstance(name, Refused):
        return name
    kept = checked(settings, space_limits.title_chars, space_limits.topics)
    if isinstance(kept, Refused):
        return kept
    if planned >= limits.per_host:
        return Refused(
            "too_many_planned",
            f"You have {planned} scheduled Spaces and {limits.per_host} is the limit; "
            "start or cancel one of them first.",
        )
    wrong = _wrong_time(starts_us, now_us, limits)
    if wrong is not None:
        return wrong
    plan = _timed(Plan(space, kept, user, name, starts_us), starts_us, now_us, limits)
    return PlanOutcome(plan, (PlanAdded(plan), *_told(plan)))


def reschedule(
    plan: Plan,
    actor: str,
    starts_us: int,
    now_us: int,
    graph: Graph = NOBODY_KNOWN,
    *,
    limits: PlanLimits = LIMITS,
) -> PlanOutcome | Refused:
    """The host names another time; who is reminded is told. The same time again changes nothing.

    Refused: bad_time, not_permitted, not_planned, no_such_space.
    """
    refused = _refused(plan, actor, Action.RESCHEDULE, now_us, graph, limits=limits)
    if refused is None and starts_us != plan.starts_us:
        refused = _wrong_time(starts_us, now_us, limits)
    if refused is not None:
        return refused
    if starts_us == plan.starts_us:
        return PlanOutcome(plan)
    moved = _timed(plan, starts_us, now_us, limits)
    news = Tell(Audience.REMINDED, PlanNews.MOVED, moved)
    return PlanOutcome(moved, (PlanMoved(plan.space, starts_us), *_told(moved), news))


def cancel(
    plan: Plan, actor: str, now_us: int, graph: Graph = NOBODY_KNOWN, *, limits: PlanLimits = LIMITS
) -> PlanOutcome | Refused:
    """The host calls it off; who is reminded is told. Refused: not_permitted, not_planned, no_such_space."""
    refused = _refused(plan, actor, Action.CANCEL, now_us, graph, limits=limits)
    if refused is not None:
        return refused
    return _called_off(plan, "host_cancelled", (Audience.REMINDED,))


def start(
    plan: Plan, actor: str, now_us: int, graph: Graph = NOBODY_KNOWN, *, limits: PlanLimits = LIMITS
) -> PlanOutcome | Refused:
    """The host begins; who is reminded is told. `open_space` with the plan's id and settings goes with it.

    Refused: bad_time (too early, with the time to wait), not_permitted, not_planned, no_such_space.
    """
    refused = _refused(plan, actor, Action.START, now_us, graph, limits=limits)
    if refused is not None:
        return refused
    wait_us = plan.starts_us - limits.early_us - now_us
    if wait_us > 0:
        return Refused(
            "bad_time",
            f"It starts in {_span(plan.starts_us - now_us)} and {_span(limits.early_us)} before is the "
            f"earliest; wait {_span(wait_us)}, or reschedule it.",
            -(-wait_us // 1_000),
        )
    live = replace(plan, state=State.LIVE)
    news = Tell(Audience.REMINDED, PlanNews.LIVE, live)
    return PlanOutcome(live, (PlanStarted(plan.space), news))


def remind(
    plan: Plan, user: str, on: bool, now_us: int, graph: Graph, *, limits: PlanLimits = LIMITS
) -> PlanOutcome | Refused:
    """A follower of the host wants to be told when it goes live, moves or is cancelled; or no more.

    Refused: not_permitted (the host, or who does not follow), not_planned, no_such_space.
    """
    refused = _refused(plan, user, Action.REMIND, now_us, graph, limits=limits)
    if refused is not None:
        return refused
    if not on:
        return PlanOutcome(plan, (ReminderTaken(plan.space, user),))
    if not graph.follows(user, plan.host):
        return Refused(
            "not_permitted",
            f"Reminders are for those who follow the host, and you do not; follow {plan.host_name} first.",
        )
    return PlanOutcome(plan, (ReminderSet(plan.space, user),))


def hidden(plan: Plan, viewer: str, graph: Graph) -> bool:
    """Whether `viewer` is not to see the plan, for one of the two has blocked the other."""
    return graph.blocked(plan.host, viewer) or graph.blocked(viewer, plan.host)


def due_us(plan: Plan, limits: PlanLimits = LIMITS) -> int | None:
    """When `on_time` will have something to do, or None. It may be past: then at once."""
    if plan.state is not State.SCHEDULED:
        return None
    if plan.told_us is None:
        return plan.starts_us - limits.notice_us
    return limits.until_us(plan)


def on_time(plan: Plan, now_us: int, limits: PlanLimits = LIMITS) -> PlanOutcome:
    """Do what is due at `now_us`: tell the host that it begins soon, or cancel what was not started.

    After a server was down for long, the second comes without the first.
    """
    at_us = due_us(plan, limits)
    if at_us is None or now_us < at_us:
        return PlanOutcome(plan)
    if _lapsed(plan, now_us, limits):
        return _called_off(plan, "not_started", (Audience.HOST, Audience.REMINDED))
    told = replace(plan, told_us=now_us)
    return PlanOutcome(told, (HostTold(plan.space), Tell(Audience.HOST, PlanNews.SOON, told)))


def _refused(
    plan: Plan, actor: str, action: Action, now_us: int, graph: Graph, *, limits: PlanLimits
) -> Refused | None:
    """Why `actor` may not do `action` with the plan, or None."""
    if hidden(plan, actor, graph):
        return no_such_space(plan.space)
    allowed: Allowed | Refused = may(actor, action, plan)
    if allowed == ALLOWED and _lapsed(plan, now_us, limits):
        late, most = _span(now_us - plan.starts_us), _span(limits.until_us(plan) - plan.starts_us)
        return Refused(
            "not_planned", f"It was to start {late} ago and {most} is the limit; schedule another."
        )
    return None if isinstance(allowed, Allowed) else allowed


def _lapsed(plan: Plan, now_us: int, limits: PlanLimits) -> bool:
    return now_us >= limits.until_us(plan)


def _wrong_time(starts_us: int, now_us: int, limits: PlanLimits) -> Refused | None:
    ahead_us = starts_us - now_us
    if ahead_us < limits.ahead_us:
        ahead = f"in {_span(ahead_us)}" if ahead_us >= 0 else f"{_span(-ahead_us)} ago"
        return Refused(
            "bad_time",
            f"The start is {ahead} and {_span(limits.ahead_us)} ahead is the least; choose a later time.",
        )
    if ahead_us > limits.ahead_most_us:
        return Refused(
            "bad_time",
            f"The start is in {_span(ahead_us)} and {_span(limits.ahead_most_us)} ahead is the limit; "
            "choose an earlier time.",
        )
    return None


def _timed(plan: Plan, starts_us: int, now_us: int, limits: PlanLimits) -> Plan:
    """The plan at this time. A host who chooses one that is within the notice needs none."""
    soon = now_us >= starts_us - limits.notice_us
    return replace(plan, starts_us=starts_us, told_us=now_us if soon else None)


def _told(plan: Plan) -> tuple[HostTold, ...]:
    return () if plan.told_us is None else (HostTold(plan.space),)


def _called_off(plan: Plan, reason: str, audiences: tuple[Audience, ...]) -> PlanOutcome:
    cancelled = replace(plan, state=State.CANCELLED)
    news = tuple(Tell(audience, PlanNews.CANCELLED, cancelled) for audience in audiences)
    return PlanOutcome(cancelled, (PlanCancelled(plan.space, reason), *news))


def _span(span_us: int) -> str:
    """A span of time for a person to read, in the largest unit of which there are two or more."""
    for unit, unit_us in (("days", _DAY_US), ("hours", _HOUR_US), ("minutes", _MINUTE_US)):
        if span_us >= 2 * unit_us:
            return f"{round(span_us / unit_us, 1):g} {unit}"
    return f"{round(span_us / _SECOND_US, 1):g} seconds"
