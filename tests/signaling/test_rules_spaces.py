"""Stories of one Space, told through the rules: what each act changes, what it refuses, and what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signaling import rules
from signaling.rules import (
    AskClosed,
    Asked,
    AudienceChanged,
    Audited,
    Banned,
    CameBack,
    Ended,
    Entered,
    HostAbsent,
    HostReturned,
    Left,
    OnStage,
    Opened,
    Outcome,
    PlaceGone,
    QueueChanged,
    Refused,
    Removed,
    Role,
    RoleChanged,
    SeatAdded,
    SeatChanged,
    SeatRemoved,
    Settings,
    Spoke,
    StageChanged,
    State,
    Waiting,
    WentAbsent,
)
from tests.signaling.rules_stories import SPACE, T0, code, done, joined, on_stage, opened


def test_opening_puts_the_host_on_stage() -> None:
    outcome = done(rules.open_space(SPACE, Settings("  Sea talk "), "ann", "Ann", T0))
    assert outcome.effects == (
        Opened(SPACE, Settings("Sea talk"), "ann", "Ann"),
        Entered("ann", "Ann"),
        SeatAdded(0, "ann", "Ann", Role.HOST, False),
        Spoke("ann"),
        StageChanged((OnStage(0, "ann", "Ann", Role.HOST, False),)),
    )
    state = outcome.state
    assert (state.state, state.title, state.opened_us) == (State.LIVE, "Sea talk", T0)
    assert (state.people_count, state.audience_count, state.role_of("ann")) == (1, 0, Role.HOST)
    assert state.deadline_us is None


def test_a_listener_joins_and_leaves() -> None:
    before = opened()
    outcome = done(rules.join(before, "bob", "Bob", T0))
    assert outcome.effects == (Entered("bob", "Bob"), AudienceChanged(1))
    assert outcome.state.role_of("bob") is Role.LISTENER
    assert not before.inside("bob"), "a state is a value"
    outcome = done(rules.leave(outcome.state, "bob", T0))
    assert outcome.effects == (Left("bob"), AudienceChanged(0))
    assert outcome.state == before


def test_ask_and_admit() -> None:
    state = joined(opened(), "bob")
    outcome = done(rules.ask(state, "bob", T0))
    assert outcome.effects == (Asked("bob", "Bob"), QueueChanged((Waiting("bob", "Bob"),)))
    assert outcome.state.queue() == [("bob", "Bob")]
    outcome = done(rules.admit(outcome.state, "ann", "bob", T0))
    assert outcome.effects == (
        AskClosed("bob", "admitted"),
        SeatAdded(1, "bob", "Bob", Role.SPEAKER, False),
        Spoke("bob"),
        RoleChanged("bob", Role.SPEAKER, 1, False),
        Audited("ann", "admit", "bob"),
        StageChanged(
            (OnStage(0, "ann", "Ann", Role.HOST, False), OnStage(1, "bob", "Bob", Role.SPEAKER, False))
        ),
        QueueChanged(()),
        AudienceChanged(0),
    )
    assert outcome.state.seat_of("bob") == 1


def test_the_queue_keeps_its_order_through_declines_and_withdrawals() -> None:
    state = joined(opened(), "bob", "cat", "dan", "eve")
    for user in ("dan", "bob", "eve", "cat"):
        state = done(rules.ask(state, user, T0)).state
    outcome = done(rules.decline(state, "ann", "bob", T0))
    assert outcome.effects[0] == AskClosed("bob", "declined")
    outcome = done(rules.decline(outcome.state, "eve", "eve", T0))
    assert outcome.effects[0] == AskClosed("eve", "withdrawn")
    assert [waiting.user for waiting in outcome.state.queue()] == ["dan", "cat"]
    assert code(rules.decline(outcome.state, "ann", "bob", T0)) == "not_asked"
    assert code(rules.admit(outcome.state, "ann", "bob", T0)) == "not_asked"


def test_asking_twice_says_the_place() -> None:
    state = joined(opened(), "bob", "cat")
    state = done(rules.ask(done(rules.ask(state, "bob", T0)).state, "cat", T0)).state
    answer = rules.ask(state, "cat", T0)
    assert code(answer) == "already_asked"
    assert isinstance(answer, Refused)
    assert "number 2 of 2" in answer.message
    assert code(rules.ask(state, "ann", T0)) == "not_permitted"


def test_mute_and_unmute() -> None:
    state = on_stage(opened(), "bob", "cat")
    outcome = done(rules.mute(state, "ann", "bob", T0))
    assert outcome.effects[:2] == (
        SeatChanged(1, "bob", Role.SPEAKER, True),
        RoleChanged("bob", Role.SPEAKER, 1, True),
    )
    assert [place.muted for place in outcome.state.stage()] == [False, True, False]
    assert done(rules.mute(outcome.state, "ann", "bob", T0)).effects == (), "muted already"
    assert done(rules.unmute(outcome.state, "ann", "bob", T0)).effects == (), "nobody switches another on"
    assert code(rules.mute(outcome.state, "bob", "cat", T0)) == "not_permitted"
    outcome = done(rules.unmute(outcome.state, "bob", "", T0))
    assert outcome.effects[0] == SeatChanged(1, "bob", Role.SPEAKER, False)
    assert done(rules.mute(outcome.state, "ann", "", T0)).effects[0] == SeatChanged(0, "ann", Role.HOST, True)
    assert code(rules.mute(joined(state, "dan"), "dan", "", T0)) == "not_permitted"
    assert code(rules.mute(joined(state, "dan"), "ann", "dan", T0)) == "not_permitted"


@pytest.mark.parametrize("actor", ["ann", "bob"])
def test_back_to_the_listeners(actor: str) -> None:
    state = on_stage(opened(), "bob")
    outcome = done(rules.move(state, actor, "bob", T0))
    assert outcome.effects == (
        SeatRemoved(1, "bob"),
        RoleChanged("bob", Role.LISTENER, None, False),
        *([Audited("ann", "move", "bob")] if actor == "ann" else []),
        StageChanged((OnStage(0, "ann", "Ann", Role.HOST, False),)),
        AudienceChanged(1),
    )
    assert outcome.state.inside("bob")


def test_stepping_down_needs_no_name_and_the_host_cannot() -> None:
    state = on_stage(opened(), "bob")
    assert done(rules.move(state, "bob", "", T0)).state.role_of("bob") is Role.LISTENER
    assert code(rules.move(state, "ann", "", T0)) == "not_permitted"
    assert code(rules.remove(state, "ann", "ann", T0)) == "not_permitted"
    assert code(rules.remove(state, "bob", "ann", T0)) == "not_permitted"


def test_removing_a_speaker_is_one_step_and_lasts() -> None:
    state = on_stage(opened(), "bob")
    outcome = done(rules.remove(state, "ann", "bob", T0))
    assert outcome.effects == (
        Banned("bob", "Bob", "ann"),
        SeatRemoved(1, "bob"),
        Removed("bob", "removed"),
        Audited("ann", "ban", "bob"),
        StageChanged((OnStage(0, "ann", "Ann", Role.HOST, False),)),
    )
    assert not outcome.state.inside("bob")
    for answer in (rules.join(outcome.state, "bob", "Bob", T0), rules.returned(outcome.state, "bob", T0)):
        assert code(answer) in ("removed", "not_in_space")
    assert code(rules.ask(outcome.state, "bob", T0)) == "not_in_space"
    assert code(rules.remove(outcome.state, "ann", "bob", T0)) == "no_such_person"


def test_removing_one_who_asks_closes_the_ask() -> None:
    state = done(rules.ask(joined(opened(), "bob"), "bob", T0)).state
    effects = done(rules.remove(state, "ann", "bob", T0)).effects
    assert effects == (
        Banned("bob", "Bob", "ann"),
        AskClosed("bob", "removed"),
        Removed("bob", "removed"),
        Audited("ann", "ban", "bob"),
        QueueChanged(()),
        AudienceChanged(0),
    )


def test_a_speaker_who_leaves_is_off_the_stage_at_once() -> None:
    state = on_stage(opened(), "bob")
    outcome = done(rules.leave(state, "bob", T0))
    assert outcome.effects[:2] == (SeatRemoved(1, "bob"), Left("bob"))
    assert [place.user for place in outcome.state.stage()] == ["ann"]
    back = joined(outcome.state, "bob")
    assert back.role_of("bob") is Role.LISTENER


def test_a_listener_who_leaves_loses_the_place_in_the_queue() -> None:
    state = done(rules.ask(joined(opened(), "bob"), "bob", T0)).state
    outcome = done(rules.leave(state, "bob", T0))
    assert outcome.effects == (AskClosed("bob", "left"), Left("bob"), QueueChanged(()), AudienceChanged(0))
    assert rules.lost(outcome.state, "bob", T0) == Outcome(outcome.state)


@pytest.mark.parametrize(
    ("how", "reason"), [(rules.leave, "host_left"), (rules.end, "host_ended")], ids=["leaves", "ends"]
)
def test_with_the_host_the_space_ends(how: object, reason: str) -> None:
    state = on_stage(opened(), "bob")
    assert code(rules.end(state, "bob", T0)) == "not_permitted"
    outcome = done(how(state, "ann", T0 + 5))  # type: ignore[operator]
    assert outcome.effects[-1] == Ended(reason)
    assert list(outcome.effects[:-1]) == ([Audited("ann", "end")] if reason == "host_ended" else [])
    ended = outcome.state
    assert (ended.state, ended.ended_us, ended.ended_reason) == (State.ENDED, T0 + 5, reason)
    assert (ended.people_count, ended.audience_count, ended.stage(), ended.queue()) == (0, 0, [], [])
    assert code(rules.join(ended, "cat", "Cat", T0)) == "no_such_space"
    for verb in (rules.ask, rules.leave, rules.end, rules.returned):
        assert code(verb(ended, "ann", T0)) == "space_ended"
    for act in (rules.admit, rules.decline, rules.mute, rules.unmute, rules.move, rules.remove):
        assert code(act(ended, "ann", "bob", T0)) == "space_ended"
    assert rules.lost(ended, "ann", T0) == rules.on_time(ended, T0) == Outcome(ended)


def test_the_server_may_end_it() -> None:
    outcome = rules.close(opened(), "server_stopping", T0)
    assert outcome.effects == (Ended("server_stopping"),)
    assert rules.close(outcome.state, "server_stopping", T0).effects == ()


def test_a_lost_host_returns_within_the_grace() -> None:
    state = on_stage(opened(), "bob")
    outcome = rules.lost(state, "ann", T0)
    until = T0 + 30_000_000
    assert outcome.effects == (
        SeatRemoved(0, "ann", kept=True),
        Left("ann"),
        WentAbsent("ann", T0 + 120_000_000),
        HostAbsent(until),
        StageChanged(
            (
                OnStage(0, "ann", "Ann", Role.HOST, True, absent=True),
                OnStage(1, "bob", "Bob", Role.SPEAKER, False),
            )
        ),
    )
    absent = outcome.state
    assert (absent.deadline_us, absent.people_count, absent.audience_count) == (T0 + 120_000_000, 1, 0)
    assert absent.role_of("ann") is None
    assert code(rules.admit(absent, "ann", "bob", T0)) == "not_in_space", "nobody acts without a connection"
    assert rules.on_time(absent, until - 1).effects == ()
    outcome = done(rules.join(absent, "ann", "Ann", until - 1))
    assert outcome.effects == (
        Entered("ann", "Ann"),
        CameBack("ann"),
        PlaceGone(0, "ann"),
        SeatAdded(0, "ann", "Ann", Role.HOST, False),
        HostReturned("ann"),
        StageChanged(
            (OnStage(0, "ann", "Ann", Role.HOST, False), OnStage(1, "bob", "Bob", Role.SPEAKER, False))
        ),
    )
    assert outcome.state.deadline_us is None
    assert rules.on_time(outcome.state, until + 1).effects == ()


def test_a_lost_host_who_was_muted_is_muted_again() -> None:
    state = done(rules.mute(opened(), "ann", "", T0)).state
    absent = rules.lost(state, "ann", T0).state
    for answer in (rules.join(absent, "ann", "Ann", T0), rules.returned(absent, "ann", T0)):
        assert done(answer).state.stage() == [OnStage(0, "ann", "Ann", Role.HOST, True)]


def test_a_lost_host_who_does_not_return_ends_it() -> None:
    absent = rules.lost(joined(opened(), "bob"), "ann", T0).state
    assert rules.on_time(absent, T0 + 119_999_999).effects == ()
    outcome = rules.on_time(absent, T0 + 120_000_000)
    assert outcome.effects == (Ended("host_lost", State.TIMED_OUT),)
    assert not outcome.state.inside("bob")


def test_a_second_connection_keeps_the_role_and_the_seat() -> None:
    state = done(rules.mute(on_stage(opened(), "bob"), "ann", "bob", T0)).state
    outcome = done(rules.returned(state, "bob", T0))
    assert outcome.effects[:2] == (
        SeatRemoved(1, "bob"),
        SeatAdded(1, "bob", "Bob", Role.SPEAKER, True),
    )
    assert outcome.state.role_of("bob") is Role.SPEAKER
    listener = joined(state, "cat")
    assert rules.returned(listener, "cat", T0) == Outcome(listener)
    assert code(rules.returned(listener, "dan", T0)) == "not_in_space"


def test_a_seat_number_rests_for_one_change() -> None:
    state = on_stage(opened(), "bob", "cat")
    state = done(rules.move(state, "ann", "bob", T0)).state
    for user in ("dan", "eve"):
        state = on_stage(state, user)
    assert [(place.user, place.seat) for place in state.stage()] == [
        ("ann", 0),
        ("cat", 2),
        ("dan", 3),
        ("eve", 1),
    ]


def test_a_decision_that_is_not_kept_leaves_no_trace() -> None:
    """A store that fails after the decision: the server goes on with the state it had."""
    kept = on_stage(opened(), "bob", "cat")
    before = (kept.people(), kept.stage(), kept.queue(), kept.banned)
    dropped = done(rules.remove(kept, "ann", "bob", T0)).state
    assert not dropped.inside("bob")
    assert (kept.people(), kept.stage(), kept.queue(), kept.banned) == before
    assert joined(kept, "dan").people_count == 4
    assert dropped.people_count == 2
    assert replace(kept, host_name="other").people() == kept.people()
