"""The table of who may do what to whom: state of the Space × standing of the actor × action → targets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from signaling.rules.roles import Action, Standing, State, Target

_NOBODY = frozenset({Target.NOBODY})
_SELF = frozenset({Target.SELF})
_GONE = frozenset({Target.OUTSIDE, Target.BANNED})
_LISTENER = frozenset({Target.LISTENER})
_SPEAKER = frozenset({Target.SPEAKER})
_CO_HOST = frozenset({Target.CO_HOST})
_HOST = frozenset({Target.HOST})
_BELOW = _LISTENER | _SPEAKER
_UP_TO_CO_HOST = _BELOW | _CO_HOST
_ANYBODY_ELSE = _UP_TO_CO_HOST | _HOST | _GONE

_OUT = (Standing.OUTSIDE,)
_LISTENERS = (Standing.LISTENER,)
_SPEAKERS = (Standing.SPEAKER,)
_CO = (Standing.CO_HOST,)
_TOP = (Standing.HOST,)
_SERVICE = (Standing.SERVICE,)
_HOSTS = _CO + _TOP
_ON_STAGE = _SPEAKERS + _HOSTS
_INSIDE = _LISTENERS + _ON_STAGE
_OVER_IT = _HOSTS + _SERVICE

_Grant = tuple[tuple[Standing, ...], Action, frozenset[Target]]

# One line a grant: who, what, to whom. What no line grants is refused, so that a new action, role or state
# starts out closed.
_LIVE: tuple[_Grant, ...] = (
    # Doors
    (_OUT + _INSIDE + _SERVICE, Action.PEEK, _NOBODY),
    (_OUT, Action.JOIN, _NOBODY),
    (_OUT + _INSIDE, Action.RESUME, _NOBODY),
    (_INSIDE, Action.LEAVE, _NOBODY),
    (_INSIDE + _SERVICE, Action.PEOPLE, _NOBODY),
    (_INSIDE, Action.HEAR, _NOBODY),
    (_INSIDE + _SERVICE, Action.SHARE, _NOBODY),
    (_OVER_IT, Action.SHARE_SPEAKER, _NOBODY),
    (_OVER_IT, Action.UNSHARE, _NOBODY),
    # The way up and down
    (_ON_STAGE, Action.SPEAK, _NOBODY),
    (_LISTENERS, Action.ASK, _NOBODY),
    (_OVER_IT, Action.ADMIT, _LISTENER),
    (_LISTENERS, Action.DECLINE, _SELF),
    (_OVER_IT, Action.DECLINE, _LISTENER),
    (_OVER_IT, Action.INVITE, _LISTENER),
    (_OVER_IT, Action.UNINVITE, _LISTENER),
    (_LISTENERS, Action.ACCEPT, _NOBODY),
    (_LISTENERS, Action.REFUSE, _NOBODY),
    (_SPEAKERS + _CO, Action.MOVE, _SELF),
    (_CO, Action.MOVE, _SPEAKER),
    (_TOP + _SERVICE, Action.MOVE, _SPEAKER | _CO_HOST),
    # Who hosts
    (_TOP, Action.PROMOTE, _SPEAKER),
    (_TOP, Action.DEMOTE, _CO_HOST),
    (_CO, Action.DEMOTE, _SELF),
    (_TOP, Action.HAND_OVER, _SPEAKER | _CO_HOST),
    (_TOP + _SERVICE, Action.END, _NOBODY),
    # Voices
    (_ON_STAGE, Action.MUTE, _SELF),
    (_ON_STAGE, Action.UNMUTE, _SELF),
    *((_CO, action, _SPEAKER) for action in (Action.MUTE, Action.HOLD, Action.RELEASE, Action.VOLUME)),
    *(
        (_TOP, action, _SPEAKER | _CO_HOST)
        for action in (Action.MUTE, Action.HOLD, Action.RELEASE, Action.VOLUME)
    ),
    *(
        (_SERVICE, action, _SPEAKER | _CO_HOST | _HOST)
        for action in (Action.MUTE, Action.HOLD, Action.RELEASE)
    ),
    (_OVER_IT, Action.MUTE_ALL, _NOBODY),
    # Order
    *((_CO, action, _BELOW) for action in (Action.REMOVE, Action.BAN)),
    *((_TOP + _SERVICE, action, _UP_TO_CO_HOST) for action in (Action.REMOVE, Action.BAN)),
    (_OVER_IT, Action.UNBAN, frozenset({Target.BANNED})),
    (_OVER_IT, Action.BANS, _NOBODY),
    (_OVER_IT, Action.CHANGE, _NOBODY),
    (_OVER_IT, Action.AUDIT, _NOBODY),
    (_INSIDE, Action.REPORT, _ANYBODY_ELSE),
    # Talk
    (_INSIDE, Action.POST, _NOBODY),
    (_INSIDE, Action.DELETE_POST, _SELF),
    (_CO, Action.DELETE_POST, _BELOW | _GONE),
    (_TOP, Action.DELETE_POST, _UP_TO_CO_HOST | _GONE),
    (_SERVICE, Action.DELETE_POST, _ANYBODY_ELSE),
    (_INSIDE, Action.REACT, _NOBODY),
    (_LISTENERS + _SPEAKERS, Action.NOTE, _NOBODY),
    (_HOSTS, Action.NOTES, _NOBODY),
    (_HOSTS, Action.PIN, _NOBODY),
    (_HOSTS, Action.UNPIN, _NOBODY),
)

_PLANNED: tuple[_Grant, ...] = (
    (_OUT + _TOP, Action.PEEK, _NOBODY),
    (_OUT + _TOP, Action.SHARE, _NOBODY),
    (_OUT, Action.REMIND, _NOBODY),
    (_TOP, Action.START, _NOBODY),
    (_TOP, Action.RESCHEDULE, _NOBODY),
    (_TOP, Action.CANCEL, _NOBODY),
)

_OVER: tuple[_Grant, ...] = ((_OUT + _SERVICE, Action.PEEK, _NOBODY),)

_GRANTS: Mapping[State, tuple[_Grant, ...]] = {
    State.SCHEDULED: _PLANNED,
    State.LIVE: _LIVE,
    State.ENDED: _OVER,
    State.CANCELLED: _OVER,
    State.TIMED_OUT: _OVER,
}


def _table() -> Mapping[tuple[State, Standing, Action], frozenset[Target]]:
    cells: dict[tuple[State, Standing, Action], frozenset[Target]] = {}
    for state, grants in _GRANTS.items():
        for standings, action, targets in grants:
            for standing in standings:
                cells[state, standing, action] = cells.get((state, standing, action), frozenset()) | targets
    return MappingProxyType(cells)


TABLE = _table()
"""(state, standing of the actor, action) → the targets granted. A missing cell grants nothing."""
