"""docs/control-plane.md says what the code does: the generated blocks, and every step that there is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from signaling import rules
from signaling.rules import Action, Outcome, Refused, Role, Settings, SpaceState, Standing, State
from signaling.rules.diagram import blocks
from signaling.rules.lifecycle import PERSON_STEPS, SPACE_STEPS, PersonStep

PAGE = Path(__file__).parents[2] / "docs" / "control-plane.md"
SPACE = bytes(16)
PEOPLE = ("host", "first", "second", "speaker", "other", "listener", "asks", "invited", "outside", "banned")


@pytest.mark.parametrize("name", blocks())
def test_a_block_of_the_page_is_what_the_tables_give(name: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"<!-- {name} -->\n{blocks()[name]}<!-- end of {name} -->" in page, (
        "put there what python -m signaling.rules.diagram says"
    )


def test_every_action_and_state_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert {action.value for action in Action} == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert all(f"`{state.value}`" in page for state in State)


def done(outcome: Outcome | Refused) -> SpaceState:
    assert isinstance(outcome, Outcome), outcome
    return outcome.state


def room(co_hosts: int) -> SpaceState:
    """A Space with somebody in every standing, so many co-hosts of two, one who asks, one invited."""
    state = done(rules.open_space(SPACE, Settings("Tea"), "host", "Host", 0))
    for user in PEOPLE[1:-2]:
        state = done(rules.join(state, user, user, 0))
    for user in PEOPLE[1:5]:
        state = done(rules.admit(done(rules.ask(state, user, 0)), "host", user, 0))
    for user in PEOPLE[1 : 1 + co_hosts]:
        state = done(rules.promote(state, "host", user, 0))
    state = done(rules.invite(done(rules.ask(state, "asks", 0)), "host", "invited", 0))
    state = done(rules.remove(done(rules.join(state, "banned", "b", 0)), "host", "banned", 0))
    return done(rules.oversee(state, "service", 0))


def alone(verb: Callable[..., Any]) -> Callable[..., Any]:
    return lambda state, actor, target: verb(state, actor, 0)


def aimed(verb: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return lambda state, actor, target: verb(state, actor, target, 0, **options)


# Every act that has a verb of the rules; those that only read, talk or share change nobody's role.
VERBS: dict[Action, Callable[..., Any]] = {
    Action.JOIN: lambda state, actor, target: rules.join(state, actor, actor, 0),
    Action.RESUME: alone(rules.resume),
    Action.ASK: alone(rules.ask),
    Action.ADMIT: aimed(rules.admit),
    Action.DECLINE: aimed(rules.decline),
    Action.INVITE: aimed(rules.invite),
    Action.UNINVITE: aimed(rules.uninvite),
    Action.ACCEPT: alone(rules.accept),
    Action.REFUSE: alone(rules.refuse),
    Action.PROMOTE: aimed(rules.promote),
    Action.DEMOTE: aimed(rules.demote),
    Action.HAND_OVER: aimed(rules.hand_over),
    Action.MUTE: aimed(rules.mute),
    Action.HOLD: aimed(rules.mute, hold=True),
    Action.UNMUTE: aimed(rules.unmute),
    Action.MUTE_ALL: alone(rules.mute_all),
    Action.VOLUME: lambda state, actor, target: rules.set_volume(state, actor, target, 50, 0),
    Action.MOVE: aimed(rules.move),
    Action.REMOVE: aimed(rules.remove, how=0),
    Action.BAN: aimed(rules.remove),
    Action.UNBAN: aimed(rules.unban),
    Action.LEAVE: alone(rules.leave),
    Action.END: alone(rules.end),
}


def walk() -> Iterator[tuple[Action, SpaceState, SpaceState]]:
    """Every verb, by everybody, of everybody, in rooms with one co-host and with two."""
    for state in (room(1), room(2)):
        for action, verb in VERBS.items():
            for actor in (*PEOPLE, "service"):
                for target in PEOPLE:
                    outcome = verb(state, actor, target)
                    if isinstance(outcome, Outcome):
                        yield action, state, outcome.state


def test_nobody_becomes_what_they_are_by_another_step() -> None:
    seen = {
        PersonStep(before.standing(user), action, after.standing(user))
        for action, before, after in walk()
        if after.is_live
        for user in PEOPLE
        if before.standing(user) is not after.standing(user)
    }
    assert seen == set(PERSON_STEPS)


def test_a_space_ends_by_no_other_act() -> None:
    ended = {(action, after.state) for action, _, after in walk() if not after.is_live}
    assert ended == {(Action.END, State.ENDED), (Action.LEAVE, State.ENDED)}
    # LEAVE is `the host leaves` of the table: it is the host's alone.
    assert {step.after for step in SPACE_STEPS if step.before is State.LIVE} == {State.ENDED, State.TIMED_OUT}


def test_what_happens_ends_a_space_as_the_table_says() -> None:
    state = room(0)
    assert done(rules.close(state, "server_stopping", 0)).state is State.ENDED
    lost = done(rules.lost(state, "host", 0))
    while lost.is_live:
        due_us = lost.deadline_us
        assert due_us is not None
        lost = done(rules.on_time(lost, due_us))
    assert lost.state is State.TIMED_OUT


def test_a_lost_connection_is_no_step() -> None:
    for user, role in (("first", Role.CO_HOST), ("speaker", Role.SPEAKER), ("listener", Role.LISTENER)):
        state = room(2)
        back = done(rules.resume(done(rules.lost(state, user, 0)), user, 1))
        assert back.role_of(user) is role
        assert state.standing(user) is back.standing(user) is Standing[role.name]
