"""Links to speak: made by hosts, good once and for a while, known by a digest of their secret."""

from __future__ import annotations

from signaling.rules.change import Change, Outcome
from signaling.rules.parts import Invitation, SpeakLink
from signaling.rules.permissions import Refused, may
from signaling.rules.roles import Action
from signaling.rules.state import RETRY_FULL_MS, SpaceState

DIGEST_BYTES = 32
_SECOND_US = 1_000_000


def share_speaker(
    state: SpaceState, actor: str, digest: bytes, lifetime_us: int, now_us: int
) -> Outcome | Refused:
    """A host makes a link that invites whoever opens it first. `lifetime_us` 0: the usual time.

    `digest` is the SHA-256 of its secret, 32 bytes. Refused: bad_value (lifetime), queue_full (too many links
    are open), not_permitted, not_in_space, space_ended.
    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError(f"a digest has {len(digest)} bytes; give it the {DIGEST_BYTES} of a SHA-256")
    allowed = may(actor, Action.SHARE_SPEAKER, state)
    if isinstance(allowed, Refused):
        return allowed
    limits = state.limits
    lifetime_us = lifetime_us or limits.speak_link_us
    if not _SECOND_US <= lifetime_us <= limits.speak_link_most_us:
        most_s = limits.speak_link_most_us // _SECOND_US
        return Refused(
            "bad_value",
            f"The link would be good for {lifetime_us // _SECOND_US} s and 1 to {most_s} s is the limit; "
            "give it a time within.",
        )
    change = Change(state)
    for known, link in state.links.items():
        if now_us >= link.expires_us:
            change.drop_link(known, "lapsed")
    _make_room(change)
    if len(change.state.links) >= limits.links:
        return Refused(
            "queue_full",
            f"{limits.links} links to speak are open and {limits.links} is the limit; revoke one first.",
        )
    change.add_link(digest, SpeakLink(actor, now_us + lifetime_us))
    change.audit(actor, Action.SHARE_SPEAKER)
    return change.outcome()


def unshare(state: SpaceState, actor: str, digest: bytes, now_us: int) -> Outcome | Refused:
    """A host revokes a link to speak. Revoking one that is used up or unknown changes nothing.

    Refused: not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.UNSHARE, state)
    if isinstance(allowed, Refused):
        return allowed
    link = state.links.get(digest)
    if link is None or link.used_by:
        return Outcome(state)
    change = Change(state)
    change.drop_link(digest, "revoked")
    change.audit(actor, Action.UNSHARE)
    return change.outcome()


def redeem(state: SpaceState, user: str, digest: bytes, now_us: int) -> Outcome | Refused:
    """A listener who is inside already opens a link to speak: it is used up, and they are invited.

    Refused: not_invited, invite_lapsed, not_permitted (on stage), not_in_space, space_ended.
    """
    allowed = may(user, Action.ACCEPT, state)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    refused = redeem_into(change, user, digest, now_us)
    return change.outcome() if refused is None else refused


def redeem_into(change: Change, user: str, digest: bytes, now_us: int) -> Refused | None:
    """Invite `user`, who is inside, by a link. Opening one's own used link again changes nothing.

    Refused: not_invited (unknown or revoked), invite_lapsed (used by another, or too old).
    """
    state = change.state
    link = state.links.get(digest)
    if link is None:
        return _unknown(state, digest)
    if link.used_by == user:
        return None
    if link.used_by or now_us >= link.expires_us:
        return _lapsed("was used already, once is the limit" if link.used_by else "is too old")
    if user in state.on_stage:
        return None
    if len(state.invites) >= state.limits.invites:
        return invites_full(state)
    change.use_link(digest, user)
    if user in state.asks:
        change.close_ask(user, "withdrawn")
    if user in state.invites:
        change.close_invite(user, "withdrawn")
    expires_us = now_us + state.limits.invite_us
    change.open_invite(Invitation(user, state.name_of(user), link.by, expires_us))
    return None


def drop_links_of(change: Change, user: str) -> None:
    """The links that `user`, who is put out, made or used are good for nothing any more."""
    for digest, link in change.state.links.items():
        if user in (link.by, link.used_by):
            change.drop_link(digest, "revoked")


def invites_full(state: SpaceState) -> Refused:
    """What to answer where there are too many open invitations."""
    return Refused(
        "queue_full",
        f"{len(state.invites)} invitations are open and {state.limits.invites} is the limit; "
        "try again when one was taken up, or take one back.",
        RETRY_FULL_MS,
    )


def _unknown(state: SpaceState, digest: bytes) -> Refused:
    if digest in state.lapsed_links:
        return _lapsed("is too old")
    return Refused(
        "not_invited", "This link to speak is unknown or revoked; ask a host for another, or only listen."
    )


def _lapsed(what: str) -> Refused:
    return Refused("invite_lapsed", f"This link to speak {what}; ask a host for another, or only listen.")


def _make_room(change: Change) -> None:
    """A used link is remembered for its user's sake until its room is needed."""
    links = change.state.links
    used = next((digest for digest, link in links.items() if link.used_by), None)
    if len(links) >= change.state.limits.links and used is not None:
        change.drop_link(used, "used")
