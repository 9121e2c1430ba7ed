"""Which rule decides which request within a Space, how often it may be made, and how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from signaling import rules
from signaling.links import SECRET_BYTES, Link, LinkError, digest_of, parse_link
from signaling.protocol import messages as wire
from signaling.rules import Changes, Outcome, Refused, SpaceState, talk
from signaling.rules.rates import RateKind
from signaling.server.facts import NOTHING_ASKED, Facts

__all__ = ["VERBS", "Turn", "Verb"]

_SECOND_US = 1_000_000
_US_MS = 1_000
_LISTEN, _SPEAK = 0, 1


@dataclass(frozen=True, slots=True)
class Turn:
    """A request whose turn has come, with everything that it is decided from.

    `now_us` is the Space's clock, `wall_us` counts from the epoch: what people write is dated by it.
    `secret` is made for this turn; `address` is where clients reach the server.
    """

    state: SpaceState
    user: str
    request: Any
    now_us: int
    wall_us: int
    facts: Facts = NOTHING_ASKED
    secret: bytes = b""
    address: str = ""


Decide: TypeAlias = Callable[[Turn], Outcome | Refused]


def _ok(turn: Turn, outcome: Outcome) -> wire.Reply:
    return wire.Ok(turn.request.id)


@dataclass(frozen=True, slots=True)
class Verb:
    """`counted`: the rate that holds for each person. `takes_seat`: answered when the mix has changed.
    `makes_secret`: the turn has a secret."""

    decide: Decide
    counted: RateKind | None = None
    answer: Callable[[Turn, Outcome], wire.Reply] = _ok
    takes_seat: bool = False
    makes_secret: bool = False


def _change(turn: Turn) -> Outcome | Refused:
    asked = turn.request
    changes = Changes(asked.title, asked.topics, asked.who_may_speak, asked.queue_order, asked.locked)
    return rules.change_settings(turn.state, turn.user, changes, turn.now_us)


def _share(turn: Turn) -> Outcome | Refused:
    form, lifetime_us = turn.request.form, turn.request.lifetime_s * _SECOND_US
    if form == _SPEAK:
        return rules.share_speaker(turn.state, turn.user, digest_of(turn.secret), lifetime_us, turn.now_us)
    if form != _LISTEN:
        return Refused(
            "bad_value", f"{form} is no form of a link; give {_LISTEN} to listen or {_SPEAK} to speak."
        )
    allowed = rules.may(turn.user, rules.Action.SHARE, turn.state)
    return allowed if isinstance(allowed, Refused) else Outcome(turn.state)


def _shared(turn: Turn, outcome: Outcome) -> wire.Reply:
    speaks = turn.request.form == _SPEAK
    link = Link(turn.address, turn.state.space, turn.secret if speaks else b"")
    made = outcome.state.links.get(digest_of(turn.secret)) if speaks else None
    left_ms = 0 if made is None else (made.expires_us - turn.now_us) // _US_MS
    return wire.Shared(turn.request.id, str(link), left_ms)


def _unshare(turn: Turn) -> Outcome | Refused:
    try:
        link = parse_link(turn.request.link)
    except LinkError as error:
        return Refused("bad_value", str(error))
    if link.space != turn.state.space or len(link.speak) != SECRET_BYTES:
        return Refused("bad_value", "This is no link to speak in this Space; give one that was made here.")
    return rules.unshare(turn.state, turn.user, digest_of(link.speak), turn.now_us)


def _post(turn: Turn) -> Outcome | Refused:
    asked = turn.request
    replied = not asked.reply_to or turn.facts.author_of(asked.reply_to) is not None
    return talk.post(turn.state, turn.user, asked.text, asked.reply_to, turn.wall_us, replied=replied)


def _posted(turn: Turn, outcome: Outcome) -> wire.Reply:
    [number] = [effect.post.post for effect in outcome.effects if isinstance(effect, rules.Posted)]
    return wire.Posted(turn.request.id, number)


def _delete_post(turn: Turn) -> Outcome | Refused:
    number = turn.request.post
    return talk.delete_post(turn.state, turn.user, number, turn.facts.author_of(number), turn.now_us)


def _report(turn: Turn) -> Outcome | Refused:
    asked = turn.request
    return talk.report(turn.state, turn.user, asked.user, asked.reason, asked.text, turn.wall_us)


# A request is decided by (state, user, …, now_us): what stands between is all that differs.
VERBS: Mapping[type[wire.Request], Verb] = {
    wire.Leave: Verb(lambda t: rules.leave(t.state, t.user, t.now_us)),
    wire.End: Verb(lambda t: rules.end(t.state, t.user, t.now_us)),
    # Stage
    wire.Ask: Verb(lambda t: rules.ask(t.state, t.user, t.now_us, t.facts.graph), RateKind.ASK),
    wire.Admit: Verb(lambda t: rules.admit(t.state, t.user, t.request.user, t.now_us)),
    wire.Decline: Verb(lambda t: rules.decline(t.state, t.user, t.request.user, t.now_us)),
    wire.Invite: Verb(lambda t: rules.invite(t.state, t.user, t.request.user, t.now_us), RateKind.INVITE),
    wire.Uninvite: Verb(lambda t: rules.uninvite(t.state, t.user, t.request.user, t.now_us)),
    wire.Accept: Verb(lambda t: rules.accept(t.state, t.user, t.now_us)),
    wire.Refuse: Verb(lambda t: rules.refuse(t.state, t.user, t.now_us)),
    wire.Move: Verb(lambda t: rules.move(t.state, t.user, t.request.user, t.now_us)),
    wire.Promote: Verb(lambda t: rules.promote(t.state, t.user, t.request.user, t.now_us)),
    wire.Demote: Verb(lambda t: rules.demote(t.state, t.user, t.request.user, t.now_us)),
    wire.HandOver: Verb(lambda t: rules.hand_over(t.state, t.user, t.request.user, t.now_us)),
    # Order
    wire.Mute: Verb(lambda t: rules.mute(t.state, t.user, t.request.user, t.now_us, t.request.hold)),
    wire.Unmute: Verb(lambda t: rules.unmute(t.state, t.user, t.request.user, t.now_us)),
    wire.MuteAll: Verb(lambda t: rules.mute_all(t.state, t.user, t.now_us, t.request.hold)),
    wire.Volume: Verb(
        lambda t: rules.set_volume(t.state, t.user, t.request.user, t.request.volume_pct, t.now_us)
    ),
    wire.Remove: Verb(
        lambda t: rules.remove(
            t.state, t.user, t.request.user, t.now_us, t.request.how, for_cause=not t.request.refund
        ),
        takes_seat=True,
    ),
    wire.Unban: Verb(lambda t: rules.unban(t.state, t.user, t.request.user, t.now_us)),
    wire.Change: Verb(_change),
    wire.Share: Verb(_share, RateKind.INVITE, _shared, makes_secret=True),
    wire.Unshare: Verb(_unshare),
    wire.Report: Verb(_report, RateKind.REPORT),
    # Talk
    wire.Post: Verb(_post, RateKind.POST, _posted),
    wire.DeletePost: Verb(_delete_post),
    wire.Note: Verb(lambda t: talk.note(t.state, t.user, t.request.text, t.wall_us), RateKind.NOTE),
    wire.React: Verb(lambda t: talk.react(t.state, t.user, t.request.reaction, t.now_us), RateKind.REACTION),
    wire.Pin: Verb(lambda t: talk.pin(t.state, t.user, t.request.text, t.wall_us)),
    wire.Unpin: Verb(lambda t: talk.unpin(t.state, t.user, t.request.pin, t.now_us)),
}
"""Requests that one rule decides. Join, Resume, Oversee and lists are carried out beside them."""
