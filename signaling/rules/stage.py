"""The verbs of the way up and down: ask, admit, invite, accept, promote, hand over, step down."""

from __future__ import annotations

from signaling.rules.change import Change, Outcome
from signaling.rules.graph import NOBODY_KNOWN, Graph
from signaling.rules.links import invites_full
from signaling.rules.parts import Invitation
from signaling.rules.permissions import Refused, may
from signaling.rules.roles import Action, Role
from signaling.rules.settings import SpeakPolicy
from signaling.rules.state import RETRY_FULL_MS, SpaceState


def ask(state: SpaceState, user: str, now_us: int, graph: Graph = NOBODY_KNOWN) -> Outcome | Refused:
    """A listener asks to speak, if the hosts let them ask.

    Refused: already_asked (or invited), not_invited, queue_full, not_permitted (on stage), not_in_space,
    space_ended.
    """
    allowed = may(user, Action.ASK, state)
    if isinstance(allowed, Refused):
        return allowed
    if user in state.asks:
        return Refused(
            "already_asked",
            f"You asked already and are number {state.place_in_queue(user)} of {len(state.asks)}, once is "
            "the limit; wait for a host.",
        )
    if _is_invited(state, user, now_us):
        return Refused("already_asked", "You are invited to speak and need not ask; accept the invitation.")
    refused = _may_ask(state, user, graph)
    if refused is not None:
        return refused
    if len(state.asks) >= state.limits.queue:
        return Refused(
            "queue_full",
            f"{len(state.asks)} people ask to speak and {state.limits.queue} is the limit; "
            "ask again when one was admitted or declined.",
            RETRY_FULL_MS,
        )
    change = Change(state)
    change.open_ask(user)
    return change.outcome()


def admit(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A host lets one who asks on stage, not muted.

    Refused: not_asked, stage_full, no_such_person, not_permitted, not_in_space, space_ended.
    """
    refused = (
        _may_close_ask(state, actor, Action.ADMIT, target)
        or _away(state, Action.ADMIT, target)
        or _stage_full(state)
    )
    if refused is not None:
        return refused
    change = Change(state)
    change.close_ask(target, "admitted")
    change.take_seat(target, state.name_of(target), Role.SPEAKER)
    change.tell(target)
    change.audit(actor, Action.ADMIT, target)
    return change.outcome()


def decline(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A host closes an ask without admitting; one who asks may withdraw their own.

    Refused: not_asked, no_such_person, not_permitted, not_in_space, space_ended.
    """
    refused = _may_close_ask(state, actor, Action.DECLINE, target)
    if refused is not None:
        return refused
    change = Change(state)
    change.close_ask(target, "withdrawn" if actor == target else "declined")
    if actor != target:
        change.audit(actor, Action.DECLINE, target)
    return change.outcome()


def invite(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A host invites a listener to speak. Inviting who is invited changes nothing.

    Refused: already_asked (admit them), already_on_stage, queue_full (too many invitations), no_such_person,
    not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.INVITE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    if target in state.asks:
        return Refused("already_asked", f"{target!r} asks to speak already; admit them.")
    if _is_invited(state, target, now_us):
        return Outcome(state)
    change = Change(state)
    if target in state.invites:
        change.close_invite(target, "lapsed")
    elif len(state.invites) >= state.limits.invites:
        return invites_full(state)
    change.open_invite(Invitation(target, state.name_of(target), actor, now_us + state.limits.invite_us))
    change.audit(actor, Action.INVITE, target)
    return change.outcome()


def uninvite(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A host takes an invitation back.

    Refused: not_invited, already_on_stage, no_such_person, not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.UNINVITE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    if target not in state.invites:
        return Refused(
            "not_invited",
            f"{target!r} has no open invitation, {len(state.invites)} others have; name one of them.",
        )
    change = Change(state)
    change.close_invite(target, "withdrawn")
    change.audit(actor, Action.UNINVITE, target)
    return change.outcome()


def accept(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """Take up an invitation: on stage, muted, so that nobody is heard unawares.

    Refused: not_invited, invite_lapsed, stage_full, not_permitted (on stage), not_in_space, space_ended.
    """
    refused = _may_answer(state, user, Action.ACCEPT, now_us) or _stage_full(state)
    if refused is not None:
        return refused
    change = Change(state)
    change.close_invite(user, "accepted")
    change.take_seat(user, state.name_of(user), Role.SPEAKER, muted=True)
    change.tell(user)
    return change.outcome()


def refuse(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """Turn an invitation down.

    Refused: not_invited, invite_lapsed, not_permitted (on stage), not_in_space, space_ended.
    """
    refused = _may_answer(state, user, Action.REFUSE, now_us)
    if refused is not None:
        return refused
    change = Change(state)
    change.close_invite(user, "refused")
    return change.outcome()


def promote(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """The host makes a speaker a co-host.

    Refused: too_many_cohosts, no_such_person (also: away), not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.PROMOTE, state, target)
    refused = allowed if isinstance(allowed, Refused) else _away(state, Action.PROMOTE, target)
    if refused is not None:
        return refused
    if len(state.co_hosts) >= state.limits.co_hosts:
        return Refused(
            "too_many_cohosts",
            f"{len(state.co_hosts)} people are co-hosts and {state.limits.co_hosts} is the limit; "
            "step one down first.",
        )
    return _with_role(state, actor, Action.PROMOTE, target, Role.CO_HOST)


def demote(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A co-host is a speaker again: by the host, or they themselves (`target` empty or oneself).

    Refused: no_such_person, not_permitted, not_in_space, space_ended.
    """
    target = target or actor
    allowed = may(actor, Action.DEMOTE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    return _with_role(state, actor, Action.DEMOTE, target, Role.SPEAKER)


def hand_over(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """The host makes somebody on stage the host, and is a co-host from then on, or where there are enough of
    them a speaker. Whoever stands in for the host hands on no more than that.

    Refused: no_such_person (also: away), not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.HAND_OVER, state, target)
    refused = allowed if isinstance(allowed, Refused) else _away(state, Action.HAND_OVER, target)
    if refused is not None:
        return refused
    others = [who for who in state.co_hosts if who != target]
    before = Role.CO_HOST if len(others) < state.limits.co_hosts else Role.SPEAKER
    change = Change(state)
    if actor == state.rightful_host:
        change.set(rightful_host=target)
    change.make_host(target, before, "handed_over")
    change.audit(actor, Action.HAND_OVER, target)
    return change.outcome()


def move(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """Back to the listeners: oneself (`target` empty or oneself), or another by a host.

    Refused: not_permitted, no_such_person, not_in_space, space_ended.
    """
    target = target or actor
    allowed = may(actor, Action.MOVE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    change.free_seat(target)
    change.tell(target)
    if actor != target:
        change.audit(actor, Action.MOVE, target)
    return change.outcome()


def _may_ask(state: SpaceState, user: str, graph: Graph) -> Refused | None:
    policy = state.settings.who_may_speak
    if policy is SpeakPolicy.INVITED:
        return Refused("not_invited", "Only people whom a host invites speak here; wait for an invitation.")
    if policy is SpeakPolicy.FOLLOWED and not graph.follows(state.rightful_host, user):
        return Refused(
            "not_invited", "Only people whom the host follows may ask to speak here; wait for an invitation."
        )
    return None


def _may_close_ask(state: SpaceState, actor: str, action: Action, target: str) -> Refused | None:
    allowed = may(actor, action, state, target)
    if isinstance(allowed, Refused):
        return allowed
    if target not in state.asks:
        return Refused(
            "not_asked",
            f"{target!r} has no open ask, {len(state.asks)} others have; {action} one of the queue.",
        )
    return None


def _away(state: SpaceState, action: Action, target: str) -> Refused | None:
    if target in state.absent:
        return Refused(
            "no_such_person",
            f"{target!r} has lost the connection and is away; {action.replace('_', ' ')} when they are back.",
        )
    return None


def _stage_full(state: SpaceState) -> Refused | None:
    if state.stage_taken < state.limits.stage:
        return None
    return Refused(
        "stage_full",
        f"{state.stage_taken} people are on stage and {state.limits.stage} is the limit; "
        "one has to go back to the listeners first.",
    )


def _is_invited(state: SpaceState, user: str, now_us: int) -> bool:
    invitation = state.invites.get(user)
    return invitation is not None and now_us < invitation.expires_us


def _may_answer(state: SpaceState, user: str, action: Action, now_us: int) -> Refused | None:
    allowed = may(user, action, state)
    if isinstance(allowed, Refused):
        return allowed
    if user not in state.invites and user not in state.lapsed_invites:
        return Refused("not_invited", "You have no open invitation to speak; ask to speak, or wait for one.")
    if not _is_invited(state, user, now_us):
        limit_s = state.limits.invite_us // 1_000_000
        return Refused(
            "invite_lapsed",
            f"Your invitation is older than {limit_s} s, which is the limit; ask to speak, or for another.",
        )
    return None


def _with_role(state: SpaceState, actor: str, action: Action, target: str, role: Role) -> Outcome:
    change = Change(state)
    change.set_role(target, role)
    change.tell(target)
    change.audit(actor, action, target)
    return change.outcome()
