"""Stories of links to speak: good once, for a while, for whoever opens them first."""

from __future__ import annotations

import pytest

from signaling import rules
from signaling.rules import (
    AskClosed,
    AudienceChanged,
    Audited,
    Entered,
    Invitation,
    InviteAdded,
    LinkAdded,
    LinkClosed,
    QueueChanged,
    Role,
    SpaceState,
    SpeakLink,
)
from tests.signaling.rules_stories import T0, asking, co_hosts, code, done, invited, joined, on_stage, opened

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
DAY_US = 86_400_000_000
SECOND_US = 1_000_000


def shared(state: SpaceState, *digests: bytes, lifetime_us: int = 0) -> SpaceState:
    for digest in digests:
        state = done(rules.share_speaker(state, "ann", digest, lifetime_us, T0)).state
    return state


def test_a_link_invites_whoever_opens_it_first() -> None:
    outcome = done(rules.share_speaker(opened(), "ann", ONE, 0, T0))
    link = SpeakLink("ann", T0 + DAY_US)
    assert outcome.effects == (LinkAdded(ONE, link), Audited("ann", "share_speaker"))
    invitation = Invitation("bob", "Bob", "ann", T0 + 600 * SECOND_US)
    outcome = done(rules.join(outcome.state, "bob", "Bob", T0, invite_digest=ONE))
    assert outcome.effects == (
        Entered("bob", "Bob"),
        LinkClosed(ONE, "used", "bob"),
        InviteAdded(invitation),
        AudienceChanged(1),
    )
    state = outcome.state
    assert state.role_of("bob") is Role.LISTENER, "nobody is put on stage unawares"
    assert done(rules.accept(state, "bob", T0)).state.role_of("bob") is Role.SPEAKER
    assert code(rules.join(state, "cat", "Cat", T0, invite_digest=ONE)) == "invite_lapsed"
    assert code(rules.join(state, "cat", "Cat", T0, invite_digest=TWO)) == "not_invited"


def test_opening_ones_own_used_link_again_just_joins() -> None:
    """The connection may be lost before the answer comes; the client then says the same again."""
    state = done(rules.join(shared(opened(), ONE), "bob", "Bob", T0, invite_digest=ONE)).state
    left = done(rules.leave(state, "bob", T0)).state
    again = done(rules.join(left, "bob", "Bob", T0, invite_digest=ONE)).state
    assert (again.inside("bob"), again.invites) == (True, {}), "once is once"
    back = done(rules.join(rules.lost(state, "bob", T0).state, "bob", "Bob", T0, invite_digest=ONE))
    assert list(back.state.invites) == ["bob"]


def test_somebody_inside_opens_a_link() -> None:
    state = shared(asking(opened(), "bob"), ONE)
    outcome = done(rules.redeem(state, "bob", ONE, T0))
    assert outcome.effects == (
        LinkClosed(ONE, "used", "bob"),
        AskClosed("bob", "withdrawn"),
        InviteAdded(Invitation("bob", "Bob", "ann", T0 + 600 * SECOND_US)),
        QueueChanged(()),
    )
    assert done(rules.redeem(outcome.state, "bob", ONE, T0)).effects == ()
    assert code(rules.redeem(on_stage(shared(opened(), ONE), "cat"), "cat", ONE, T0)) == "not_permitted"
    assert code(rules.redeem(state, "zoe", ONE, T0)) == "not_in_space"


def test_an_invitation_is_renewed_by_a_link() -> None:
    state = shared(invited(opened(), "bob"), ONE)
    later = done(rules.redeem(state, "bob", ONE, T0 + SECOND_US)).state
    assert later.invites["bob"].expires_us == T0 + 601 * SECOND_US


def test_a_link_lapses() -> None:
    state = shared(opened(), ONE, lifetime_us=SECOND_US)
    for now_us in (T0 + SECOND_US, T0 + DAY_US):
        assert code(rules.join(state, "bob", "Bob", now_us, invite_digest=ONE)) == "invite_lapsed"
    assert done(rules.join(state, "bob", "Bob", T0 + SECOND_US - 1, invite_digest=ONE)).state.invites
    outcome = done(rules.share_speaker(state, "ann", TWO, 0, T0 + SECOND_US))
    assert outcome.effects[0] == LinkClosed(ONE, "lapsed"), "what has lapsed makes room"
    late = rules.join(outcome.state, "bob", "Bob", T0 + SECOND_US, invite_digest=ONE)
    assert code(late) == "invite_lapsed", "and is still told from one that never was"


def test_a_host_revokes_a_link() -> None:
    state = shared(co_hosts(opened(), "cat"), ONE)
    outcome = done(rules.unshare(state, "cat", ONE, T0))
    assert outcome.effects == (LinkClosed(ONE, "revoked"), Audited("cat", "unshare"))
    assert code(rules.join(outcome.state, "bob", "Bob", T0, invite_digest=ONE)) == "not_invited"
    assert done(rules.unshare(outcome.state, "ann", ONE, T0)).effects == ()
    assert code(rules.unshare(joined(state, "bob"), "bob", ONE, T0)) == "not_permitted"
    used = done(rules.join(state, "bob", "Bob", T0, invite_digest=ONE)).state
    assert done(rules.unshare(used, "ann", ONE, T0)).effects == (), "what is used up cannot be taken back"


def test_links_at_their_bound_and_one_past_it() -> None:
    state = shared(opened(links=2), ONE, TWO)
    assert code(rules.share_speaker(state, "ann", THREE, 0, T0)) == "queue_full"
    used = done(rules.join(state, "bob", "Bob", T0, invite_digest=TWO)).state
    outcome = done(rules.share_speaker(used, "ann", THREE, 0, T0))
    assert list(outcome.state.links) == [ONE, THREE], "a used one makes room"
    assert outcome.effects[0] == LinkAdded(THREE, SpeakLink("ann", T0 + DAY_US))
    assert code(rules.share_speaker(opened(links=0), "ann", ONE, 0, T0)) == "queue_full"


@pytest.mark.parametrize("lifetime_us", [-1, SECOND_US - 1, 7 * DAY_US + 1])
def test_lifetimes_that_cannot_be(lifetime_us: int) -> None:
    assert code(rules.share_speaker(opened(), "ann", ONE, lifetime_us, T0)) == "bad_value"
    for good_us in (SECOND_US, 7 * DAY_US):
        assert shared(opened(), ONE, lifetime_us=good_us).links[ONE].expires_us == T0 + good_us


def test_a_link_that_somebody_put_out_has_used_is_forgotten_with_them() -> None:
    state = done(rules.join(shared(opened(), ONE, TWO), "bob", "Bob", T0, invite_digest=ONE)).state
    outcome = done(rules.remove(state, "ann", "bob", T0, rules.RemoveHow.MAY_RETURN))
    assert (list(outcome.state.links), outcome.state.invites) == ([TWO], {})
    assert code(rules.join(outcome.state, "bob", "Bob", T0, invite_digest=ONE)) == "not_invited"


def test_a_link_is_not_used_up_where_it_lets_nobody_in() -> None:
    full = shared(invited(opened(invites=1), "bob"), ONE)
    assert code(rules.join(full, "cat", "Cat", T0, invite_digest=ONE)) == "queue_full"
    assert full.links[ONE].used_by == ""
    away = rules.lost(on_stage(full, "dan"), "dan", T0).state
    back = done(rules.join(away, "dan", "Dan", T0, invite_digest=ONE)).state
    assert (back.role_of("dan"), back.links[ONE].used_by) == (Role.SPEAKER, "")


def test_a_digest_of_another_length_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="has 3 bytes"):
        rules.share_speaker(opened(), "ann", b"abc", 0, T0)
