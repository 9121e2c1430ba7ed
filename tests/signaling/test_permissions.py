"""Walks the whole table of role × action × state × target against a hand-written copy; default deny."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest

from signaling.rules import CODES, TABLE, Action, Allowed, Refused, Standing, State, Target, may

# Columns: the standing of the one who acts. Cells: the targets allowed; _expected_code says how others are
# refused.
#   n nobody, y yourself, l a listener, s a speaker, c a co-host, h the host, o someone outside, b one banned
LIVE = """
action         outside  banned  listener  speaker  co-host  host    service
peek           n        -       n         n        n        n       n
join           n        -       -         -        -        -       -
resume         n        -       n         n        n        n       -
leave          -        -       n         n        n        n       -
people         -        -       n         n        n        n       n
hear           -        -       n         n        n        n       -
speak          -        -       -         n        n        n       -
ask            -        -       n         -        -        -       -
admit          -        -       -         -        l        l       l
decline        -        -       y         -        l        l       l
invite         -        -       -         -        l        l       l
uninvite       -        -       -         -        l        l       l
accept         -        -       n         -        -        -       -
refuse         -        -       n         -        -        -       -
promote        -        -       -         -        -        s       -
demote         -        -       -         -        y        c       -
hand_over      -        -       -         -        -        sc      -
mute           -        -       -         y        ys       ysc     sch
hold           -        -       -         -        s        sc      sch
unmute         -        -       -         y        y        y       -
release        -        -       -         -        s        sc      sch
mute_all       -        -       -         -        n        n       n
volume         -        -       -         -        s        sc      -
move           -        -       -         y        ys       sc      sc
remove         -        -       -         -        ls       lsc     lsc
ban            -        -       -         -        ls       lsc     lsc
unban          -        -       -         -        b        b       b
bans           -        -       -         -        n        n       n
change         -        -       -         -        n        n       n
share          -        -       n         n        n        n       n
share_speaker  -        -       -         -        n        n       n
unshare        -        -       -         -        n        n       n
post           -        -       n         n        n        n       -
delete_post    -        -       y         y        ylsob    ylscob  lschob
note           -        -       n         n        -        -       -
notes          -        -       -         -        n        n       -
react          -        -       n         n        n        n       -
pin            -        -       -         -        n        n       -
unpin          -        -       -         -        n        n       -
report         -        -       lschob    lschob   lschob   lschob  -
audit          -        -       -         -        n        n       n
end            -        -       -         -        -        n       n
start          -        -       -         -        -        -       -
reschedule     -        -       -         -        -        -       -
cancel         -        -       -         -        -        -       -
remind         -        -       -         -        -        -       -
"""
SCHEDULED = """
action         outside  banned  listener  speaker  co-host  host    service
peek           n        -       -         -        -        n       -
share          n        -       -         -        -        n       -
start          -        -       -         -        -        n       -
reschedule     -        -       -         -        -        n       -
cancel         -        -       -         -        -        n       -
remind         n        -       -         -        -        -       -
"""
OVER = """
action         outside  banned  listener  speaker  co-host  host    service
peek           n        -       -         -        -        -       n
"""
WRITTEN = {
    State.SCHEDULED: SCHEDULED,
    State.LIVE: LIVE,
    State.ENDED: OVER,
    State.CANCELLED: OVER,
    State.TIMED_OUT: OVER,
}
LETTERS = {
    "n": Target.NOBODY,
    "y": Target.SELF,
    "l": Target.LISTENER,
    "s": Target.SPEAKER,
    "c": Target.CO_HOST,
    "h": Target.HOST,
    "o": Target.OUTSIDE,
    "b": Target.BANNED,
}
Cell = tuple[State, Standing, Action]


def _oracle() -> dict[Cell, frozenset[Target]]:
    cells: dict[Cell, frozenset[Target]] = dict.fromkeys(product(State, Standing, Action), frozenset())
    for state, text in WRITTEN.items():
        header, *rows = [line.split() for line in text.strip().splitlines()]
        assert [Standing(name) for name in header[1:]] == list(Standing)
        for row in rows:
            for standing, cell in zip(header[1:], row[1:], strict=True):
                targets = frozenset(LETTERS[letter] for letter in cell if letter != "-")
                cells[state, Standing(standing), Action(row[0])] = targets
    return cells


ORACLE = _oracle()
DOORS = (Action.JOIN, Action.RESUME, Action.PEEK)
PLANS = (Action.START, Action.RESCHEDULE, Action.CANCEL, Action.REMIND)
ON_STAGE = (Target.SPEAKER, Target.CO_HOST, Target.HOST)
INSTEAD = {
    Action.ADMIT: "not_asked",
    Action.DECLINE: "not_asked",
    Action.INVITE: "already_on_stage",
    Action.UNINVITE: "already_on_stage",
}


@dataclass
class View:
    """The least that `may` has to see of a Space."""

    state: State
    standings: dict[str, Standing] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    space: bytes = bytes(16)

    def standing(self, user: str) -> Standing:
        return self.standings.get(user, Standing.OUTSIDE)

    def aimed_at(self, user: str) -> Target:
        return self.targets.get(user, Target.OUTSIDE)


def _case(state: State, standing: Standing, target: Target) -> tuple[View, str | None]:
    view = View(state, {"actor": standing})
    if target is Target.NOBODY:
        return view, None
    if target is Target.SELF:
        return view, "actor"
    view.targets["other"] = target
    return view, "other"


def _expected_code(state: State, standing: Standing, action: Action, target: Target) -> str:
    if action in DOORS and standing is Standing.BANNED:
        return "removed"
    if state is not State.LIVE:
        return _expected_code_not_live(state, action)
    if action in PLANS:
        return "not_planned"
    if standing in (Standing.OUTSIDE, Standing.BANNED):
        return "not_in_space"
    return _expected_code_inside(standing, action, target)


def _expected_code_inside(standing: Standing, action: Action, target: Target) -> str:
    if action is Action.JOIN and standing is not Standing.SERVICE:
        return "already_in_space"
    if not ORACLE[State.LIVE, standing, action] - {Target.NOBODY, Target.SELF}:
        return "not_permitted"  # to nobody else
    if target not in (Target.NOBODY, Target.SELF) and action is Action.UNBAN:
        return "no_such_person"
    if target in (Target.OUTSIDE, Target.BANNED):
        return "no_such_person"
    if target in ON_STAGE and action in INSTEAD:
        return INSTEAD[action]
    return "not_permitted"


def _expected_code_not_live(state: State, action: Action) -> str:
    if action in DOORS:
        return "no_such_space"
    if state is State.SCHEDULED:
        return "not_permitted"
    return "not_planned" if action in PLANS else "space_ended"


def test_the_written_table_has_every_action_of_a_live_space() -> None:
    rows = [line.split()[0] for line in LIVE.strip().splitlines()[1:]]
    assert sorted(rows) == sorted(Action)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("standing", Standing)
@pytest.mark.parametrize("action", Action)
def test_every_cell(state: State, standing: Standing, action: Action) -> None:
    granted = ORACLE[state, standing, action]
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
            assert "_" not in answer.message, "a sentence is for people"


def test_a_co_host_may_what_the_host_may_but_to_no_host_and_not_what_is_the_hosts_own() -> None:
    own = {Action.END, Action.PROMOTE, Action.HAND_OVER}
    for action in set(Action) - {Action.REPORT}:  # a report tells whoever runs the server, and touches nobody
        host = TABLE.get((State.LIVE, Standing.HOST, action), frozenset())
        co_host = TABLE.get((State.LIVE, Standing.CO_HOST, action), frozenset())
        below = host - {Target.CO_HOST, Target.SELF}
        assert co_host - {Target.SELF} == (frozenset() if action in own else below), action


def test_what_grants_nothing_has_no_cell() -> None:
    """Grants are listed; what is not listed, also words that do not exist yet, is refused."""
    assert len(TABLE) == sum(1 for targets in ORACLE.values() if targets)
    assert all(targets for targets in TABLE.values())
    with pytest.raises(TypeError):
        TABLE[State.ENDED, Standing.HOST, Action.END] = frozenset(Target)  # type: ignore[index]


def test_refusals_say_who_could() -> None:
    view = View(State.LIVE, {"actor": Standing.LISTENER})
    answer = may("actor", Action.END, view)
    assert isinstance(answer, Refused)
    assert answer.message == "To end is for host or service only, and you are listener; leave instead."


def test_the_unknown_the_ended_and_the_unborn_are_answered_alike_at_every_door() -> None:
    answers = {
        may("actor", action, View(state, {"actor": Standing.OUTSIDE}))
        for action in (Action.JOIN, Action.RESUME)
        for state in State
        if state is not State.LIVE
    }
    assert len(answers) == 1
