"""Who may do what to whom: one table of role × action × state, and `may`, the only function that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from signaling.rules.roles import Action, Standing, State, Target

CODES = frozenset(
    {
        "already_asked",
        "already_in_space",
        "bad_value",
        "busy",
        "no_such_person",
        "no_such_space",
        "not_asked",
        "not_in_space",
        "not_permitted",
        "queue_full",
        "removed",
        "space_ended",
        "stage_full",
    }
)
"""Every code that a rule may answer with; each is the name of an error code of the protocol."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """The act may go ahead."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The act may not go ahead and nothing has changed.

    `code` is one of CODES; `message` says the value, the limit and the remedy, for a person to read;
    `retry_after_ms` > 0 where trying the same again later can help.
    """

    code: str
    message: str
    retry_after_ms: int = 0


ALLOWED = Allowed()


class SpaceView(Protocol):
    """What `may` has to know of a Space."""

    @property
    def state(self) -> State: ...

    def standing(self, user: str) -> Standing: ...


_NOBODY = frozenset({Target.NOBODY})
_SELF = frozenset({Target.SELF})
_INSIDE = (Standing.LISTENER, Standing.SPEAKER, Standing.HOST)
_ON_STAGE = (Standing.SPEAKER, Standing.HOST)

# One line a grant: in which state, who, what, to whom. What no line grants is refused, so that a new
# action, role or state starts out closed.
_GRANTS: tuple[tuple[State, tuple[Standing, ...], Action, frozenset[Target]], ...] = (
    (State.LIVE, (Standing.OUTSIDE,), Action.JOIN, _NOBODY),
    (State.LIVE, _INSIDE, Action.LEAVE, _NOBODY),
    (State.LIVE, _INSIDE, Action.PEOPLE, _NOBODY),
    (State.LIVE, _INSIDE, Action.HEAR, _NOBODY),
    (State.LIVE, _ON_STAGE, Action.SPEAK, _NOBODY),
    (State.LIVE, (Standing.LISTENER,), Action.ASK, _NOBODY),
    (State.LIVE, (Standing.LISTENER,), Action.DECLINE, _SELF),
    (State.LIVE, (Standing.HOST,), Action.ADMIT, frozenset({Target.LISTENER})),
    (State.LIVE, (Standing.HOST,), Action.DECLINE, frozenset({Target.LISTENER})),
    (State.LIVE, (Standing.SPEAKER,), Action.MUTE, _SELF),
    (State.LIVE, (Standing.HOST,), Action.MUTE, frozenset({Target.SELF, Target.SPEAKER})),
    (State.LIVE, _ON_STAGE, Action.UNMUTE, _SELF),
    (State.LIVE, (Standing.SPEAKER,), Action.MOVE, _SELF),
    (State.LIVE, (Standing.HOST,), Action.MOVE, frozenset({Target.SPEAKER})),
    (State.LIVE, (Standing.HOST,), Action.REMOVE, frozenset({Target.LISTENER, Target.SPEAKER})),
    (State.LIVE, (Standing.HOST,), Action.END, _NOBODY),
)


def _table() -> Mapping[tuple[State, Standing, Action], frozenset[Target]]:
    cells: dict[tuple[State, Standing, Action], frozenset[Target]] = {}
    for state, standings, action, targets in _GRANTS:
        for standing in standings:
            cells[state, standing, action] = cells.get((state, standing, action), frozenset()) | targets
    return MappingProxyType(cells)


TABLE = _table()
"""(state, standing of the actor, action) → the targets granted. A missing cell grants nothing."""

_NONE: frozenset[Target] = frozenset()


def may(actor: str, action: Action, space: SpaceView, target: str | None = None) -> Allowed | Refused:
    """Decide whether `actor` may do `action` in `space`, to `target` where the act has one.

    Asked at every act, not only at the door. It knows nothing of full stages or open asks: those are
    facts that a verb checks after being allowed.
    """
    standing = space.standing(actor)
    aim = _aim(actor, space, target)
    if aim in TABLE.get((space.state, standing, action), _NONE):
        return ALLOWED
    if space.state is not State.LIVE:
        return _refuse_ended(action)
    if standing in (Standing.OUTSIDE, Standing.BANNED):
        return _refuse_outside(standing, action)
    return _refuse_inside(standing, action, aim, target)


def _aim(actor: str, space: SpaceView, target: str | None) -> Target:
    if target is None:
        return Target.NOBODY
    if target == actor:
        return Target.SELF
    standing = space.standing(target)
    return Target.OUTSIDE if standing is Standing.BANNED else Target(standing.value)


def _refuse_ended(action: Action) -> Refused:
    if action is Action.JOIN:
        return Refused(
            "no_such_space", "No live Space has this id, it has ended; list the live ones and join another."
        )
    return Refused("space_ended", f"This Space has ended, so {action} has no effect; join another.")


def _refuse_outside(standing: Standing, action: Action) -> Refused:
    if action is Action.JOIN and standing is Standing.BANNED:
        return Refused(
            "removed", "The host removed you from this Space for as long as it lives; join another."
        )
    return Refused(
        "not_in_space", f"You are not in this Space and {action} is for people inside; join it first."
    )


def _refuse_inside(standing: Standing, action: Action, aim: Target, target: str | None) -> Refused:
    if action is Action.JOIN:
        return Refused(
            "already_in_space", "You are in this Space already, once is the limit; leave it first."
        )
    granted = TABLE.get((State.LIVE, standing, action), _NONE)
    others_granted = bool(granted - {Target.SELF, Target.NOBODY})
    if others_granted and aim is Target.OUTSIDE:
        return Refused(
            "no_such_person", f"{target!r} is not in this Space; ask for its people and name one of them."
        )
    if others_granted and action in (Action.ADMIT, Action.DECLINE):
        return Refused(
            "not_asked", f"{target!r} is on stage and has no open ask; admit or decline one who asks."
        )
    holders = [who for who in Standing if aim in TABLE.get((State.LIVE, who, action), _NONE)]
    whom = "" if aim is Target.NOBODY else f" {_AIMS[aim]}"
    holder = f"for {' or '.join(holders)} only" if holders else "for nobody"
    return Refused(
        "not_permitted", f"To {action}{whom} is {holder}, and you are {standing}; {_REMEDY[action]}."
    )


_AIMS: Mapping[Target, str] = {
    Target.SELF: "yourself",
    Target.OUTSIDE: "someone who is not inside",
    Target.LISTENER: "a listener",
    Target.SPEAKER: "a speaker",
    Target.HOST: "the host",
}

_REMEDY: Mapping[Action, str] = {
    Action.JOIN: "leave first",
    Action.LEAVE: "name nobody with it",
    Action.PEOPLE: "name nobody with it",
    Action.HEAR: "join first",
    Action.SPEAK: "ask to speak and wait to be admitted",
    Action.ASK: "whoever is on stage can speak already",
    Action.ADMIT: "ask to speak and wait for the host",
    Action.DECLINE: "leave it to the host, or withdraw your own ask",
    Action.MUTE: "ask the host to mute others; only people on stage have a voice to mute",
    Action.UNMUTE: "only people on stage can unmute, and each only themselves",
    Action.MOVE: "a speaker may step down alone, the host may move speakers or end the Space",
    Action.REMOVE: "report it to the host; a host who wants to go leaves or ends the Space",
    Action.END: "leave instead",
}
