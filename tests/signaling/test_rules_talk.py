"""Posts, notes, reactions, pins and reports: who may, bounds, and what each leaves for store and push."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling import rules
from signaling.protocol import terms
from signaling.rules import Outcome, Refused, SpaceState, talk
from signaling.rules.effects import (
    Audited,
    NoteAdded,
    Pinned,
    PinsChanged,
    Posted,
    PostGone,
    Reacted,
    Reported,
    Unpinned,
)
from signaling.rules.parts import Note, Person, Pin, Post
from tests.signaling.rules_stories import SPACE, T0, code, done, joined, on_stage, opened

anything = st.text(st.characters(exclude_categories=()), max_size=30)


def message(answer: Outcome | Refused, expected: str) -> str:
    assert code(answer) == expected
    assert isinstance(answer, Refused)
    return answer.message


def posted(state: SpaceState, user: str, text: str = "Hello", reply_to: int = 0) -> SpaceState:
    return done(talk.post(state, user, text, reply_to, T0)).state


# Posts


def test_whoever_is_inside_posts_and_replies() -> None:
    state = joined(opened(), "bob", "cat")
    first = done(talk.post(state, "bob", " Which sea?\nThe warm one? ", 0, T0))
    assert first.effects == (Posted(Post(1, "bob", "Bob", "Which sea?\nThe warm one?", T0, 0)),)
    second = done(talk.post(first.state, "cat", "Both", 1, T0 + 5))
    assert second.effects == (Posted(Post(2, "cat", "Cat", "Both", T0 + 5, 1)),)
    assert code(talk.post(state, "dan", "Hi", 0, T0)) == "not_in_space"


@pytest.mark.parametrize("reply_to", [-1, 3, 4, 0xFFFF_FFFF])
def test_a_reply_to_a_post_that_never_was(reply_to: int) -> None:
    state = posted(posted(joined(opened(), "bob"), "bob"), "bob")
    assert f"Post {reply_to} is not there" in message(
        talk.post(state, "bob", "Yes", reply_to, T0), "no_such_post"
    )


def test_a_reply_to_a_post_that_was_deleted() -> None:
    state = posted(joined(opened(), "bob"), "bob")
    assert code(talk.post(state, "bob", "Yes", 1, T0, replied=False)) == "no_such_post"
    assert done(talk.post(state, "bob", "Yes", 0, T0, replied=False)).state.next_post == 3


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        ("x" * 501, "has 501 characters, 500 is the limit"),
        ("a\x07b", "U+0007 at place 1"),
        ("a\u202eb", "U+202E at place 1"),
    ],
)
def test_texts_that_cannot_be(text: str, part: str) -> None:
    state = joined(opened(), "bob")
    assert part in message(talk.post(state, "bob", text, 0, T0), "bad_value")
    assert part in message(talk.note(state, "bob", text, T0), "bad_value")
    assert part in message(talk.pin(state, "ann", text, T0), "bad_value")
    if text.strip():
        assert part in message(talk.report(state, "bob", "ann", "spam", text, T0), "bad_value")


def test_texts_at_their_limit() -> None:
    state, text = joined(opened(), "bob"), "x" * 500
    assert done(talk.post(state, "bob", text, 0, T0)).effects
    assert done(talk.note(state, "bob", text, T0)).effects
    assert done(talk.pin(state, "ann", text, T0)).effects
    assert done(talk.report(state, "bob", "ann", "spam", text, T0)).effects


def test_its_author_deletes_a_post() -> None:
    state = posted(joined(opened(), "bob"), "bob")
    assert done(talk.delete_post(state, "bob", 1, "bob", T0)).effects == (PostGone(1, "bob"),)


def test_a_host_deletes_the_posts_of_others_also_of_who_is_gone() -> None:
    state = posted(joined(opened(), "bob"), "bob")
    expected = (PostGone(1, "ann"), Audited("ann", "delete_post", "bob", "post 1"))
    assert done(talk.delete_post(state, "ann", 1, "bob", T0)).effects == expected
    left = done(rules.leave(state, "bob", T0)).state
    assert done(talk.delete_post(left, "ann", 1, "bob", T0)).effects == expected
    banned = done(rules.remove(state, "ann", "bob", T0)).state
    assert done(talk.delete_post(banned, "ann", 1, "bob", T0)).effects == expected


def test_a_co_host_deletes_the_posts_of_others_but_of_hosts() -> None:
    state = joined(on_stage(opened(), "bob", "eve"), "cat")
    for user in ("bob", "eve"):
        state = done(rules.promote(state, "ann", user, T0)).state
    assert done(talk.delete_post(state, "bob", 1, "cat", T0)).effects[0] == PostGone(1, "bob")
    assert done(talk.delete_post(state, "bob", 1, "bob", T0)).effects == (PostGone(1, "bob"),)
    for author in ("ann", "eve"):
        assert code(talk.delete_post(state, "bob", 1, author, T0)) == "not_permitted"
    assert done(talk.delete_post(state, "ann", 1, "bob", T0)).effects[0] == PostGone(1, "ann")


def test_a_backend_deletes_any_post_and_says_nothing_itself() -> None:
    state = done(rules.oversee(joined(opened(), "bob"), "backend", T0)).state
    for author in ("ann", "bob", "gone"):
        assert done(talk.delete_post(state, "backend", 1, author, T0)).effects == (
            PostGone(1, "backend"),
            Audited("backend", "delete_post", author, "post 1"),
        )
    for answer in (
        talk.post(state, "backend", "Hi", 0, T0),
        talk.note(state, "backend", "Hi", T0),
        talk.react(state, "backend", "heart", T0),
        talk.pin(state, "backend", "Hi", T0),
        talk.report(state, "backend", "bob", "spam", "", T0),
    ):
        assert code(answer) == "not_permitted"


def test_nobody_else_deletes_a_post() -> None:
    state = posted(joined(opened(), "bob", "cat"), "bob")
    assert code(talk.delete_post(state, "cat", 1, "bob", T0)) == "not_permitted"
    assert code(talk.delete_post(state, "cat", 1, "ann", T0)) == "not_permitted"
    assert code(talk.delete_post(state, "dan", 1, "dan", T0)) == "not_in_space"


def test_deleting_a_post_that_is_not_there() -> None:
    state = joined(opened(), "bob")
    for actor in ("ann", "bob"):
        assert "Post 7 is not there" in message(talk.delete_post(state, actor, 7, None, T0), "no_such_post")
    assert code(talk.delete_post(state, "dan", 7, None, T0)) == "not_in_space"


# Notes


def test_listeners_and_speakers_write_to_the_hosts() -> None:
    state = joined(on_stage(opened(), "bob"), "cat")
    first = done(talk.note(state, "cat", "Too quiet", T0))
    assert first.effects == (NoteAdded(Note(1, "cat", "Cat", "Too quiet", T0)),)
    second = done(talk.note(first.state, "bob", "Sorry", T0))
    assert second.effects == (NoteAdded(Note(2, "bob", "Bob", "Sorry", T0)),)
    assert code(talk.note(state, "ann", "Me", T0)) == "not_permitted"
    assert code(talk.note(state, "dan", "Me", T0)) == "not_in_space"


# Reactions


@pytest.mark.parametrize("reaction", talk.REACTIONS)
def test_everybody_inside_reacts(reaction: str) -> None:
    state = joined(opened(), "bob")
    for user in ("ann", "bob"):
        outcome = done(talk.react(state, user, reaction, T0))
        assert outcome == Outcome(state, (Reacted(user, reaction),))
    assert code(talk.react(state, "cat", reaction, T0)) == "not_in_space"


@pytest.mark.parametrize("reaction", ["", "Heart", "heart ", "thumb", "x" * 1_000])
def test_a_reaction_that_there_is_not(reaction: str) -> None:
    text = message(talk.react(joined(opened(), "bob"), "bob", reaction, T0), "bad_value")
    assert "the 8 there are; give heart, laugh, clap" in text
    assert len(text) < 200


def test_the_reactions_are_those_of_the_wire() -> None:
    assert tuple(terms.REACTIONS) == talk.REACTIONS


# Pins


def test_hosts_pin_and_unpin() -> None:
    first = done(talk.pin(opened(), "ann", "Read this", T0))
    one = Pin(1, "ann", "Read this", T0)
    assert first.state.pins == (one,)
    assert first.effects == (Pinned(one), Audited("ann", "pin", "", "pin 1"), PinsChanged((one,)))
    gone = done(talk.unpin(first.state, "ann", 1, T0))
    assert gone.state.pins == ()
    assert gone.effects == (Unpinned(1), Audited("ann", "unpin", "", "pin 1"), PinsChanged(()))
    again = done(talk.pin(gone.state, "ann", "And this", T0))
    assert [each.pin for each in again.state.pins] == [2], "a number is not given twice"


def test_five_items_are_pinned_and_not_one_more() -> None:
    state = opened()
    for number in range(5):
        state = done(talk.pin(state, "ann", f"Item {number}", T0)).state
    answer = talk.pin(state, "ann", "Item 5", T0)
    assert message(answer, "too_many_pins").startswith("5 items are pinned and 5 is the limit; unpin one")
    assert (
        done(talk.pin(done(talk.unpin(state, "ann", 3, T0)).state, "ann", "Item 5", T0)).state.next_pin == 7
    )


def test_pins_that_cannot_be() -> None:
    state = joined(on_stage(opened(), "bob"), "cat")
    for user in ("bob", "cat"):
        assert code(talk.pin(state, user, "Mine", T0)) == "not_permitted"
        assert code(talk.unpin(state, user, 1, T0)) == "not_permitted"
    assert code(talk.pin(state, "dan", "Mine", T0)) == "not_in_space"
    assert "there is none" in message(talk.unpin(state, "ann", 1, T0), "no_such_pin")
    pinned = done(talk.pin(state, "ann", "Read this", T0)).state
    assert "under 2, there is 1" in message(talk.unpin(pinned, "ann", 2, T0), "no_such_pin")


# Reports


def test_a_report_keeps_room_time_roster_and_reason() -> None:
    state = joined(on_stage(opened(), "bob"), "cat")
    outcome = done(talk.report(state, "cat", "bob", "abuse", " Shouts. ", T0 + 9))
    assert outcome.state is state
    (effect,) = outcome.effects
    assert isinstance(effect, Reported)
    kept = effect.report
    assert (kept.space, kept.reporter, kept.target, kept.at_us) == (SPACE, "cat", "bob", T0 + 9)
    assert (kept.reason, kept.text, kept.people_count) == ("abuse", "Shouts.", 3)
    assert [place.user for place in kept.stage] == ["ann", "bob"]
    assert sorted(kept.roster) == [("ann", "Ann"), ("bob", "Bob"), ("cat", "Cat")]


def test_who_has_left_or_is_the_host_can_be_reported() -> None:
    state = joined(opened(), "bob", "cat")
    left = done(rules.leave(state, "cat", T0)).state
    for target in ("cat", "ann"):
        (effect,) = done(talk.report(left, "bob", target, "other", "", T0)).effects
        assert isinstance(effect, Reported)
        assert (effect.report.target, effect.report.text) == (target, "")


def test_reports_that_cannot_be() -> None:
    state = joined(opened(), "bob")
    assert code(talk.report(state, "bob", "bob", "spam", "", T0)) == "not_permitted"
    assert code(talk.report(state, "dan", "bob", "spam", "", T0)) == "not_in_space"
    assert code(talk.report(state, "bob", "x" * 65, "spam", "", T0)) == "bad_value"
    text = message(talk.report(state, "bob", "ann", "boring", "", T0), "bad_value")
    assert "give spam, abuse, hate, violence, self-harm, privacy, other" in text


@pytest.mark.parametrize("people", [talk.REPORT_ROSTER, talk.REPORT_ROSTER + 1, talk.REPORT_ROSTER + 50])
def test_the_roster_of_a_report_is_bounded_and_names_both(people: int) -> None:
    state = joined(opened(), *(f"user-{number:04}" for number in range(people - 3)), "zed", "zoe")
    (effect,) = done(talk.report(state, "zoe", "zed", "spam", "", T0)).effects
    assert isinstance(effect, Reported)
    roster = effect.report.roster
    assert effect.report.people_count == people
    assert len(roster) == len(set(roster)) == min(people, talk.REPORT_ROSTER)
    assert {Person("zed", "Zed"), Person("zoe", "Zoe")} <= set(roster)


# When it is over


def test_nothing_is_said_in_a_space_that_has_ended() -> None:
    state = done(rules.end(posted(joined(opened(), "bob"), "bob"), "ann", T0)).state
    for answer in (
        talk.post(state, "bob", "Hi", 0, T0),
        talk.delete_post(state, "bob", 1, "bob", T0),
        talk.note(state, "bob", "Hi", T0),
        talk.react(state, "bob", "heart", T0),
        talk.pin(state, "ann", "Hi", T0),
        talk.unpin(state, "ann", 1, T0),
        talk.report(state, "bob", "ann", "spam", "", T0),
    ):
        assert code(answer) == "space_ended"


# Anything anybody may send


@given(
    st.sampled_from(["ann", "bob", "cat", "dan"]),
    anything,
    st.integers(-5, 9),
    st.sampled_from(["ann", "bob", "x"]),
)
def test_whatever_is_sent_is_done_or_refused_and_the_state_before_stays(
    user: str, text: str, number: int, other: str
) -> None:
    state = posted(done(talk.pin(joined(on_stage(opened(), "bob"), "cat"), "ann", "Pin", T0)).state, "bob")
    before = (state.next_post, state.next_note, state.next_pin, state.pins, state.people())
    for answer in (
        talk.post(state, user, text, number, T0),
        talk.delete_post(state, user, number, other, T0),
        talk.note(state, user, text, T0),
        talk.react(state, user, text, T0),
        talk.pin(state, user, text, T0),
        talk.unpin(state, user, number, T0),
        talk.report(state, user, other, "spam", text, T0),
        talk.report(state, user, text, text, text, T0),
    ):
        if isinstance(answer, Refused):
            assert answer.code in rules.CODES
            assert answer.message
        else:
            assert user != "dan", "nobody talks from outside"
            assert answer.effects
    assert (state.next_post, state.next_note, state.next_pin, state.pins, state.people()) == before
