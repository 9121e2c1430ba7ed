"""Stories of the way up and down: the queue and its order, invitations, co-hosts, handing over."""

from __future__ import annotations

from signaling import rules
from signaling.rules import (
    Audited,
    Changes,
    HostChanged,
    Invitation,
    InviteAdded,
    InviteClosed,
    KnownGraph,
    OnStage,
    QueueChanged,
    QueueOrder,
    Refused,
    Role,
    RoleChanged,
    SeatAdded,
    SeatChanged,
    SpaceState,
    SpeakPolicy,
    Spoke,
    StageChanged,
    Waiting,
)
from tests.signaling.rules_stories import (
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

FAIR = Changes(queue_order=QueueOrder.FAIR)


def under(state: SpaceState, policy: SpeakPolicy) -> SpaceState:
    return done(rules.change_settings(state, "ann", Changes(who_may_speak=policy), T0)).state


def test_places_in_the_queue_are_one_to_n() -> None:
    state = asking(opened(), "dan", "bob", "cat")
    assert [state.place_in_queue(user) for user in ("dan", "bob", "cat", "ann")] == [1, 2, 3, 0]


def test_in_the_fair_order_who_was_not_on_stage_comes_first() -> None:
    state = on_stage(opened(), "bob", "cat")
    for user in ("bob", "cat"):
        state = done(rules.move(state, user, "", T0)).state
        state = done(rules.ask(state, user, T0)).state
    state = asking(state, "dan", "eve")
    assert names(state.queue()) == ["bob", "cat", "dan", "eve"]
    outcome = done(rules.change_settings(state, "ann", FAIR, T0))
    assert names(outcome.state.queue()) == ["dan", "eve", "bob", "cat"]
    assert QueueChanged(tuple(outcome.state.queue())) in outcome.effects
    assert outcome.state.place_in_queue("bob") == 3
    answer = rules.ask(outcome.state, "cat", T0)
    assert isinstance(answer, Refused)
    assert "number 4 of 4" in answer.message
    back = done(rules.change_settings(outcome.state, "ann", Changes(queue_order=0), T0)).state
    assert names(back.queue()) == ["bob", "cat", "dan", "eve"], "who asked when is not forgotten"


def test_a_change_of_order_that_moves_nobody_is_not_told_as_a_queue() -> None:
    outcome = done(rules.change_settings(asking(opened(), "dan"), "ann", FAIR, T0))
    assert not any(isinstance(effect, QueueChanged) for effect in outcome.effects)


def test_only_people_whom_the_host_follows_may_ask() -> None:
    state = under(joined(opened(), "bob", "cat"), SpeakPolicy.FOLLOWED)
    graph = KnownGraph({}, frozenset({("ann", "bob"), ("cat", "ann")}))
    assert done(rules.ask(state, "bob", T0, graph)).state.queue() == [Waiting("bob", "Bob")]
    assert code(rules.ask(state, "cat", T0, graph)) == "not_invited", "to follow the host is not enough"
    assert code(rules.ask(state, "bob", T0)) == "not_invited", "nobody is followed where nothing is known"


def test_where_only_the_invited_speak_nobody_asks() -> None:
    state = under(joined(opened(), "bob"), SpeakPolicy.INVITED)
    graph = KnownGraph({}, frozenset({("ann", "bob")}))
    assert code(rules.ask(state, "bob", T0, graph)) == "not_invited"
    state = invited(state, "cat")
    assert done(rules.accept(state, "cat", T0)).state.role_of("cat") is Role.SPEAKER


def test_who_may_speak_changes_while_live_and_open_asks_stay() -> None:
    state = under(asking(opened(), "bob"), SpeakPolicy.INVITED)
    assert names(state.queue()) == ["bob"]
    assert done(rules.admit(state, "ann", "bob", T0)).state.seat_of("bob") == 1
    again = under(joined(state, "cat"), SpeakPolicy.EVERYONE)
    assert names(done(rules.ask(again, "cat", T0)).state.queue()) == ["bob", "cat"]


def test_an_invitation_is_taken_up_muted() -> None:
    state = joined(opened(), "bob")
    outcome = done(rules.invite(state, "ann", "bob", T0))
    expires_us = T0 + 600_000_000
    invitation = Invitation("bob", "Bob", "ann", expires_us)
    assert outcome.effects == (InviteAdded(invitation), Audited("ann", "invite", "bob"))
    assert outcome.state.deadline_us == expires_us
    assert done(rules.invite(outcome.state, "ann", "bob", T0 + 1)).effects == (), "invited already"
    outcome = done(rules.accept(outcome.state, "bob", expires_us - 1))
    assert outcome.effects[:4] == (
        InviteClosed("bob", "accepted"),
        SeatAdded(1, "bob", "Bob", Role.SPEAKER, True),
        Spoke("bob"),
        RoleChanged("bob", Role.SPEAKER, 1, True),
    )
    assert outcome.state.deadline_us is None
    assert done(rules.unmute(outcome.state, "bob", "", T0)).state.muted("bob") is False


def test_an_invitation_is_refused_taken_back_or_lapses() -> None:
    state = invited(opened(), "bob")
    assert done(rules.refuse(state, "bob", T0)).effects == (InviteClosed("bob", "refused"),)
    outcome = done(rules.uninvite(state, "ann", "bob", T0))
    assert outcome.effects == (InviteClosed("bob", "withdrawn"), Audited("ann", "uninvite", "bob"))
    assert code(rules.uninvite(outcome.state, "ann", "bob", T0)) == "not_invited"
    assert code(rules.accept(outcome.state, "bob", T0)) == "not_invited"
    late_us = T0 + 600_000_000
    for verb in (rules.accept, rules.refuse):
        assert code(verb(state, "bob", late_us)) == "invite_lapsed"
    lapsed = rules.on_time(state, late_us)
    assert lapsed.effects == (InviteClosed("bob", "lapsed"),)
    for verb in (rules.accept, rules.refuse):
        assert code(verb(lapsed.state, "bob", late_us)) == "invite_lapsed", "also when it is swept away"
    left = done(rules.join(done(rules.leave(lapsed.state, "bob", late_us)).state, "bob", "Bob", late_us))
    assert code(rules.accept(left.state, "bob", late_us)) == "not_invited"


def test_no_more_lapsed_invitations_are_remembered_than_may_be_open() -> None:
    state, late_us = opened(invites=2), T0 + 600_000_000
    for user in ("bob", "cat", "dan"):
        state = rules.on_time(invited(state, user), late_us).state
    assert code(rules.accept(state, "bob", late_us)) == "not_invited"
    assert [code(rules.accept(state, user, late_us)) for user in ("cat", "dan")] == ["invite_lapsed"] * 2
    again = done(rules.invite(state, "ann", "cat", late_us)).state
    withdrawn = done(rules.uninvite(again, "ann", "cat", late_us)).state
    assert code(rules.accept(withdrawn, "cat", late_us)) == "not_invited", "the last word counts"


def test_who_was_invited_too_long_ago_may_ask_and_may_be_invited_again() -> None:
    state, late_us = invited(opened(), "bob"), T0 + 600_000_000
    assert names(done(rules.ask(state, "bob", late_us)).state.queue()) == ["bob"]
    again = done(rules.invite(state, "ann", "bob", late_us))
    assert again.effects[:2] == (
        InviteClosed("bob", "lapsed"),
        InviteAdded(Invitation("bob", "Bob", "ann", late_us + 600_000_000)),
    )


def test_asking_and_being_invited_exclude_each_other() -> None:
    assert code(rules.ask(invited(opened(), "bob"), "bob", T0)) == "already_asked"
    assert code(rules.invite(asking(opened(), "bob"), "ann", "bob", T0)) == "already_asked"
    assert code(rules.invite(on_stage(opened(), "bob"), "ann", "bob", T0)) == "already_on_stage"


def test_two_hosts_act_at_once() -> None:
    """The second finds what the first has done, and nothing happens twice."""
    state = asking(co_hosts(opened(), "cat"), "bob")
    admitted = done(rules.admit(state, "ann", "bob", T0)).state
    assert code(rules.admit(admitted, "cat", "bob", T0)) == "not_asked"
    assert code(rules.decline(admitted, "cat", "bob", T0)) == "not_asked"
    removed = done(rules.remove(admitted, "ann", "bob", T0)).state
    assert code(rules.remove(removed, "cat", "bob", T0)) == "no_such_person"
    assert code(rules.mute(removed, "cat", "bob", T0)) == "no_such_person"


def test_a_co_host_is_named_and_steps_down() -> None:
    state = on_stage(opened(), "bob", "cat")
    outcome = done(rules.promote(state, "ann", "cat", T0))
    assert outcome.effects == (
        SeatChanged(2, "cat", Role.CO_HOST, False),
        RoleChanged("cat", Role.CO_HOST, 2, False),
        Audited("ann", "promote", "cat"),
        StageChanged(
            (
                OnStage(0, "ann", "Ann", Role.HOST, False),
                OnStage(2, "cat", "Cat", Role.CO_HOST, False),
                OnStage(1, "bob", "Bob", Role.SPEAKER, False),
            )
        ),
    )
    state = outcome.state
    assert done(rules.mute(state, "cat", "bob", T0)).state.muted("bob")
    assert done(rules.demote(state, "cat", "", T0)).state.role_of("cat") is Role.SPEAKER
    assert done(rules.demote(state, "ann", "cat", T0)).state.co_hosts == ()
    assert done(rules.move(state, "cat", "", T0)).state.co_hosts == ()
    assert code(rules.demote(state, "bob", "cat", T0)) == "not_permitted"


def test_a_co_host_has_no_power_over_hosts() -> None:
    state = co_hosts(opened(), "bob", "cat")
    for whom in ("ann", "cat"):
        for act in (rules.mute, rules.move, rules.remove, rules.demote, rules.hand_over):
            assert code(act(state, "bob", whom, T0)) == "not_permitted"
        assert code(rules.set_volume(state, "bob", whom, 50, T0)) == "not_permitted"
    assert code(rules.end(state, "bob", T0)) == "not_permitted"
    assert code(rules.promote(on_stage(state, "dan"), "bob", "dan", T0)) == "not_permitted"


def test_the_host_hands_over_and_is_a_co_host() -> None:
    state = co_hosts(on_stage(opened(), "bob"), "cat")
    outcome = done(rules.hand_over(state, "ann", "bob", T0))
    assert HostChanged("bob", "Bob", "handed_over") in outcome.effects
    assert Audited("ann", "hand_over", "bob") in outcome.effects
    state = outcome.state
    assert (state.host, state.rightful_host, state.founder) == ("bob", "bob", "ann")
    assert (state.role_of("bob"), state.role_of("ann")) == (Role.HOST, Role.CO_HOST)
    assert state.co_hosts == ("cat", "ann")
    assert done(rules.leave(state, "ann", T0)).state.is_live, "it is not their Space any more"
    assert not done(rules.leave(state, "bob", T0)).state.is_live


def test_where_there_are_enough_co_hosts_who_hands_over_is_a_speaker() -> None:
    state = co_hosts(on_stage(opened(), "bob"), "cat", "dan")
    assert done(rules.hand_over(state, "ann", "bob", T0)).state.role_of("ann") is Role.SPEAKER
    swapped = done(rules.hand_over(state, "ann", "cat", T0)).state
    assert (swapped.role_of("ann"), swapped.co_hosts) == (Role.CO_HOST, ("dan", "ann"))


def test_what_was_done_to_a_voice_is_undone_when_it_is_the_hosts() -> None:
    state = on_stage(opened(), "bob")
    state = done(rules.mute(state, "ann", "bob", T0, hold=True)).state
    state = done(rules.set_volume(state, "ann", "bob", 20, T0)).state
    place = done(rules.hand_over(state, "ann", "bob", T0)).state.on_stage["bob"]
    assert (place.muted, place.held, place.volume_pct) == (True, False, 100)


def test_nobody_is_let_up_or_made_host_while_away() -> None:
    state = asking(on_stage(opened(), "bob"), "cat")
    for user in ("bob", "cat"):
        state = rules.lost(state, user, T0).state
    assert code(rules.admit(state, "ann", "cat", T0)) == "no_such_person"
    assert code(rules.promote(state, "ann", "bob", T0)) == "no_such_person"
    assert code(rules.hand_over(state, "ann", "bob", T0)) == "no_such_person"
    assert names(done(rules.decline(state, "ann", "cat", T0)).state.queue()) == []


def test_a_listener_may_become_host_only_by_way_of_the_stage() -> None:
    state = joined(opened(), "bob")
    assert code(rules.hand_over(state, "ann", "bob", T0)) == "not_permitted"
    assert code(rules.promote(state, "ann", "bob", T0)) == "not_permitted"
    assert code(rules.promote(state, "ann", "ann", T0)) == "not_permitted"


def test_no_co_hosts_where_the_limit_is_none() -> None:
    state = on_stage(opened(co_hosts=0), "bob")
    assert code(rules.promote(state, "ann", "bob", T0)) == "too_many_cohosts"
    assert done(rules.hand_over(state, "ann", "bob", T0)).state.role_of("ann") is Role.SPEAKER
