"""Walks the whole table of role × action × state × target against a hand-written copy; default deny."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest

from signaling.rules import CODES, TABLE, Action, Allowed, Refused, Standing, State, Target, may

# Columns: the standing of the one who acts in a live Space. Cells: the targets allowed, else the code of
# the refusal for every other target (see _expected_code for codes that depend on the target).
#   n nobody, y yourself, l a listener, s a speaker, h the host, o someone outside
WRITTEN = """
action   outside  banned  listener  speaker  host
join     n        -       -         -        -
leave    -        -       n         n        n
people   -        -       n         n        n
hear     -        -       n         n        n
speak    -        -       -         n        n
ask      -        -       n         -        -
admit    -        -       -         -        l
decline  -        -       y         -        l
mute     -        -       -         y        ys
unmute   -        -       -         y        y
move     -        -       -         y        s
remove   -        -       -         -        ls
end      -        -       -         -        n
"""
LETTERS = {
    "n": Target.NOBODY,
    "y": Target.SELF,
    "l": Target.LISTENER,
    "s": Target.SPEAKER,
    "h": Target.HOST,
    "o": Target.OUTSIDE,
}


def _oracle() -> dict[tuple[Standing, Action], frozenset[Target]]:
    header, *rows = [line.split() for line in WRITTEN.strip().splitlines()]
    return {
        (Standing(standing), Action(row[0])): frozenset(LETTERS[letter] for letter in cell if letter != "-")
        for row in rows
        for standing, cell in zip(header[1:], row[1:], strict=True)
    }


ORACLE = _oracle()


@dataclass
class View:
    """The least that `may` has to see of a Space."""

    state: State
    standings: dict[str, Standing] = field(default_factory=dict)

    def standing(self, user: str) -> Standing:
        return self.standings.get(user, Standing.OUTSIDE)


def _case(state: State, standing: Standing, target: Target) -> tuple[View, str | None]:
    view = View(state, {"actor": standing})
    if target is Target.NOBODY:
        return view, None
    if target is Target.SELF:
        return view, "actor"
    if target is not Target.OUTSIDE:
        view.standings["other"] = Standing(target.value)
    return view, "other"


NAMES_SOMEONE = (Action.ADMIT, Action.DECLINE, Action.MUTE, Action.MOVE, Action.REMOVE)


def _expected_code(state: State, standing: Standing, action: Action, target: Target) -> str:
    if state is State.ENDED:
        return "no_such_space" if action is Action.JOIN else "space_ended"
    if standing in (Standing.OUTSIDE, Standing.BANNED):
        banned_at_the_door = standing is Standing.BANNED and action is Action.JOIN
        return "removed" if banned_at_the_door else "not_in_space"
    if action is Action.JOIN:
        return "already_in_space"
    if standing is Standing.HOST and action in NAMES_SOMEONE:
        if target is Target.OUTSIDE:
            return "no_such_person"
        if action in (Action.ADMIT, Action.DECLINE):
            return "not_asked"
    return "not_permitted"


def test_the_written_table_has_every_cell() -> None:
    assert set(ORACLE) == set(product(Standing, Action))


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("action", Action)
def test_every_cell(state: State, standing: Standing, action: Action) -> None:
    granted = ORACLE[standing, action] if state is State.LIVE else frozenset()
    assert TABLE.get((state, standing, action), frozenset()) == granted
    for target in Target:
        view, user = _case(state, standing, target)
        answer = may("actor", action, view, user)
        if target in granted:
            assert isinstance(answer, Allowed), (target, answer)
        else:
            assert isinstance(answer, Refused), target
            assert answer.code == _expected_code(state, standing, action, target), (target, answer)
            assert answer.code in CODES
            assert ";" in answer.message, "a refusal names a remedy"
            assert answer.message.endswith(".")


def test_someone_banned_is_no_target() -> None:
    view = View(State.LIVE, {"actor": Standing.HOST, "other": Standing.BANNED})
    for action in (Action.ADMIT, Action.DECLINE, Action.MUTE, Action.MOVE, Action.REMOVE):
        answer = may("actor", action, view, "other")
        assert isinstance(answer, Refused)
        assert answer.code == "no_such_person"


def test_a_new_word_starts_out_denied() -> None:
    """Grants are listed; what is not listed, also words that do not exist yet, has no cell."""
    assert len(TABLE) == sum(1 for targets in ORACLE.values() if targets)
    assert all(targets for targets in TABLE.values())
    with pytest.raises(TypeError):
        TABLE[State.ENDED, Standing.HOST, Action.END] = frozenset(Target)  # type: ignore[index]


def test_refusals_say_who_could() -> None:
    view = View(State.LIVE, {"actor": Standing.LISTENER})
    answer = may("actor", Action.END, view)
    assert isinstance(answer, Refused)
    assert answer.message == "To end is for host only, and you are listener; leave instead."
