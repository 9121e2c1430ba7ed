"""Who may do what to whom: `may`, the only function that reads the table of `rules/grants.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from signaling.rules.grants import TABLE
from signaling.rules.roles import Action, Standing, State, Target

CODES = frozenset(
    {
        "account_too_young",
        "already_asked",
        "already_in_space",
        "already_on_stage",
        "bad_price",
        "bad_time",
        "bad_value",
        "busy",
        "card_declined",
        "handle_taken",
        "has_ticket",
        "held_muted",
        "hold_lapsed",
        "hold_open",
        "hold_too_soon",
        "invite_lapsed",
        "no_such_hold",
        "no_such_person",
        "no_such_pin",
        "no_such_post",
        "no_such_space",
        "no_such_ticket",
        "not_asked",
        "not_eligible_to_sell",
        "not_for_sale",
        "not_in_space",
        "not_invited",
        "not_listed",
        "not_permitted",
        "not_planned",
        "payment_unknown",
        "payout_account_missing",
        "payout_too_small",
        "queue_full",
        "refund_too_large",
        "removed",
        "resume_lapsed",
        "sale_closed",
        "sold_out",
        "space_ended",
        "space_locked",
        "stage_full",
        "ticket_required",
        "too_few_followers",
        "too_many_cohosts",
        "too_many_pins",
        "too_many_planned",
        "too_often",
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
    def space(self) -> bytes: ...

    @property
    def state(self) -> State: ...

    def standing(self, user: str) -> Standing:
        """How `user` stands to the Space as one who acts."""
        ...

    def aimed_at(self, user: str) -> Target:
        """What `user` is as one at whom somebody else's act is aimed."""
        ...


_NONE: frozenset[Target] = frozenset()
_DOORS = (Action.JOIN, Action.RESUME, Action.PEEK)
_PLANS = (Action.START, Action.RESCHEDULE, Action.CANCEL, Action.REMIND)
_ASKS = (Action.ADMIT, Action.DECLINE)
_UP = (Action.INVITE, Action.UNINVITE)


def may(actor: str, action: Action, space: SpaceView, target: str | None = None) -> Allowed | Refused:
    """Decide whether `actor` may do `action` in `space`, to `target` where the act has one.

    Asked at every act, not only at the door. It knows nothing of full stages or open asks: those are
    facts that a verb checks after being allowed.
    """
    standing = space.standing(actor)
    aim = _aim(actor, space, target)
    if aim in TABLE.get((space.state, standing, action), _NONE):
        return ALLOWED
    if action in _DOORS and (standing is Standing.BANNED or space.state is not State.LIVE):
        return _refuse_at_the_door(space, standing)
    if space.state is not State.LIVE or action in _PLANS:
        return _refuse_not_live(space, standing, action)
    if standing in (Standing.OUTSIDE, Standing.BANNED):
        return Refused(
            "not_in_space",
            f"You are not in this Space and {_word(action)} is for people inside; join it first.",
        )
    return _refuse_inside(standing, action, aim, target)


def no_such_space(space: bytes) -> Refused:
    """The one answer at every door to an id that does not exist, to one that is not live, and to the blocked.

    It is the same for all of them, so that a block cannot be told from an id that never was.
    """
    return Refused(
        "no_such_space", f"No live Space has the id {space.hex()}; list the live ones and join one."
    )


def _aim(actor: str, space: SpaceView, target: str | None) -> Target:
    if target is None:
        return Target.NOBODY
    return Target.SELF if target == actor else space.aimed_at(target)


def _word(word: str) -> str:
    return word.replace("_", " ")


def _refuse_at_the_door(space: SpaceView, standing: Standing) -> Refused:
    if standing is Standing.BANNED:
        return Refused(
            "removed", "The host removed you from this Space for as long as it lives; join another."
        )
    return no_such_space(space.space)


def _refuse_not_live(space: SpaceView, standing: Standing, action: Action) -> Refused:
    """The act is for live Spaces and this one is not, or it is for scheduled ones."""
    if action in _PLANS and space.state is not State.SCHEDULED:
        return Refused(
            "not_planned",
            f"This Space is {_word(space.state)} and only a scheduled one takes {action}; name one.",
        )
    if action in _PLANS:
        holder = "people other than its host" if action is Action.REMIND else "its host"
        return Refused(
            "not_permitted", f"To {action} is for {holder} only, and you are {standing}; ask for a reminder."
        )
    if space.state is State.SCHEDULED:
        return Refused(
            "not_permitted",
            f"This Space is scheduled and {_word(action)} is for live ones; wait until it starts.",
        )
    return Refused("space_ended", f"This Space has ended, so {_word(action)} has no effect; join another.")


def _refuse_inside(standing: Standing, action: Action, aim: Target, target: str | None) -> Refused:
    if action is Action.JOIN and standing is not Standing.SERVICE:
        return Refused(
            "already_in_space", "You are in this Space already, once is the limit; leave it first."
        )
    granted = TABLE.get((State.LIVE, standing, action), _NONE)
    if granted - {Target.SELF, Target.NOBODY}:
        refused = _refuse_target(action, aim, target)
        if refused is not None:
            return refused
    holders = [who for who in Standing if aim in TABLE.get((State.LIVE, who, action), _NONE)]
    whom = "" if aim is Target.NOBODY else f" {_AIMS[aim]}"
    holder = f"for {' or '.join(holders)} only" if holders else "for nobody"
    return Refused(
        "not_permitted", f"To {_word(action)}{whom} is {holder}, and you are {standing}; {_REMEDY[action]}."
    )


def _refuse_target(action: Action, aim: Target, target: str | None) -> Refused | None:
    """The act could be done to somebody, but not to this one."""
    if action is Action.UNBAN and aim not in (Target.SELF, Target.NOBODY):
        return Refused(
            "no_such_person", f"{target!r} is not banned here; ask for the bans and name one of them."
        )
    if aim in (Target.OUTSIDE, Target.BANNED):
        return Refused(
            "no_such_person", f"{target!r} is not in this Space; ask for its people and name one of them."
        )
    if aim in (Target.SPEAKER, Target.CO_HOST, Target.HOST):
        if action in _ASKS:
            return Refused(
                "not_asked", f"{target!r} is on stage and has no open ask; admit or decline one who asks."
            )
        if action in _UP:
            return Refused("already_on_stage", f"{target!r} is on stage already; invite one who listens.")
    return None


_AIMS: Mapping[Target, str] = {
    Target.SELF: "yourself",
    Target.OUTSIDE: "someone who is not inside",
    Target.BANNED: "someone who is banned",
    Target.LISTENER: "a listener",
    Target.SPEAKER: "a speaker",
    Target.CO_HOST: "a co-host",
    Target.HOST: "the host",
}

_VOICE = "ask a host to see to the voices of others; only people on stage have one"
_KEEP_ORDER = "report it to the hosts; a host who wants to go leaves, hands over or ends the Space"

_REMEDY: Mapping[Action, str] = {
    Action.PEEK: "name nobody with it",
    Action.JOIN: "watch over it without being inside",
    Action.RESUME: "name nobody with it, and only people come back",
    Action.LEAVE: "name nobody with it, and only people inside leave",
    Action.PEOPLE: "name nobody with it",
    Action.HEAR: "join first",
    Action.SPEAK: "ask to speak and wait to be admitted",
    Action.ASK: "whoever is on stage can speak already",
    Action.ADMIT: "ask to speak and wait for a host",
    Action.DECLINE: "leave it to the hosts, or withdraw your own ask",
    Action.INVITE: "ask a host to invite them",
    Action.UNINVITE: "leave it to the hosts",
    Action.ACCEPT: "only listeners are invited",
    Action.REFUSE: "only listeners are invited",
    Action.PROMOTE: "let the host name somebody on stage",
    Action.DEMOTE: "a co-host may step down alone, the host may step co-hosts down",
    Action.HAND_OVER: "let the host name somebody on stage",
    Action.MUTE: _VOICE,
    Action.HOLD: _VOICE,
    Action.UNMUTE: "only people on stage can unmute, and each only themselves",
    Action.RELEASE: _VOICE,
    Action.MUTE_ALL: _VOICE,
    Action.VOLUME: _VOICE,
    Action.MOVE: "a speaker may step down alone, the hosts may move speakers, the host hands over or ends it",
    Action.REMOVE: _KEEP_ORDER,
    Action.BAN: _KEEP_ORDER,
    Action.UNBAN: "ask a host to lift the ban",
    Action.BANS: "ask a host",
    Action.CHANGE: "ask a host to change it",
    Action.SHARE: "join first",
    Action.SHARE_SPEAKER: "share the link to listen, or ask a host",
    Action.UNSHARE: "leave it to the hosts",
    Action.POST: "only people inside post, and name nobody with it",
    Action.DELETE_POST: "delete a post of your own, or report it to the hosts",
    Action.NOTE: "hosts tell each other in a post, and read the notes",
    Action.NOTES: "notes are for the hosts' eyes",
    Action.REACT: "only people inside react, and name nobody with it",
    Action.PIN: "ask a host to pin it",
    Action.UNPIN: "leave it to the hosts",
    Action.REPORT: "name somebody else",
    Action.AUDIT: "ask a host",
    Action.END: "leave instead",
    Action.START: "name a scheduled Space",
    Action.RESCHEDULE: "name a scheduled Space",
    Action.CANCEL: "name a scheduled Space",
    Action.REMIND: "name a scheduled Space",
}
