"""Scheduled Spaces: bounds of number and time, who may what, and who is told what when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.protocol import ErrorCode
from signaling.rules import Refused, plans
from signaling.rules.graph import NOBODY_KNOWN, KnownGraph
from signaling.rules.plans import (
    LIMITS,
    Audience,
    HostTold,
    Plan,
    PlanAdded,
    PlanCancelled,
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

SPACE = bytes(range(16))
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
T0 = 20_000 * DAY_US
AT_US = T0 + DAY_US
FANS = KnownGraph(edges=frozenset({("bob", "ann")}))


def done(answer: PlanOutcome | Refused) -> PlanOutcome:
    assert isinstance(answer, PlanOutcome), answer
    return answer


def refused(answer: PlanOutcome | Refused, code: str) -> Refused:
    assert isinstance(answer, Refused), answer
    assert answer.code == code
    assert code in ErrorCode.__members__
    assert answer.message.endswith(".")
    assert ";" in answer.message, "a refusal names a remedy"
    return answer


def planned(starts_us: int = AT_US) -> Plan:
    return done(plans.schedule(SPACE, Settings("Sea talk"), "ann", "Ann", starts_us, 0, T0)).plan


def scheduled(starts_us: int, held: int = 0, title: str = "Sea talk") -> PlanOutcome | Refused:
    return plans.schedule(SPACE, Settings(title), "ann", "Ann", starts_us, held, T0)


# A day in the life of a plan


def test_a_plan_is_announced_reminded_of_and_started() -> None:
    first = done(scheduled(AT_US))
    assert first.effects == (PlanAdded(first.plan),)
    assert (first.plan.state, first.plan.starts_us, first.plan.told_us) == (State.SCHEDULED, AT_US, None)
    assert done(plans.remind(first.plan, "bob", True, T0, FANS)).effects == (ReminderSet(SPACE, "bob"),)

    told_at_us = plans.due_us(first.plan)
    assert told_at_us == AT_US - 30 * MINUTE_US
    assert plans.on_time(first.plan, told_at_us - 1) == PlanOutcome(first.plan)
    told = plans.on_time(first.plan, told_at_us)
    assert told.effects == (HostTold(SPACE), Tell(Audience.HOST, PlanNews.SOON, told.plan))
    assert plans.on_time(told.plan, told_at_us) == PlanOutcome(told.plan), "told once"

    live = done(plans.start(told.plan, "ann", AT_US))
    assert live.plan.state is State.LIVE
    assert live.effects == (PlanStarted(SPACE), Tell(Audience.REMINDED, PlanNews.LIVE, live.plan))
    assert plans.due_us(live.plan) is None
    assert plans.on_time(live.plan, AT_US + DAY_US) == PlanOutcome(live.plan)


def test_a_plan_that_nobody_starts_is_cancelled_and_all_are_told() -> None:
    plan = replace(planned(), told_us=AT_US - MINUTE_US)
    late_us = AT_US + 60 * MINUTE_US
    assert plans.due_us(plan) == late_us
    assert plans.on_time(plan, late_us - 1) == PlanOutcome(plan)
    gone = plans.on_time(plan, late_us)
    assert gone.plan.state is State.CANCELLED
    assert gone.effects == (
        PlanCancelled(SPACE, "not_started"),
        Tell(Audience.HOST, PlanNews.CANCELLED, gone.plan),
        Tell(Audience.REMINDED, PlanNews.CANCELLED, gone.plan),
    )


def test_a_server_that_was_down_over_it_cancels_without_announcing_it_first() -> None:
    gone = plans.on_time(planned(), AT_US + DAY_US)
    assert gone.plan.state is State.CANCELLED
    assert HostTold(SPACE) not in gone.effects


def test_the_host_moves_it_and_is_told_of_the_new_time() -> None:
    plan = plans.on_time(planned(), AT_US - 30 * MINUTE_US).plan
    assert plan.told_us is not None
    moved = done(plans.reschedule(plan, "ann", AT_US + HOUR_US, AT_US - 20 * MINUTE_US))
    assert moved.plan == replace(plan, starts_us=AT_US + HOUR_US, told_us=None)
    assert moved.effects == (
        PlanMoved(SPACE, AT_US + HOUR_US),
        Tell(Audience.REMINDED, PlanNews.MOVED, moved.plan),
    )
    assert plans.due_us(moved.plan) == AT_US + 30 * MINUTE_US


def test_moving_it_to_the_same_time_changes_nothing() -> None:
    plan = planned()
    assert plans.reschedule(plan, "ann", AT_US, AT_US) == PlanOutcome(plan)


def test_the_host_calls_it_off() -> None:
    gone = done(plans.cancel(planned(), "ann", T0))
    assert gone.plan.state is State.CANCELLED
    assert gone.effects == (
        PlanCancelled(SPACE, "host_cancelled"),
        Tell(Audience.REMINDED, PlanNews.CANCELLED, gone.plan),
    )


@pytest.mark.parametrize("ahead_us", [MINUTE_US, 30 * MINUTE_US])
def test_who_plans_for_within_the_half_hour_need_not_be_told(ahead_us: int) -> None:
    outcome = done(scheduled(T0 + ahead_us))
    assert outcome.plan.told_us == T0
    assert outcome.effects == (PlanAdded(outcome.plan), HostTold(SPACE))
    assert plans.due_us(outcome.plan) == T0 + ahead_us + LIMITS.late_us
    moved = done(plans.reschedule(planned(), "ann", T0 + ahead_us, T0))
    assert moved.effects[:2] == (PlanMoved(SPACE, T0 + ahead_us), HostTold(SPACE))


# Bounds


def test_a_host_has_ten_plans_and_not_one_more() -> None:
    done(scheduled(AT_US, held=9))
    answer = refused(scheduled(AT_US, held=10), "too_many_planned")
    assert answer.message.startswith("You have 10 scheduled Spaces and 10 is the limit")


@pytest.mark.parametrize("ahead_us", [MINUTE_US, 30 * DAY_US])
def test_times_at_the_bounds(ahead_us: int) -> None:
    assert done(scheduled(T0 + ahead_us)).plan.starts_us == T0 + ahead_us
    assert done(plans.reschedule(planned(), "ann", T0 + ahead_us, T0)).plan.starts_us == T0 + ahead_us


@pytest.mark.parametrize(
    ("ahead_us", "part"),
    [
        (MINUTE_US - 1, "is in 60 seconds and 60 seconds ahead is the least"),
        (0, "is in 0 seconds and 60 seconds ahead is the least; choose a later time"),
        (-90 * MINUTE_US, "is 90 minutes ago and 60 seconds ahead is the least"),
        (30 * DAY_US + 1, "is in 30 days and 30 days ahead is the limit"),
        (45 * DAY_US, "is in 45 days and 30 days ahead is the limit; choose an earlier time"),
        ((1 << 48) * 1_000 - T0, "30 days ahead is the limit"),
        (-T0, "ago and 60 seconds ahead is the least"),
    ],
)
def test_times_past_the_bounds(ahead_us: int, part: str) -> None:
    assert part in refused(scheduled(T0 + ahead_us), "bad_time").message
    assert part in refused(plans.reschedule(planned(), "ann", T0 + ahead_us, T0), "bad_time").message


def test_the_host_may_start_from_a_quarter_of_an_hour_before() -> None:
    early_us = AT_US - 15 * MINUTE_US
    answer = refused(plans.start(planned(), "ann", early_us - 5 * MINUTE_US), "bad_time")
    assert "starts in 20 minutes and 15 minutes before is the earliest; wait 5 minutes" in answer.message
    assert answer.retry_after_ms == 5 * 60_000
    assert refused(plans.start(planned(), "ann", early_us - 1), "bad_time").retry_after_ms == 1
    assert done(plans.start(planned(), "ann", early_us)).plan.state is State.LIVE


def test_the_host_may_start_until_an_hour_late() -> None:
    late_us = AT_US + 60 * MINUTE_US
    assert done(plans.start(planned(), "ann", late_us - 1)).plan.state is State.LIVE
    for verb in (plans.start, plans.cancel):
        answer = refused(verb(planned(), "ann", late_us), "not_planned")
        assert "was to start 60 minutes ago and 60 minutes is the limit" in answer.message
    refused(plans.reschedule(planned(), "ann", late_us + DAY_US, late_us), "not_planned")
    refused(plans.remind(planned(), "bob", True, late_us, FANS), "not_planned")


def test_the_limits_hold_that_are_given() -> None:
    limits = plans.PlanLimits(1, 10, 20, 2, 3, 4)
    plan = Plan(SPACE, Settings("T"), "ann", "Ann", T0 + 15)
    assert plans.due_us(plan, limits) == T0 + 13
    refused(
        plans.schedule(SPACE, plan.settings, "ann", "Ann", T0 + 15, 1, T0, limits=limits), "too_many_planned"
    )
    refused(plans.schedule(SPACE, plan.settings, "ann", "Ann", T0 + 21, 0, T0, limits=limits), "bad_time")
    refused(plans.reschedule(plan, "ann", T0 + 9, T0, limits=limits), "bad_time")
    refused(plans.start(plan, "ann", T0 + 11, limits=limits), "bad_time")
    done(plans.start(plan, "ann", T0 + 18, limits=limits))
    assert plans.on_time(plan, T0 + 19, limits).plan.state is State.CANCELLED


@pytest.mark.parametrize("title", ["", "x" * 101, "a\u202eb"])
def test_titles_that_cannot_be(title: str) -> None:
    refused(scheduled(AT_US, title=title), "bad_value")


def test_names_and_ids_that_cannot_be() -> None:
    settings = Settings("T")
    refused(plans.schedule(SPACE, settings, "", "Ann", AT_US, 0, T0), "bad_value")
    refused(plans.schedule(SPACE, settings, "ann", "n" * 51, AT_US, 0, T0), "bad_value")
    refused(
        plans.schedule(SPACE, replace(settings, topics=tuple("abcd")), "a", "A", AT_US, 0, T0), "bad_value"
    )
    with pytest.raises(ValueError, match="has 3 bytes; make it 16"):
        plans.schedule(b"abc", settings, "ann", "Ann", AT_US, 0, T0)


# Who may


def test_only_its_host_moves_cancels_and_starts_it() -> None:
    for answer in (
        plans.reschedule(planned(), "bob", AT_US + HOUR_US, T0),
        plans.cancel(planned(), "bob", T0),
        plans.start(planned(), "bob", AT_US),
    ):
        refused(answer, "not_permitted")


@pytest.mark.parametrize("state", [State.LIVE, State.ENDED, State.CANCELLED, State.TIMED_OUT])
def test_what_is_scheduled_no_more_stays_as_it_is(state: State) -> None:
    plan = replace(planned(), state=state)
    for answer in (
        plans.reschedule(plan, "ann", AT_US + HOUR_US, T0),
        plans.cancel(plan, "ann", T0),
        plans.start(plan, "ann", AT_US),
        plans.remind(plan, "bob", True, T0, FANS),
        plans.remind(plan, "bob", False, T0, FANS),
    ):
        refused(answer, "not_planned")
    assert plans.due_us(plan) is None
    assert plans.on_time(plan, AT_US + DAY_US) == PlanOutcome(plan)


def test_followers_set_reminders_and_take_them_back() -> None:
    assert done(plans.remind(planned(), "bob", False, T0, FANS)).effects == (ReminderTaken(SPACE, "bob"),)
    answer = refused(plans.remind(planned(), "cat", True, T0, FANS), "not_permitted")
    assert answer.message.endswith("follow Ann first.")
    assert done(plans.remind(planned(), "cat", False, T0, FANS)).effects == (ReminderTaken(SPACE, "cat"),)
    refused(plans.remind(planned(), "ann", True, T0, FANS), "not_permitted")


@pytest.mark.parametrize("block", [("ann", "bob"), ("bob", "ann")])
def test_between_people_one_of_whom_blocks_the_other_there_is_no_plan(block: tuple[str, str]) -> None:
    graph = KnownGraph(edges=FANS.edges, blocks=frozenset({block}))
    assert plans.hidden(planned(), "bob", graph)
    assert not plans.hidden(planned(), "cat", graph)
    for answer in (
        plans.remind(planned(), "bob", True, T0, graph),
        plans.reschedule(planned(), "bob", AT_US + HOUR_US, T0, graph),
        plans.cancel(planned(), "bob", T0, graph),
        plans.start(planned(), "bob", AT_US, graph),
    ):
        assert "live Space" in refused(answer, "no_such_space").message
    assert not plans.hidden(planned(), "bob", NOBODY_KNOWN)


# Any order of events


@given(
    st.integers(0, 90),
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["time", "move", "start", "cancel"])), max_size=20
    ),
)
def test_whenever_the_clock_is_looked_at_all_is_told_once(
    starts_min: int, events: list[tuple[int, str]]
) -> None:
    """However late `on_time` comes, a plan is told of at most once a time, and is over at most once."""
    plan, now_us = Plan(SPACE, Settings("T"), "ann", "Ann", T0 + starts_min * MINUTE_US), T0
    told, over = 0, 0
    for step_min, event in events:
        now_us += step_min * MINUTE_US
        before = plan
        answer = {
            "time": lambda: plans.on_time(plan, now_us),  # noqa: B023 - called at once
            "move": lambda: plans.reschedule(plan, "ann", now_us + 50 * MINUTE_US, now_us),  # noqa: B023
            "start": lambda: plans.start(plan, "ann", now_us),  # noqa: B023
            "cancel": lambda: plans.cancel(plan, "ann", now_us),  # noqa: B023
        }[event]()
        if isinstance(answer, Refused):
            continue
        plan = answer.plan
        if plan.starts_us != before.starts_us:
            told = 0
        told += any(isinstance(each, HostTold) for each in answer.effects)
        over += before.state is State.SCHEDULED and plan.state is not State.SCHEDULED
        assert told <= 1
        assert over == (plan.state is not State.SCHEDULED)
        if event == "time":
            due_us = plans.due_us(plan)
            assert due_us is None or due_us > now_us, "what was due is done"
