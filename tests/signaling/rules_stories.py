"""How the rules' tests tell a story: a Space with these people inside, and answers taken apart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

from signaling import rules
from signaling.rules import CODES, OnStage, Outcome, Refused, Settings, SpaceLimits, SpaceState, Waiting

SPACE = bytes(range(16))
T0 = 1_000_000


def done(answer: Outcome | Refused) -> Outcome:
    assert isinstance(answer, Outcome), answer
    return answer


def code(answer: Outcome | Refused) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.code in CODES
    assert answer.message.endswith(".")
    assert ";" in answer.message, "a refusal names a remedy"
    return answer.code


def opened(**limits: int) -> SpaceState:
    return done(
        rules.open_space(SPACE, Settings("Sea talk"), "ann", "Ann", T0, limits=SpaceLimits(**limits))
    ).state


def joined(state: SpaceState, *users: str) -> SpaceState:
    for user in users:
        state = done(rules.join(state, user, user.title(), T0)).state
    return state


def on_stage(state: SpaceState, *users: str) -> SpaceState:
    state = joined(state, *users)
    for user in users:
        state = done(rules.ask(state, user, T0)).state
        state = done(rules.admit(state, "ann", user, T0)).state
    return state


def co_hosts(state: SpaceState, *users: str) -> SpaceState:
    state = on_stage(state, *users)
    for user in users:
        state = done(rules.promote(state, "ann", user, T0)).state
    return state


def asking(state: SpaceState, *users: str) -> SpaceState:
    state = joined(state, *users)
    for user in users:
        state = done(rules.ask(state, user, T0)).state
    return state


def invited(state: SpaceState, *users: str, now_us: int = T0) -> SpaceState:
    state = joined(state, *users)
    for user in users:
        state = done(rules.invite(state, "ann", user, now_us)).state
    return state


def names(people: Iterable[OnStage | Waiting]) -> list[str]:
    return [person.user for person in people]


def photograph(state: SpaceState) -> tuple[object, ...]:
    """All of it, copied: the roster is a value that shares its table with its other versions."""
    others = [item.name for item in fields(state) if item.name != "roster"]
    return (state.people(), *(repr(getattr(state, name)) for name in others))
