"""Arrivals: how somebody comes into a Space, comes back to it, or watches over it as a service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from signaling import rules
from signaling.links import digest_of
from signaling.protocol import messages as wire
from signaling.rules import Outcome, Refused
from signaling.server.admission import turned_away
from signaling.server.answers import refuse
from signaling.server.facts import Facts
from signaling.server.place import Place
from signaling.server.session import Member, Session

if TYPE_CHECKING:
    from signaling.server.actor import SpaceActor

__all__ = ["ARRIVALS"]


async def _join(
    actor: SpaceActor, session: Session, member: Member, request: wire.Join, facts: Facts
) -> None:
    """Enter, or take a fresh snapshot where one is inside already."""
    before = actor.hall.session_of(member.user)
    outcome = _entering(actor, session, member, request, facts)
    if _needs_ticket(actor, session, request, facts, outcome):
        return
    if await _refused(actor, session, member.user, outcome):
        return
    if before is not session:
        actor.counts.joins += 1
    session.reply(actor.snapshot(request.id, member.user))
    _tell_what_no_snapshot_says(actor, session, member.user)


def _entering(
    actor: SpaceActor, session: Session, member: Member, request: wire.Join, facts: Facts
) -> Outcome | Refused:
    state, now_us, user = actor.state, actor.now_us(), member.user
    if member.is_service:
        return _for_people("join")
    digest = digest_of(request.invite) if request.invite else b""
    before = actor.hall.session_of(user)
    if before is None:
        return rules.join(state, user, member.name, now_us, facts.graph, invite_digest=digest)
    returned = Outcome(state) if before is session else rules.resume(state, user, now_us, facts.graph)
    # Who is on stage has what the link gives.
    if isinstance(returned, Refused) or not digest or user in state.on_stage:
        return returned
    invited = rules.redeem(returned.state, user, digest, now_us)
    if isinstance(invited, Refused):
        return invited
    return Outcome(invited.state, returned.effects + invited.effects)


async def _resume(
    actor: SpaceActor, session: Session, member: Member, request: wire.Resume, facts: Facts
) -> None:
    """Come back as what one was. **Whether one still may is asked of the store at this moment.**"""
    user, outcome = member.user, _returning(actor, session, member, facts)
    if _needs_ticket(actor, session, request, facts, outcome):
        return
    if await _refused(actor, session, user, outcome):
        return
    missed = actor.hall.herald.since(request.serial)
    if missed is None:
        actor.counts.resumed_afresh += 1
        session.reply(actor.snapshot(request.id, user))
    else:
        actor.counts.resumed += 1
        state = actor.state
        role, seat, muted = int(state.role_of(user) or 0), state.seat_of(user), state.muted(user)
        session.reply(wire.Resumed(request.id, state.space, request.serial, role, seat, muted))
        session.send_bytes(b"".join(missed))
        # Of oneself the latest is told last: what was missed may say otherwise.
        session.send(wire.You(actor.hall.herald.serial, role, seat, muted))
    _tell_what_no_snapshot_says(actor, session, user)


def _returning(actor: SpaceActor, session: Session, member: Member, facts: Facts) -> Outcome | Refused:
    if member.is_service:
        return _for_people("resume")
    if facts.is_banned(member.user):
        return Refused("removed", "A host removed you from this Space for as long as it lives; join another.")
    if actor.hall.session_of(member.user) is session:
        return Outcome(actor.state)
    return rules.resume(actor.state, member.user, actor.now_us(), facts.graph)


async def _oversee(
    actor: SpaceActor, session: Session, member: Member, request: wire.Oversee, facts: Facts
) -> None:
    """A service acts on the Space from here on. It watches over one at a time over one connection."""
    if not member.is_service:
        refuse(
            session,
            Refused("not_permitted", "To oversee is for services only, and you are a person; join instead."),
        )
        return
    outcome = rules.oversee(actor.state, member.user, actor.now_us())
    refused = outcome if isinstance(outcome, Refused) else await actor.perform(outcome)
    if refused is not None:
        refuse(session, refused)
        return
    if session.is_closed or actor.is_over:
        return
    if session.place is not None and session.place.actor is not actor:
        session.place.actor.hall.dismiss(session)
    actor.hall.oversee(session, Place(actor, actor.hall.room))
    session.reply(actor.snapshot(request.id, member.user))


def _needs_ticket(
    actor: SpaceActor,
    session: Session,
    request: wire.Join | wire.Resume,
    facts: Facts,
    outcome: Outcome | Refused,
) -> bool:
    """Whether they were told that it takes a ticket."""
    if session.member is None or session.member.is_service:
        return False
    user, entry = session.member.user, facts.entry_of(session.member.user)
    away = turned_away(request.id, actor.state, user, entry, actor.guests, outcome=outcome)
    if away is not None:
        session.reply(away)
    return away is not None


async def _refused(actor: SpaceActor, session: Session, user: str, outcome: Outcome | Refused) -> bool:
    """Make it so, or answer why not; returns whether it was refused."""
    refused = outcome if isinstance(outcome, Refused) else await actor.perform(outcome, session, user)
    if refused is not None:
        refuse(session, refused)
    return refused is not None


def _tell_what_no_snapshot_says(actor: SpaceActor, session: Session, user: str) -> None:
    hall, state = actor.hall, actor.state
    invited = hall.invited(user, state, actor.now_us())
    if invited is not None:
        session.send(invited)


def _for_people(act: str) -> Refused:
    return Refused("not_permitted", f"To {act} is for people, and you are a service; oversee the Space.")


Arrive: TypeAlias = Callable[["SpaceActor", Session, Member, Any, Facts], Awaitable[None]]

ARRIVALS: Mapping[type[wire.Request], Arrive] = {
    wire.Join: _join,
    wire.Resume: _resume,
    wire.Oversee: _oversee,
}
"""Requests of those who are not inside yet. Each answers through the session."""
