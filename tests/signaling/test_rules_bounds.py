"""A Space at its bounds and one past them, and titles, names and limits that cannot be."""

from __future__ import annotations

from dataclasses import fields

import pytest

from signaling import rules
from signaling.rules import Person, Refused, Settings, SpaceLimits
from tests.signaling.rules_stories import SPACE, T0, code, done, joined, on_stage, opened


def test_the_stage_at_its_bound_and_one_past_it() -> None:
    state = on_stage(opened(stage=3), "bob", "cat")
    state = done(rules.ask(joined(state, "dan"), "dan", T0)).state
    answer = rules.admit(state, "ann", "dan", T0)
    assert code(answer) == "stage_full"
    assert isinstance(answer, Refused)
    assert answer.message.startswith("3 people are on stage and 3 is the limit")
    state = done(rules.move(state, "ann", "cat", T0)).state
    assert done(rules.admit(state, "ann", "dan", T0)).state.seat_of("dan") == 3, "2 was freed just now"


def test_an_absent_host_keeps_the_place_on_stage() -> None:
    state = on_stage(opened(stage=2), "bob")
    absent = rules.lost(state, "ann", T0).state
    assert len(done(rules.join(absent, "ann", "Ann", T0)).state.stage()) == 2


def test_the_queue_at_its_bound_and_one_past_it() -> None:
    state = joined(opened(queue=2), "bob", "cat", "dan")
    for user in ("bob", "cat"):
        state = done(rules.ask(state, user, T0)).state
    answer = rules.ask(state, "dan", T0)
    assert code(answer) == "queue_full"
    assert isinstance(answer, Refused)
    assert answer.retry_after_ms > 0


def test_the_room_at_its_bound_and_one_past_it() -> None:
    state = joined(opened(people=3, stage=3), "bob", "cat")
    answer = rules.join(state, "dan", "Dan", T0)
    assert code(answer) == "busy"
    assert isinstance(answer, Refused)
    assert answer.retry_after_ms > 0
    absent = rules.lost(state, "ann", T0).state
    assert code(rules.join(absent, "dan", "Dan", T0)) == "busy", "the host's place is kept"
    assert done(rules.join(absent, "ann", "Ann", T0)).state.people_count == 3


def test_joining_twice_is_refused() -> None:
    assert code(rules.join(joined(opened(), "bob"), "bob", "Bob", T0)) == "already_in_space"


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("x" * 101, "has 101 characters, 100 is the limit"),
        ("a\x00b", "U+0000 at place 1"),
        ("a\nb", "U+000A"),
        ("evil\u202etxt", "U+202E"),
        ("a\ud800", "U+D800"),
    ],
)
def test_titles_that_cannot_be(title: str, part: str) -> None:
    answer = rules.open_space(SPACE, Settings(title), "ann", "Ann", T0)
    assert code(answer) == "bad_value"
    assert isinstance(answer, Refused)
    assert part in answer.message


def test_names_and_user_ids_that_cannot_be() -> None:
    for user, name in (
        ("u" * 65, "U"),
        ("", "U"),
        (" u", "U"),
        ("u\x7f", "U"),
        ("u", "n" * 51),
        ("u", "\u2066n"),
    ):
        assert code(rules.open_space(SPACE, Settings("T"), user, name, T0)) == "bad_value", (user, name)
        assert code(rules.join(opened(), user, name, T0)) == "bad_value", (user, name)
    assert done(rules.join(opened(), "u" * 64, "n" * 50, T0)).state.people_count == 2
    nameless = done(rules.join(opened(), "u" * 64, " ", T0)).state
    assert nameless.people("ann") == [Person("u" * 64, "u" * 50)], "a name is made from the id"


def test_an_id_of_another_length_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="has 3 bytes"):
        rules.open_space(b"abc", Settings("T"), "ann", "Ann", T0)


SECOND_US, HOUR_US, DAY_US = 1_000_000, 3_600_000_000, 86_400_000_000


@pytest.mark.parametrize(
    ("limit", "low", "high"),
    [
        ("stage", 1, 200),
        ("queue", 0, 1_000),
        ("people", 13, 1_000_000),
        ("title_chars", 1, 1_000),
        ("host_grace_us", 0, HOUR_US),
        ("host_timeout_us", 0, HOUR_US),
        ("resume_us", 0, HOUR_US),
        ("absent", 13, 10_000),
        ("co_hosts", 0, 200),
        ("topics", 0, 3),
        ("pins", 0, 100),
        ("invites", 0, 1_000),
        ("invite_us", 1, DAY_US),
        ("links", 0, 1_000),
        ("speak_link_us", SECOND_US, 7 * DAY_US),
        ("speak_link_most_us", DAY_US, 7 * DAY_US),
    ],
)
def test_each_limit_of_a_space_at_its_bounds_and_one_past_them(limit: str, low: int, high: int) -> None:
    for value in (low, high):
        assert getattr(SpaceLimits(**{limit: value}), limit) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValueError, match=rf"(the limit {limit} is {value}|speak_link_us is)"):
            SpaceLimits(**{limit: value})


def test_every_limit_is_checked() -> None:
    for item in fields(SpaceLimits):
        with pytest.raises(ValueError, match="; set it to"):
            SpaceLimits(**{item.name: 10**18})


def test_a_room_stays_within_its_bounds_whatever_is_kept_for_the_absent() -> None:
    state = joined(opened(people=4, stage=2), "bob", "cat", "dan")
    for user in ("bob", "cat"):
        state = rules.lost(state, user, T0).state
    assert code(rules.join(state, "eve", "Eve", T0)) == "busy"
    state = rules.on_time(state, T0 + 120_000_000).state
    assert done(rules.join(state, "eve", "Eve", T0)).state.people_count == 3


def test_seat_numbers_stay_below_their_count_on_a_full_stage() -> None:
    state = on_stage(opened(stage=3), "bob", "cat")
    for turn in range(12):
        user = ("bob", "cat", "ann")[turn % 3]
        state = done(rules.returned(state, user, T0)).state
        state = done(rules.resume(rules.lost(state, user, T0).state, user, T0)).state
        assert max(place.seat for place in state.stage()) < state.limits.seats


def test_people_are_paged_in_the_order_of_ids() -> None:
    state = joined(opened(), "dan", "bob", "eve", "cat")
    assert [person.user for person in state.people()] == ["ann", "bob", "cat", "dan", "eve"]
    assert state.people("bob", 2) == [("cat", "Cat"), ("dan", "Dan")]
    assert state.people("eve", 2) == state.people("", 0) == []
