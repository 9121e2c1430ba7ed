"""Every bad input: a stable code, a sentence with value, limit and remedy, and nothing has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from signaling import rules
from signaling.rules import Changes, Outcome, Refused, Settings, SpaceState
from tests.signaling.rules_stories import (
    SPACE,
    T0,
    asking,
    co_hosts,
    code,
    done,
    invited,
    joined,
    on_stage,
    opened,
    photograph,
)

LATE_US = T0 + 600_000_000
DIGEST = bytes(32)


class Bad(NamedTuple):
    """`words`: what the sentence must hold, the value, the limit and the remedy among them."""

    name: str
    state: SpaceState
    act: Callable[[SpaceState], Outcome | Refused]
    code: str
    words: tuple[str, ...]
    again_later: bool = False


def renamed(**wanted: object) -> Callable[[SpaceState], Outcome | Refused]:
    return lambda state: rules.change_settings(state, "ann", Changes(**wanted), T0)  # type: ignore[arg-type]


def locked() -> SpaceState:
    return done(rules.change_settings(opened(), "ann", Changes(locked=True), T0)).state


def held() -> SpaceState:
    return done(rules.mute(on_stage(opened(), "bob"), "ann", "bob", T0, hold=True)).state


def after_leaving(user: str) -> SpaceState:
    return done(rules.leave(on_stage(opened(), user), user, T0)).state


def only_invited() -> SpaceState:
    return done(rules.change_settings(joined(opened(), "bob"), "ann", Changes(who_may_speak=2), T0)).state


CASES = [
    # Full
    Bad(
        "a full stage",
        asking(on_stage(opened(stage=2), "bob"), "cat"),
        lambda state: rules.admit(state, "ann", "cat", T0),
        "stage_full",
        ("2 people are on stage", "2 is the limit", "back to the listeners"),
    ),
    Bad(
        "a full stage for one invited",
        invited(on_stage(opened(stage=2), "bob"), "cat"),
        lambda state: rules.accept(state, "cat", T0),
        "stage_full",
        ("2 people", "2 is the limit"),
    ),
    Bad(
        "a full queue",
        joined(asking(opened(queue=1), "bob"), "cat"),
        lambda state: rules.ask(state, "cat", T0),
        "queue_full",
        ("1 people ask", "1 is the limit", "ask again"),
        True,
    ),
    Bad(
        "a full room",
        joined(opened(people=2, stage=2), "bob"),
        lambda state: rules.join(state, "cat", "Cat", T0),
        "busy",
        ("2 people are in this Space", "2 is the limit", "try again"),
        True,
    ),
    Bad(
        "too many invitations",
        joined(invited(opened(invites=1), "bob"), "cat"),
        lambda state: rules.invite(state, "ann", "cat", T0),
        "queue_full",
        ("1 invitations are open", "1 is the limit", "take one back"),
        True,
    ),
    Bad(
        "too many co-hosts",
        on_stage(co_hosts(opened(), "bob", "cat"), "dan"),
        lambda state: rules.promote(state, "ann", "dan", T0),
        "too_many_cohosts",
        ("2 people are co-hosts", "2 is the limit", "step one down"),
    ),
    # Lapsed
    Bad(
        "a lapsed invitation",
        invited(opened(), "bob"),
        lambda state: rules.accept(state, "bob", LATE_US),
        "invite_lapsed",
        ("older than 600 s", "limit", "ask to speak"),
    ),
    Bad(
        "a lapsed place",
        rules.lost(on_stage(opened(), "bob"), "bob", T0).state,
        lambda state: rules.resume(state, "bob", T0 + 120_000_000),
        "resume_lapsed",
        ("120 s", "limit", "join instead"),
    ),
    Bad(
        "a link that nobody made",
        opened(),
        lambda state: rules.join(state, "bob", "Bob", T0, invite_digest=DIGEST),
        "not_invited",
        ("unknown or revoked", "ask a host"),
    ),
    # Acting on somebody who is not there, and on oneself where it makes no sense
    *(
        Bad(
            f"{verb.__name__} somebody who left",
            after_leaving("bob"),
            lambda state, verb=verb: verb(state, "ann", "bob", T0),  # type: ignore[misc]
            "no_such_person",
            ("'bob' is not", "name one of them"),
        )
        for verb in (
            rules.admit,
            rules.decline,
            rules.invite,
            rules.uninvite,
            rules.promote,
            rules.demote,
            rules.hand_over,
            rules.move,
            rules.mute,
            rules.unmute,
            rules.remove,
            rules.unban,
        )
    ),
    *(
        Bad(
            f"the host does {verb.__name__} to themselves",
            opened(),
            lambda state, verb=verb: verb(state, "ann", "ann", T0),  # type: ignore[misc]
            "not_permitted",
            ("yourself", "you are host"),
        )
        for verb in (
            rules.admit,
            rules.decline,
            rules.invite,
            rules.uninvite,
            rules.promote,
            rules.demote,
            rules.hand_over,
            rules.move,
            rules.remove,
            rules.unban,
        )
    ),
    Bad(
        "holding oneself",
        opened(),
        lambda state: rules.mute(state, "ann", "ann", T0, hold=True),
        "not_permitted",
        ("To hold yourself is for nobody",),
    ),
    Bad(
        "unmuting while held",
        held(),
        lambda state: rules.unmute(state, "bob", "", T0),
        "held_muted",
        ("keeps you muted", "note"),
    ),
    # Nothing to answer
    Bad(
        "asking twice",
        asking(opened(), "bob"),
        lambda state: rules.ask(state, "bob", T0),
        "already_asked",
        ("number 1 of 1", "once is the limit", "wait"),
    ),
    Bad(
        "accepting what was not offered",
        joined(opened(), "bob"),
        lambda state: rules.accept(state, "bob", T0),
        "not_invited",
        ("no open invitation", "ask to speak"),
    ),
    Bad(
        "asking where only the invited speak",
        only_invited(),
        lambda state: rules.ask(state, "bob", T0),
        "not_invited",
        ("Only people whom a host invites", "wait for an invitation"),
    ),
    Bad(
        "coming into a locked room",
        locked(),
        lambda state: rules.join(state, "bob", "Bob", T0),
        "space_locked",
        ("locked", "wait until they unlock"),
    ),
    # Values
    Bad("an empty title", opened(), renamed(title=" "), "bad_value", ("empty", "1 to 100 characters")),
    Bad(
        "a long title",
        opened(),
        renamed(title="x" * 101),
        "bad_value",
        ("101", "100 is the limit", "shorten"),
    ),
    Bad("a control character", opened(), renamed(title="a\x07b"), "bad_value", ("U+0007", "leave it out")),
    Bad("a bidirectional one", opened(), renamed(title="a\u202eb"), "bad_value", ("U+202E", "leave it out")),
    Bad(
        "too many topics", opened(), renamed(topics=list("abcd")), "bad_value", ("4 topics", "3 is the limit")
    ),
    Bad("a long topic", opened(), renamed(topics=["x" * 31]), "bad_value", ("31", "30 is the limit")),
    Bad("a policy that is none", opened(), renamed(who_may_speak=3), "bad_value", ("3", "0 (everyone)")),
    Bad("an order that is none", opened(), renamed(queue_order=2), "bad_value", ("2", "1 (fair)")),
    *(
        Bad(
            f"a volume of {volume_pct}",
            on_stage(opened(), "bob"),
            lambda state, volume_pct=volume_pct: rules.set_volume(  # type: ignore[misc]
                state, "ann", "bob", volume_pct, T0
            ),
            "bad_value",
            (f"{volume_pct} %", "0 to 100 is the limit"),
        )
        for volume_pct in (-1, 101)
    ),
    Bad(
        "a way to remove that is none",
        joined(opened(), "bob"),
        lambda state: rules.remove(state, "ann", "bob", T0, 3),
        "bad_value",
        ("3 is no way", "0 to 2 is the limit"),
    ),
    *(
        Bad(
            f"a name of {len(name)} characters",
            opened(),
            lambda state, name=name: rules.join(state, "bob", name, T0),  # type: ignore[misc]
            "bad_value",
            words,
        )
        for name, words in (
            ("n" * 51, ("51 characters", "50 is the limit", "shorten")),
            ("a\u2066", ("U+2066", "leave it out")),
        )
    ),
    Bad(
        "a user id that cannot be",
        opened(),
        lambda state: rules.join(state, "u" * 65, "U", T0),
        "bad_value",
        ("65 characters", "64 is the limit"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_with_value_limit_and_remedy_and_nothing_changes(case: Bad) -> None:
    picture = photograph(case.state)
    answer = case.act(case.state)
    assert code(answer) == case.code
    assert isinstance(answer, Refused)
    for word in case.words:
        assert word in answer.message
    assert (answer.retry_after_ms > 0) == case.again_later
    assert photograph(case.state) == picture


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(""), "empty"),
        (Settings("T", ("a", "b", "c", "d")), "4 topics"),
        (Settings("T", kind="k" * 17), "17 characters, 16 is the limit"),
        (Settings("T", kind="a\nb"), "U+000A"),
    ],
)
def test_a_space_that_cannot_be_is_not_opened(settings: Settings, words: str) -> None:
    answer = rules.open_space(SPACE, settings, "ann", "Ann", T0)
    assert code(answer) == "bad_value"
    assert isinstance(answer, Refused)
    assert words in answer.message


def test_in_a_space_that_is_over_every_act_is_refused_and_every_fact_changes_nothing() -> None:
    over = done(rules.end(on_stage(opened(), "bob"), "ann", T0)).state
    picture = photograph(over)
    acts: list[Outcome | Refused] = [
        *(
            verb(over, "ann", "bob", T0)
            for verb in (
                rules.admit,
                rules.decline,
                rules.invite,
                rules.uninvite,
                rules.promote,
                rules.demote,
                rules.hand_over,
                rules.move,
                rules.mute,
                rules.unmute,
                rules.remove,
                rules.unban,
            )
        ),
        *(verb(over, "ann", T0) for verb in (rules.ask, rules.accept, rules.refuse, rules.leave, rules.end)),
        rules.mute_all(over, "ann", T0),
        rules.set_volume(over, "ann", "bob", 1, T0),
        rules.change_settings(over, "ann", Changes(title="X"), T0),
        rules.share_speaker(over, "ann", DIGEST, 0, T0),
        rules.unshare(over, "ann", DIGEST, T0),
        rules.redeem(over, "bob", DIGEST, T0),
        rules.returned(over, "bob", T0),
    ]
    assert {code(answer) for answer in acts} == {"space_ended"}
    for door in (rules.join(over, "bob", "Bob", T0), rules.resume(over, "bob", T0)):
        assert code(door) == "no_such_space"
    for outcome in (
        rules.lost(over, "ann", T0),
        rules.on_time(over, LATE_US),
        rules.close(over, "x", T0),
        rules.shut_out(over, "ann", "bob", T0),
    ):
        assert outcome == Outcome(over)
    assert photograph(over) == picture


def test_every_code_a_verb_here_can_answer_with_is_met() -> None:
    """What is left of the codes is for the talk, hosting, plans and rates beside, and for tickets."""
    met = {case.code for case in CASES}
    elsewhere = {
        "not_asked",
        "not_in_space",
        "removed",
        "already_in_space",
        "already_on_stage",
        "space_ended",
    }
    beside = {
        "account_too_young",
        "bad_time",
        "handle_taken",
        "no_such_pin",
        "no_such_post",
        "no_such_space",
        "not_listed",
        "not_planned",
        "too_few_followers",
        "too_many_pins",
        "too_many_planned",
        "too_often",
    }
    tickets = {
        "bad_price",
        "card_declined",
        "has_ticket",
        "hold_lapsed",
        "hold_open",
        "hold_too_soon",
        "no_such_hold",
        "no_such_ticket",
        "not_eligible_to_sell",
        "not_for_sale",
        "payment_unknown",
        "payout_account_missing",
        "payout_too_small",
        "refund_too_large",
        "sale_closed",
        "sold_out",
        "ticket_required",
    }
    assert met | elsewhere | beside | tickets == rules.CODES
