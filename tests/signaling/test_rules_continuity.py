"""Stories of lost connections: who comes back to what, who stands in, and when a Space times out."""

from __future__ import annotations

import pytest

from signaling import rules
from signaling.rules import (
    AbsenceOver,
    AskClosed,
    CameBack,
    Changes,
    Ended,
    Entered,
    HostAbsent,
    HostChanged,
    HostReturned,
    InviteClosed,
    KnownGraph,
    Left,
    Opened,
    Outcome,
    PlaceGone,
    Refused,
    Role,
    RoleChanged,
    SeatAdded,
    SeatRemoved,
    Settings,
    SpaceState,
    Spoke,
    StageChanged,
    State,
    WentAbsent,
)
from tests.signaling.rules_stories import (
    SPACE,
    T0,
    asking,
    co_hosts,
    code,
    done,
    invited,
    joined,
    names,
    on_stage,
    opened,
)

SECOND_US = 1_000_000
GRACE_US, TIMEOUT_US, RESUME_US = 30 * SECOND_US, 90 * SECOND_US, 120 * SECOND_US


def later(state: SpaceState, now_us: int) -> SpaceState:
    return rules.on_time(state, now_us).state


def lost(state: SpaceState, *users: str, now_us: int = T0) -> SpaceState:
    for user in users:
        state = rules.lost(state, user, now_us).state
    return state


# Who comes back


def test_a_speaker_keeps_the_place_on_stage_and_the_seat() -> None:
    state = on_stage(opened(), "bob")
    outcome = rules.lost(state, "bob", T0)
    assert outcome.effects == (
        SeatRemoved(1, "bob", kept=True),
        Left("bob"),
        WentAbsent("bob", T0 + RESUME_US),
        StageChanged(tuple(outcome.state.stage())),
    )
    away = outcome.state
    assert away.stage()[1]._replace(seat=0) == (0, "bob", "Bob", Role.SPEAKER, True, False, 100, True)
    assert (away.people_count, away.audience_count, away.deadline_us) == (1, 0, T0 + RESUME_US)
    outcome = done(rules.resume(away, "bob", T0 + RESUME_US - 1))
    assert outcome.effects[:4] == (
        Entered("bob", "Bob"),
        CameBack("bob"),
        PlaceGone(1, "bob"),
        SeatAdded(1, "bob", "Bob", Role.SPEAKER, False),
    )
    assert (outcome.state.role_of("bob"), outcome.state.absent) == (Role.SPEAKER, {})


def test_the_place_in_the_queue_is_kept_and_so_is_an_invitation() -> None:
    state = lost(invited(asking(opened(), "bob", "cat"), "dan"), "bob", "dan")
    state = joined(state, "eve")
    state = done(rules.ask(state, "eve", T0)).state
    assert names(state.queue()) == ["bob", "cat", "eve"]
    back = done(rules.resume(state, "bob", T0)).state
    assert back.place_in_queue("bob") == 1
    assert done(rules.accept(done(rules.resume(back, "dan", T0)).state, "dan", T0)).state.seat_of("dan")


@pytest.mark.parametrize("who", ["bob", "cat", "dan"])
def test_after_the_time_nothing_is_kept(who: str) -> None:
    state = invited(asking(on_stage(opened(invite_us=500 * SECOND_US), "bob"), "cat"), "dan")
    state = lost(state, who)
    outcome = rules.on_time(state, T0 + RESUME_US)
    gone = {
        "bob": PlaceGone(1, "bob"),
        "cat": AskClosed("cat", "left"),
        "dan": InviteClosed("dan", "left"),
    }[who]
    assert outcome.effects[:2] == (gone, AbsenceOver(who, "left"))
    assert code(rules.resume(outcome.state, who, T0 + RESUME_US)) == "resume_lapsed"
    again = done(rules.join(outcome.state, who, who.title(), T0 + RESUME_US)).state
    assert (again.role_of(who), again.queue()) == (Role.LISTENER, [] if who == "cat" else state.queue())


def test_who_comes_too_late_and_before_the_clock_is_new() -> None:
    """The alarm of the Space has not rung yet: what was kept is none the less theirs no more."""
    state, late_us = lost(on_stage(opened(), "bob"), "bob"), T0 + RESUME_US
    assert code(rules.resume(state, "bob", late_us)) == "resume_lapsed"
    assert code(rules.returned(state, "bob", late_us)) == "not_in_space"
    outcome = done(rules.join(state, "bob", "Bobby", late_us))
    assert outcome.effects[:3] == (PlaceGone(1, "bob"), AbsenceOver("bob", "left"), Entered("bob", "Bobby"))
    assert outcome.state.role_of("bob") is Role.LISTENER


def test_who_does_not_resume_may_just_join() -> None:
    state = lost(on_stage(opened(), "bob"), "bob")
    assert done(rules.join(state, "bob", "Bob", T0)).state.role_of("bob") is Role.SPEAKER


def test_resuming_before_the_loss_is_noticed_replaces_the_connection() -> None:
    state = on_stage(joined(opened(), "cat"), "bob")
    outcome = done(rules.resume(state, "bob", T0))
    assert outcome.effects[:2] == (SeatRemoved(1, "bob"), SeatAdded(1, "bob", "Bob", Role.SPEAKER, False))
    assert done(rules.resume(state, "cat", T0)) == Outcome(state)


def test_coming_back_is_authorised_anew() -> None:
    away = lost(joined(opened(), "bob"), "bob")
    banned = done(rules.remove(away, "ann", "bob", T0)).state
    assert code(rules.resume(banned, "bob", T0)) == "removed"
    blocked = KnownGraph({}, frozenset(), frozenset({("ann", "bob")}))
    assert code(rules.resume(away, "bob", T0, blocked)) == "no_such_space"
    assert code(rules.resume(rules.close(away, "server_stopping", T0).state, "bob", T0)) == "no_such_space"
    assert code(rules.resume(away, "zoe", T0)) == "resume_lapsed"


def test_of_too_many_absent_the_longest_who_only_listens_is_forgotten() -> None:
    state = asking(joined(opened(stage=2, absent=2), "cat", "dan"), "bob")
    outcome = rules.lost(lost(state, "bob", "cat"), "dan", T0)
    assert outcome.effects[:2] == (AbsenceOver("cat", "left"), Left("dan"))
    assert list(outcome.state.absent) == ["bob", "dan"], "who asks is kept before who listens"
    outcome = rules.lost(lost(opened(stage=1, absent=1), "ann"), "ann", T0)
    assert outcome.effects == (), "gone is gone"
    only = lost(joined(opened(stage=1, absent=1), "bob"), "ann")
    assert rules.lost(only, "bob", T0).effects[0] == Left("bob"), "the host's place is never given up"
    assert list(rules.lost(only, "bob", T0).state.absent) == ["ann"]


def test_places_that_are_kept_count_in_a_full_room() -> None:
    state = lost(joined(opened(people=3, stage=3), "bob", "cat"), "bob")
    answer = rules.join(state, "dan", "Dan", T0)
    assert code(answer) == "busy"
    assert done(rules.resume(state, "bob", T0)).state.people_count == 3


# Who stands in


def test_the_longest_co_host_who_is_here_stands_in_after_the_grace() -> None:
    state = lost(co_hosts(opened(), "bob", "cat"), "ann")
    assert state.deadline_us == T0 + GRACE_US
    assert rules.on_time(state, T0 + GRACE_US - 1).effects == ()
    outcome = rules.on_time(state, T0 + GRACE_US)
    assert HostChanged("bob", "Bob", "absent") in outcome.effects
    assert RoleChanged("bob", Role.HOST, 1, False) in outcome.effects
    state = outcome.state
    assert (state.host, state.rightful_host, state.role_of("bob")) == ("bob", "ann", Role.HOST)
    assert names(state.stage()) == ["bob", "cat", "ann"]
    assert state.deadline_us == T0 + RESUME_US, "what is kept for the host is kept as for others now"


def test_a_co_host_who_is_away_does_not_stand_in() -> None:
    state = later(lost(co_hosts(opened(), "bob", "cat"), "bob", "ann"), T0 + GRACE_US)
    assert state.host == "cat"


@pytest.mark.parametrize("away_us", [GRACE_US, RESUME_US, RESUME_US * 9])
def test_the_host_regains_the_role_on_return_however_late(away_us: int) -> None:
    state = later(lost(co_hosts(opened(), "bob"), "ann"), T0 + GRACE_US)
    now_us = T0 + away_us
    state = later(state, now_us)
    if away_us >= RESUME_US:
        assert code(rules.resume(state, "ann", now_us)) == "resume_lapsed"
    outcome = done(rules.join(state, "ann", "Ann", now_us))
    for effect in (HostChanged("ann", "Ann", "returned"), HostReturned("ann")):
        assert effect in outcome.effects
    state = outcome.state
    assert (state.host, state.role_of("ann"), state.role_of("bob")) == ("ann", Role.HOST, Role.CO_HOST)
    assert state.co_hosts == ("bob",)
    assert not state.muted("ann")


def test_a_place_on_stage_and_in_the_room_is_kept_free_for_the_host() -> None:
    state = co_hosts(opened(stage=3, people=3), "bob")
    state = later(later(lost(state, "ann"), T0 + GRACE_US), T0 + RESUME_US)
    assert (state.host, list(state.on_stage), state.stage_taken) == ("bob", ["bob"], 2)
    state = joined(state, "cat")
    assert code(rules.join(state, "dan", "Dan", T0)) == "busy"
    state = done(rules.ask(state, "cat", T0)).state
    state = done(rules.admit(state, "bob", "cat", T0)).state
    assert state.stage_taken == 3
    back = done(rules.join(state, "ann", "Ann", T0 + RESUME_US)).state
    assert (len(back.on_stage), back.host, back.people_count) == (3, "ann", 3)


def test_who_stood_in_is_a_speaker_again_where_there_are_enough_co_hosts() -> None:
    state = later(later(lost(co_hosts(opened(), "bob", "cat"), "ann"), T0 + GRACE_US), T0 + RESUME_US)
    state = joined(state, "dan")
    state = done(rules.ask(state, "dan", T0)).state
    state = done(rules.admit(state, "bob", "dan", T0)).state
    state = done(rules.promote(state, "bob", "dan", T0)).state
    assert state.co_hosts == ("cat", "dan")
    back = done(rules.join(state, "ann", "Ann", T0 + RESUME_US)).state
    assert (back.role_of("bob"), back.co_hosts) == (Role.SPEAKER, ("cat", "dan"))


def test_a_stand_in_has_no_power_over_the_host_who_is_away() -> None:
    state = later(lost(co_hosts(opened(), "bob"), "ann"), T0 + GRACE_US)
    for act in (rules.remove, rules.move, rules.mute, rules.demote, rules.hand_over):
        answer = act(state, "bob", "ann", T0 + GRACE_US)
        assert code(answer) in {"not_permitted"}
    blocked = done(rules.remove(joined(state, "cat"), "bob", "cat", T0, 2))
    assert any(getattr(effect, "blocker", "") == "ann" for effect in blocked.effects)


def test_the_blocks_of_the_host_who_is_away_hold_at_the_doors() -> None:
    state = later(lost(co_hosts(opened(), "bob"), "ann"), T0 + GRACE_US)
    for owner, refused in (("ann", True), ("bob", True), ("eve", False)):
        graph = KnownGraph({}, frozenset(), frozenset({(owner, "cat")}))
        assert isinstance(rules.join(state, "cat", "Cat", T0, graph), Refused) is refused


def test_what_a_stand_in_hands_over_is_no_more_than_that() -> None:
    state = later(lost(on_stage(co_hosts(opened(), "bob"), "cat"), "ann"), T0 + GRACE_US)
    state = done(rules.hand_over(state, "bob", "cat", T0 + GRACE_US)).state
    assert (state.host, state.rightful_host) == ("cat", "ann")
    back = done(rules.resume(state, "ann", T0 + GRACE_US)).state
    assert back.host == "ann"


def test_a_stand_in_who_is_lost_is_followed_as_the_host_was() -> None:
    state = later(lost(co_hosts(opened(), "bob", "cat"), "ann"), T0 + GRACE_US)
    state = lost(state, "bob", now_us=T0 + GRACE_US)
    assert state.deadline_us == T0 + 2 * GRACE_US
    assert later(state, T0 + 2 * GRACE_US).host == "cat"


def test_a_stand_in_who_leaves_passes_it_on_or_back() -> None:
    both = later(lost(co_hosts(opened(), "bob", "cat"), "ann"), T0 + GRACE_US)
    outcome = done(rules.leave(both, "bob", T0 + GRACE_US))
    assert (outcome.state.host, outcome.state.is_live) == ("cat", True)
    outcome = done(rules.leave(outcome.state, "cat", T0 + GRACE_US))
    assert (outcome.state.host, outcome.state.people_count) == ("ann", 0)
    assert HostChanged("ann", "Ann", "absent") in outcome.effects
    assert outcome.state.deadline_us == T0 + GRACE_US + TIMEOUT_US, "it waits for the host as before"
    forgotten = later(later(lost(co_hosts(opened(), "bob"), "ann"), T0 + GRACE_US), T0 + RESUME_US)
    assert done(rules.leave(forgotten, "bob", T0 + RESUME_US)).effects == (Ended("host_left"),)


def test_a_co_host_who_comes_after_the_grace_stands_in_at_once() -> None:
    state = lost(co_hosts(opened(), "bob"), "bob", "ann")
    assert state.deadline_us == T0 + GRACE_US + TIMEOUT_US
    back = done(rules.resume(state, "bob", T0 + 2 * GRACE_US)).state
    assert back.deadline_us == T0 + GRACE_US, "due at once"
    assert later(back, T0 + 2 * GRACE_US).host == "bob"


def test_with_nobody_to_take_over_it_times_out() -> None:
    state = lost(joined(opened(), "bob"), "ann")
    assert rules.on_time(state, T0 + GRACE_US + TIMEOUT_US - 1).effects == ()
    outcome = rules.on_time(state, T0 + GRACE_US + TIMEOUT_US)
    assert outcome.effects == (Ended("host_lost", State.TIMED_OUT),)
    assert outcome.state.state is State.TIMED_OUT
    assert code(rules.join(outcome.state, "ann", "Ann", T0)) == "no_such_space"


def test_the_hosts_place_is_kept_as_long_as_the_space_waits() -> None:
    state = lost(opened(resume_us=SECOND_US, host_timeout_us=TIMEOUT_US), "ann")
    for verb in (rules.resume, rules.returned):
        assert done(verb(state, "ann", T0 + 20 * SECOND_US)).state.host == "ann"
    both = lost(on_stage(opened(resume_us=SECOND_US), "bob"), "ann", "bob")
    assert both.deadline_us == T0 + SECOND_US
    outcome = rules.on_time(both, T0 + SECOND_US)
    assert outcome.effects[:2] == (PlaceGone(1, "bob"), AbsenceOver("bob", "left"))
    assert list(outcome.state.absent) == ["ann"]


# A Space that a service opens


def test_a_space_can_be_opened_for_a_host_who_is_not_here_yet() -> None:
    outcome = done(rules.open_space(SPACE, Settings("T"), "ann", "Ann", T0, present=False))
    assert outcome.effects[:6] == (
        Opened(SPACE, Settings("T"), "ann", "Ann"),
        SeatAdded(0, "ann", "Ann", Role.HOST, False),
        Spoke("ann"),
        SeatRemoved(0, "ann", kept=True),
        WentAbsent("ann", T0 + GRACE_US + TIMEOUT_US),
        HostAbsent(T0 + GRACE_US),
    )
    state = outcome.state
    assert (state.people_count, state.audience_count, state.host) == (0, 0, "ann")
    arrived = done(rules.join(joined(state, "bob"), "ann", "Ann", T0)).state
    assert (arrived.role_of("ann"), arrived.deadline_us) == (Role.HOST, None)
    assert later(state, T0 + GRACE_US + TIMEOUT_US).state is State.TIMED_OUT


def test_lapses_are_done_together_and_nothing_is_due_afterwards() -> None:
    state = opened(invite_us=RESUME_US, speak_link_us=SECOND_US, host_timeout_us=3_000 * SECOND_US)
    state = invited(asking(on_stage(state, "bob"), "cat"), "dan")
    state = done(rules.share_speaker(state, "ann", bytes(32), 0, T0)).state
    state = lost(state, "bob", "cat", "dan")
    outcome = rules.on_time(state, T0 + RESUME_US)
    assert InviteClosed("dan", "left") in outcome.effects
    assert (outcome.state.deadline_us, outcome.state.links) == (None, {})
    assert list(outcome.state.on_stage) == ["ann"]


def test_a_locked_room_is_no_hindrance_to_a_stand_in() -> None:
    state = done(rules.change_settings(co_hosts(opened(), "bob"), "ann", Changes(locked=True), T0)).state
    state = later(lost(state, "ann"), T0 + GRACE_US)
    state = later(state, T0 + RESUME_US)
    answer = rules.join(state, "ann", "Ann", T0 + RESUME_US)
    assert not isinstance(answer, Refused)
