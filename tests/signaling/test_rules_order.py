"""Stories of keeping order: held mutes, volume, removing in three ways, bans, settings, services."""

from __future__ import annotations

import pytest

from signaling import rules
from signaling.rules import (
    AbsenceOver,
    AskClosed,
    AudienceChanged,
    Audited,
    Banned,
    BlockedByHost,
    Changes,
    Ended,
    InviteClosed,
    KnownGraph,
    LinkClosed,
    Overseen,
    PlaceGone,
    QueueOrder,
    Removed,
    RemoveHow,
    Role,
    RoleChanged,
    SeatChanged,
    SeatRemoved,
    Settings,
    SettingsChanged,
    SpeakPolicy,
    StageChanged,
    Unbanned,
)
from tests.signaling.rules_stories import (
    T0,
    asking,
    co_hosts,
    code,
    done,
    invited,
    joined,
    on_stage,
    opened,
)

DIGEST = bytes(range(32))


def test_who_is_held_muted_cannot_unmute_until_a_host_lets_go() -> None:
    state = on_stage(opened(), "bob")
    outcome = done(rules.mute(state, "ann", "bob", T0, hold=True))
    assert outcome.effects[:3] == (
        SeatChanged(1, "bob", Role.SPEAKER, True, True),
        RoleChanged("bob", Role.SPEAKER, 1, True),
        Audited("ann", "hold", "bob"),
    )
    held = outcome.state
    assert code(rules.unmute(held, "bob", "", T0)) == "held_muted"
    assert done(rules.mute(held, "ann", "bob", T0)).effects == (), "a plain mute does not let go"
    outcome = done(rules.unmute(held, "ann", "bob", T0))
    assert outcome.effects[:2] == (
        SeatChanged(1, "bob", Role.SPEAKER, True, False),
        Audited("ann", "release", "bob"),
    )
    assert not done(rules.unmute(outcome.state, "bob", "", T0)).state.muted("bob")


def test_a_voice_that_is_muted_already_can_be_held() -> None:
    state = done(rules.mute(on_stage(opened(), "bob"), "bob", "", T0)).state
    outcome = done(rules.mute(state, "ann", "bob", T0, hold=True))
    assert outcome.effects[0] == SeatChanged(1, "bob", Role.SPEAKER, True, True)
    assert not any(isinstance(effect, RoleChanged) for effect in outcome.effects), (
        "they are as muted as before"
    )


def test_a_hold_and_a_volume_outlast_a_lost_connection() -> None:
    state = done(rules.mute(on_stage(opened(), "bob"), "ann", "bob", T0, hold=True)).state
    state = done(rules.set_volume(state, "ann", "bob", 30, T0)).state
    back = done(rules.resume(rules.lost(state, "bob", T0).state, "bob", T0)).state
    place = back.on_stage["bob"]
    assert (place.muted, place.held, place.volume_pct) == (True, True, 30)


def test_nobody_holds_themselves() -> None:
    assert code(rules.mute(opened(), "ann", "", T0, hold=True)) == "not_permitted"


def test_muting_all_spares_the_hosts_and_keeps_what_is_held() -> None:
    state = co_hosts(on_stage(opened(), "bob", "cat", "dan"), "eve")
    state = done(rules.mute(state, "ann", "bob", T0, hold=True)).state
    outcome = done(rules.mute_all(state, "eve", T0))
    assert [place.muted for place in outcome.state.stage()] == [False, False, True, True, True]
    assert [place.held for place in outcome.state.stage()] == [False, False, True, False, False]
    assert Audited("eve", "mute_all") in outcome.effects
    assert done(rules.mute_all(outcome.state, "ann", T0)).effects == ()
    held = done(rules.mute_all(outcome.state, "ann", T0, hold=True))
    assert all(place.held for place in held.state.stage()[2:])
    assert Audited("ann", "mute_all", "", "held") in held.effects
    assert code(rules.mute_all(state, "bob", T0)) == "not_permitted"


def test_a_voice_is_made_less_loud() -> None:
    state = on_stage(opened(), "bob")
    outcome = done(rules.set_volume(state, "ann", "bob", 40, T0))
    assert outcome.effects[:2] == (
        SeatChanged(1, "bob", Role.SPEAKER, False, False, 40),
        Audited("ann", "volume", "bob", "40 %"),
    )
    assert done(rules.set_volume(outcome.state, "ann", "bob", 40, T0)).effects == ()
    assert code(rules.set_volume(state, "bob", "bob", 40, T0)) == "not_permitted"
    assert code(rules.set_volume(state, "ann", "ann", 40, T0)) == "not_permitted"


def test_what_is_done_to_somebody_away_does_not_reach_the_mix() -> None:
    away = rules.lost(on_stage(opened(), "bob"), "bob", T0).state
    muted = done(rules.mute(away, "ann", "bob", T0, hold=True))
    assert muted.effects == (
        SeatChanged(1, "bob", Role.SPEAKER, True, True, 100, mixed=False),
        Audited("ann", "hold", "bob"),
        StageChanged(tuple(muted.state.stage())),
    )
    moved = done(rules.move(away, "ann", "bob", T0))
    assert moved.effects[:2] == (PlaceGone(1, "bob"), Audited("ann", "move", "bob"))
    assert done(rules.resume(moved.state, "bob", T0)).state.role_of("bob") is Role.LISTENER


@pytest.mark.parametrize("how", RemoveHow)
def test_three_ways_to_remove(how: RemoveHow) -> None:
    outcome = done(rules.remove(joined(opened(), "bob"), "ann", "bob", T0, how))
    reason = "may_return" if how is RemoveHow.MAY_RETURN else "removed"
    action = "remove" if how is RemoveHow.MAY_RETURN else "ban"
    assert outcome.effects == (
        *([Banned("bob", "Bob", "ann")] if how else []),
        *([BlockedByHost("ann", "bob", "Bob")] if how is RemoveHow.BLOCK else []),
        Removed("bob", reason),
        Audited("ann", action, "bob", "block" if how is RemoveHow.BLOCK else ""),
        AudienceChanged(0),
    )
    again = rules.join(outcome.state, "bob", "Bob", T0)
    if how is RemoveHow.MAY_RETURN:
        assert done(again).state.inside("bob")
        assert code(rules.resume(outcome.state, "bob", T0)) == "resume_lapsed", "nothing is kept for them"
    else:
        assert code(again) == code(rules.resume(outcome.state, "bob", T0)) == "removed"


def test_a_co_host_who_blocks_does_so_for_whose_space_it_is() -> None:
    state = co_hosts(joined(opened(), "bob"), "cat")
    effects = done(rules.remove(state, "cat", "bob", T0, RemoveHow.BLOCK)).effects
    assert effects[:2] == (Banned("bob", "Bob", "cat"), BlockedByHost("ann", "bob", "Bob"))


def test_a_kick_is_one_act_and_revokes_all_they_hold() -> None:
    state = co_hosts(opened(), "bob")
    state = done(rules.share_speaker(state, "bob", DIGEST, 0, T0)).state
    state = done(rules.share_speaker(state, "ann", bytes(32), 0, T0)).state
    outcome = done(rules.remove(state, "ann", "bob", T0))
    assert outcome.effects[:4] == (
        Banned("bob", "Bob", "ann"),
        SeatRemoved(1, "bob"),
        Removed("bob", "removed"),
        LinkClosed(DIGEST, "revoked"),
    )
    assert list(outcome.state.links) == [bytes(32)]
    assert outcome.state.co_hosts == ()
    answer = rules.join(outcome.state, "cat", "Cat", T0, invite_digest=DIGEST)
    assert code(answer) == "not_invited", "a link of theirs lets nobody in"
    for digest in (b"", DIGEST, bytes(32)):
        assert code(rules.join(outcome.state, "bob", "Bob", T0, invite_digest=digest)) == "removed"
    assert code(rules.redeem(outcome.state, "bob", bytes(32), T0)) == "not_in_space"
    assert code(rules.accept(outcome.state, "bob", T0)) == "not_in_space"


def test_who_asks_is_invited_or_away_is_removed_as_well() -> None:
    asked = done(rules.remove(asking(opened(), "bob"), "ann", "bob", T0)).effects
    assert asked[1:3] == (AskClosed("bob", "removed"), Removed("bob", "removed"))
    bidden = done(rules.remove(invited(opened(), "bob"), "ann", "bob", T0)).effects
    assert bidden[1:3] == (InviteClosed("bob", "removed"), Removed("bob", "removed"))
    away = rules.lost(on_stage(opened(), "bob"), "bob", T0).state
    outcome = done(rules.remove(away, "ann", "bob", T0))
    assert outcome.effects[:3] == (
        Banned("bob", "Bob", "ann"),
        PlaceGone(1, "bob"),
        AbsenceOver("bob", "removed"),
    )
    assert code(rules.resume(outcome.state, "bob", T0)) == "removed"
    assert code(rules.returned(outcome.state, "bob", T0)) == "not_in_space"


def test_a_ban_is_lifted_but_a_block_stays() -> None:
    state = done(rules.remove(joined(opened(), "bob"), "ann", "bob", T0, RemoveHow.BLOCK)).state
    outcome = done(rules.unban(state, "ann", "bob", T0))
    assert outcome.effects == (Unbanned("bob"), Audited("ann", "unban", "bob"))
    blocked = KnownGraph({}, frozenset(), frozenset({("ann", "bob")}))
    assert code(rules.join(outcome.state, "bob", "Bob", T0, blocked)) == "no_such_space"
    assert done(rules.join(outcome.state, "bob", "Bob", T0)).state.inside("bob")
    assert code(rules.unban(outcome.state, "ann", "bob", T0)) == "no_such_person"


def test_a_block_from_outside_puts_out_without_a_ban() -> None:
    state = on_stage(opened(), "bob")
    outcome = rules.shut_out(state, "ann", "bob", T0)
    assert outcome.effects[:2] == (SeatRemoved(1, "bob"), Removed("bob", "removed"))
    assert outcome.effects[-2:] == (
        Audited("ann", "remove", "bob", "block"),
        StageChanged(tuple(outcome.state.stage())),
    )
    assert outcome.state.banned == frozenset()
    for nobody in ("ann", "zoe"):
        assert rules.shut_out(state, "ann", nobody, T0).effects == ()


def test_the_blocked_are_answered_as_if_there_were_no_such_space() -> None:
    graph = KnownGraph({}, frozenset(), frozenset({("ann", "bob"), ("cat", "dan")}))
    state = rules.lost(co_hosts(joined(opened(), "bob"), "cat"), "bob", T0).state
    ended = rules.close(state, "server_stopping", T0).state
    for blocked in (
        rules.join(state, "bob", "Bob", T0, graph),
        rules.resume(state, "bob", T0, graph),
    ):
        assert blocked == rules.join(ended, "eve", "Eve", T0) == rules.no_such_space(state.space)
    assert done(rules.join(state, "dan", "Dan", T0, graph)).state.inside("dan"), "a co-host's block is theirs"


def test_hosts_change_what_the_space_is() -> None:
    wanted = Changes(
        title=" Lake talk ",
        topics=["JAZZ", "jazz", "Sea"],
        who_may_speak=SpeakPolicy.FOLLOWED,
        queue_order=QueueOrder.FAIR,
        locked=True,
    )
    outcome = done(rules.change_settings(co_hosts(opened(), "bob"), "bob", wanted, T0))
    settings = Settings("Lake talk", ("jazz", "sea"), SpeakPolicy.FOLLOWED, QueueOrder.FAIR, True)
    assert outcome.effects == (
        SettingsChanged(settings),
        Audited("bob", "change", "", "title, topics, who_may_speak, queue_order, locked"),
    )
    assert outcome.state.title == "Lake talk"
    assert done(rules.change_settings(outcome.state, "ann", wanted, T0)).effects == ()
    assert done(rules.change_settings(outcome.state, "ann", Changes(), T0)).effects == ()
    assert code(rules.change_settings(outcome.state, "cat", wanted, T0)) == "not_in_space"


def test_a_locked_room_keeps_new_people_out_and_lets_back_who_was_inside() -> None:
    state = rules.lost(joined(opened(), "bob", "cat"), "bob", T0).state
    state = done(rules.share_speaker(state, "ann", DIGEST, 0, T0)).state
    state = done(rules.change_settings(state, "ann", Changes(locked=True), T0)).state
    assert code(rules.join(state, "dan", "Dan", T0)) == "space_locked"
    assert code(rules.join(state, "dan", "Dan", T0, invite_digest=DIGEST)) == "space_locked"
    assert state.links[DIGEST].used_by == ""
    for back in (rules.resume(state, "bob", T0), rules.join(state, "bob", "Bob", T0)):
        assert done(back).state.inside("bob")
    assert done(rules.returned(state, "cat", T0)).state.inside("cat")
    away = rules.lost(state, "ann", T0).state
    assert done(rules.join(away, "ann", "Ann", T0)).state.host == "ann"


def test_a_service_oversees_and_keeps_order_without_being_inside() -> None:
    state = on_stage(joined(opened(), "cat"), "bob")
    outcome = done(rules.oversee(state, "backend", T0))
    assert outcome.effects == (Overseen("backend"), Audited("backend", "oversee"))
    state = outcome.state
    assert (state.people_count, state.inside("backend")) == (3, False)
    assert done(rules.oversee(state, "backend", T0)).effects == ()
    assert done(rules.mute(state, "backend", "ann", T0, hold=True)).state.on_stage["ann"].held
    assert done(rules.move(state, "backend", "bob", T0)).state.role_of("bob") is Role.LISTENER
    assert done(rules.remove(state, "backend", "cat", T0)).state.banned == {"cat"}
    assert code(rules.remove(state, "backend", "ann", T0)) == "not_permitted"
    assert code(rules.join(state, "backend", "B", T0)) == "not_permitted"
    assert code(rules.ask(state, "backend", T0)) == "not_permitted"
    assert code(rules.oversee(state, "cat", T0)) == "already_in_space"
    assert code(rules.oversee(opened(), "\u202ex", T0)) == "bad_value"
    ended = done(rules.end(state, "backend", T0))
    assert ended.effects == (Audited("backend", "end"), Ended("service_ended"))
    assert code(rules.oversee(ended.state, "backend", T0)) == "no_such_space"
