"""What people inside say beside their voices: posts, notes to the hosts, reactions, pins; and reports.

How often is for `rates`. What was said is in the store, not in the state: a Space knows its next numbers
only, so the caller says what the store knows of an earlier post.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from signaling.rules.change import Change, Outcome
from signaling.rules.effects import NoteAdded, Pinned, Posted, PostGone, Reacted, Reported, Unpinned
from signaling.rules.parts import Note, Person, Pin, Post, Report
from signaling.rules.permissions import Refused, may
from signaling.rules.roles import Action
from signaling.rules.state import SpaceState
from signaling.rules.text import clean_body, user_id

REACTIONS: Final = ("heart", "laugh", "clap", "fire", "hundred", "wave", "sad", "surprised")
REPORT_REASONS: Final = ("spam", "abuse", "hate", "violence", "self-harm", "privacy", "other")
REPORT_ROSTER: Final = 200
"""How many of the people inside a report keeps, beside the stage, which it keeps in full."""


def post(
    state: SpaceState, user: str, text: str, reply_to: int, now_us: int, *, replied: bool = True
) -> Outcome | Refused:
    """`user` posts for all inside to read; `reply_to` is the number of a post, or 0.

    `replied`: whether the post replied to is there still, as the store knows. Refused: bad_value,
    no_such_post, not_permitted, not_in_space, space_ended.
    """
    allowed = may(user, Action.POST, state)
    if isinstance(allowed, Refused):
        return allowed
    body = clean_body("post", text)
    if isinstance(body, Refused):
        return body
    if reply_to and not (0 < reply_to < state.next_post and replied):
        return no_such_post(reply_to)
    new = Post(state.next_post, user, state.name_of(user), body, now_us, reply_to)
    return Outcome(replace(state, next_post=new.post + 1), (Posted(new),))


def delete_post(
    state: SpaceState, actor: str, number: int, author: str | None, now_us: int
) -> Outcome | Refused:
    """Its author or a host takes a post away. `author`: who wrote it, None where the store has no such post.

    Refused: no_such_post, not_permitted, no_such_person, not_in_space, space_ended.
    """
    allowed = may(actor, Action.DELETE_POST, state, author or actor)
    if isinstance(allowed, Refused):
        return allowed
    if author is None:
        return no_such_post(number)
    change = Change(state)
    change.add(PostGone(number, actor))
    if actor != author:
        change.audit(actor, Action.DELETE_POST, author, f"post {number}")
    return change.outcome()


def no_such_post(number: int) -> Refused:
    """The answer to a number that no post has, or none has any more."""
    return Refused(
        "no_such_post",
        f"Post {number} is not there, it never was or is deleted; list the posts and name one.",
    )


def note(state: SpaceState, user: str, text: str, now_us: int) -> Outcome | Refused:
    """`user` writes to the hosts, who alone read it. Refused: bad_value, not_permitted (a host),
    not_in_space, space_ended."""
    allowed = may(user, Action.NOTE, state)
    if isinstance(allowed, Refused):
        return allowed
    body = clean_body("note", text)
    if isinstance(body, Refused):
        return body
    new = Note(state.next_note, user, state.name_of(user), body, now_us)
    return Outcome(replace(state, next_note=new.note + 1), (NoteAdded(new),))


def react(state: SpaceState, user: str, reaction: str, now_us: int) -> Outcome | Refused:
    """`user` reacts with one of REACTIONS. Refused: bad_value, not_in_space, space_ended."""
    allowed = may(user, Action.REACT, state)
    if isinstance(allowed, Refused):
        return allowed
    if reaction not in REACTIONS:
        return _no_such_word("reaction", reaction, REACTIONS)
    return Outcome(state, (Reacted(user, reaction),))


def pin(state: SpaceState, actor: str, text: str, now_us: int) -> Outcome | Refused:
    """A host pins something for all inside to see. Refused: too_many_pins, bad_value, not_permitted,
    not_in_space, space_ended."""
    allowed = may(actor, Action.PIN, state)
    if isinstance(allowed, Refused):
        return allowed
    body = clean_body("pinned item", text)
    if isinstance(body, Refused):
        return body
    if len(state.pins) >= state.limits.pins:
        return Refused(
            "too_many_pins",
            f"{len(state.pins)} items are pinned and {state.limits.pins} is the limit; unpin one first.",
        )
    new = Pin(state.next_pin, actor, body, now_us)
    change = Change(state)
    change.set(pins=(*state.pins, new), next_pin=new.pin + 1)
    change.add(Pinned(new))
    change.audit(actor, Action.PIN, detail=f"pin {new.pin}")
    return change.outcome()


def unpin(state: SpaceState, actor: str, number: int, now_us: int) -> Outcome | Refused:
    """A host takes a pinned item away. Refused: no_such_pin, not_permitted, not_in_space, space_ended."""
    allowed = may(actor, Action.UNPIN, state)
    if isinstance(allowed, Refused):
        return allowed
    left = tuple(each for each in state.pins if each.pin != number)
    if len(left) == len(state.pins):
        there = ", ".join(str(each.pin) for each in state.pins) or "none"
        return Refused(
            "no_such_pin", f"Nothing is pinned under {number}, there is {there}; name one that is pinned."
        )
    change = Change(state)
    change.set(pins=left)
    change.add(Unpinned(number))
    change.audit(actor, Action.UNPIN, detail=f"pin {number}")
    return change.outcome()


def report(  # noqa: PLR0917 - who, whom, why and when
    state: SpaceState, actor: str, target: str, reason: str, text: str, now_us: int
) -> Outcome | Refused:
    """`actor` reports `target`, who may have left, for one of REPORT_REASONS; `text` may be empty.

    Kept with it: the stage in full and REPORT_ROSTER of the people inside, those reported and reporting
    among them. Refused: bad_value, not_permitted (oneself), not_in_space, space_ended.
    """
    allowed = may(actor, Action.REPORT, state, target)
    if isinstance(allowed, Refused):
        return allowed
    whom = user_id(target)
    if isinstance(whom, Refused):
        return whom
    if reason not in REPORT_REASONS:
        return _no_such_word("reason", reason, REPORT_REASONS)
    body = clean_body("report", text) if text.strip() else ""
    if isinstance(body, Refused):
        return body
    stage, roster = tuple(state.stage()), _evidence(state, actor, whom)
    found = Report(state.space, actor, whom, reason, body, now_us, stage, roster, state.people_count)
    return Outcome(state, (Reported(found),))


def _evidence(state: SpaceState, *named: str) -> tuple[Person, ...]:
    """Those named who are inside, then others in the order of ids, REPORT_ROSTER in all."""
    first = [Person(user, state.name_of(user)) for user in named if state.inside(user)]
    others = [person for person in state.people(limit=REPORT_ROSTER) if person not in first]
    return tuple([*first, *others][:REPORT_ROSTER])


def _no_such_word(what: str, value: str, words: tuple[str, ...]) -> Refused:
    return Refused(
        "bad_value",
        f"There is no {what} {value[:16]!r} among the {len(words)} there are; give {', '.join(words)}.",
    )
