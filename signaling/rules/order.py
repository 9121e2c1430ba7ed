"""The verbs that keep order: mute, hold, volume, remove, ban, unban, change what the Space is, oversee."""

from __future__ import annotations

from dataclasses import fields

from signaling.rules import effects as fx
from signaling.rules.change import Change, Outcome
from signaling.rules.links import drop_links_of
from signaling.rules.permissions import Refused, may
from signaling.rules.roles import Action, RemoveHow, Role
from signaling.rules.settings import Changes, changed
from signaling.rules.state import SpaceState
from signaling.rules.text import user_id

FOR_CAUSE = "for cause"
"""In the audit log, of a removal after which nothing is paid back."""


def mute(state: SpaceState, actor: str, target: str, now_us: int, hold: bool = False) -> Outcome | Refused:
    """Mute oneself (`target` empty or oneself), or as a host another; `hold`: until a host lets go.

    Muting who is muted changes nothing. Refused: not_permitted, no_such_person, not_in_space, space_ended.
    """
    target = target or actor
    action = Action.HOLD if hold else Action.MUTE
    allowed = may(actor, action, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    if _mute(change, target, hold) and actor != target:
        change.audit(actor, action, target)
    return change.outcome()


def unmute(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """Unmute oneself (`target` empty or oneself). A host who names another lets go of a held mute, no more:
    nobody switches on the microphone of another.

    Refused: held_muted, not_permitted, no_such_person, not_in_space, space_ended.
    """
    target = target or actor
    action = Action.UNMUTE if target == actor else Action.RELEASE
    allowed = may(actor, action, state, target)
    if isinstance(allowed, Refused):
        return allowed
    place = state.on_stage[target]
    change = Change(state)
    if action is Action.RELEASE:
        if place.held:
            change.set_place(target, held=False)
            change.audit(actor, action, target)
        return change.outcome()
    if place.held:
        return Refused(
            "held_muted", "A host keeps you muted until they let go; ask them in a note or step down."
        )
    if place.muted:
        change.set_place(target, muted=False)
        change.tell(target)
    return change.outcome()


def mute_all(state: SpaceState, actor: str, now_us: int, hold: bool = False) -> Outcome | Refused:
    """A host mutes everybody on stage but the hosts; `hold` as in `mute`.

    Refused: not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.MUTE_ALL, state)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    speakers = [place.user for place in state.on_stage.values() if place.role is Role.SPEAKER]
    muted = [user for user in speakers if _mute(change, user, hold)]
    if muted:
        change.audit(actor, Action.MUTE_ALL, "", "held" if hold else "")
    return change.outcome()


def set_volume(state: SpaceState, actor: str, target: str, volume_pct: int, now_us: int) -> Outcome | Refused:
    """A host makes somebody on stage less loud for everybody: 0 (silent) to 100 (as they are).

    Refused: bad_value, not_permitted, no_such_person, not_in_space, space_ended.
    """
    allowed = may(actor, Action.VOLUME, state, target)
    if isinstance(allowed, Refused):
        return allowed
    if not 0 <= volume_pct <= 100:
        return Refused(
            "bad_value", f"The volume is {volume_pct} %, 0 to 100 is the limit; name one of these."
        )
    if state.on_stage[target].volume_pct == volume_pct:
        return Outcome(state)
    change = Change(state)
    change.set_place(target, volume_pct=volume_pct)
    change.audit(actor, Action.VOLUME, target, f"{volume_pct} %")
    return change.outcome()


def remove(
    state: SpaceState,
    actor: str,
    target: str,
    now_us: int,
    how: int = RemoveHow.BAN,
    *,
    for_cause: bool = False,
) -> Outcome | Refused:
    """A host puts someone out of stage, queue, roster and absences in one step, and revokes their invitation
    and the links they made or used. `how` is one of RemoveHow: with BAN and BLOCK they cannot come back, with
    BLOCK not to any Space of the rightful host. `for_cause` is written down: no ticket is paid back.

    Refused: bad_value, not_permitted, no_such_person, not_in_space, space_ended.
    """
    if how not in tuple(RemoveHow):
        return Refused(
            "bad_value", f"{how} is no way to remove, 0 to 2 is the limit; give 0 (may return), 1 or 2."
        )
    action = Action.REMOVE if how == RemoveHow.MAY_RETURN else Action.BAN
    allowed = may(actor, action, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    if action is Action.BAN:
        change.ban(target, actor)
    if how == RemoveHow.BLOCK:
        change.add(fx.BlockedByHost(state.rightful_host, target, state.name_of(target)))
    reason = "may_return" if how == RemoveHow.MAY_RETURN else "removed"
    change.go(target, "removed", fx.Removed(target, reason))
    drop_links_of(change, target)
    details = [word for word, holds in (("block", how == RemoveHow.BLOCK), (FOR_CAUSE, for_cause)) if holds]
    change.audit(actor, action, target, ", ".join(details))
    return change.outcome()


def shut_out(state: SpaceState, blocker: str, user: str, now_us: int) -> Outcome:
    """`blocker`, whose Space it is, has blocked `user` from outside: out as by `remove`. There is no ban
    beside the block, which the doors ask for themselves.

    A fact, not an act: for who is not here, and for those whose Space it is, there is nothing to change.
    """
    if not state.is_live or user in state.owners or not state.is_known(user):
        return Outcome(state)
    change = Change(state)
    change.go(user, "removed", fx.Removed(user, "removed"))
    drop_links_of(change, user)
    change.audit(blocker, Action.REMOVE, user, "block")
    return change.outcome()


def ticket_ended(state: SpaceState, user: str, now_us: int, *, may_return: bool) -> Outcome:
    """The ticket of `user` was refunded or revoked, or they are invited no more: out as by `remove`, with
    nothing kept. `may_return`: with a new ticket.

    A fact, not an act: for who is not here there is nothing to change.
    """
    if not state.is_live or not state.is_known(user):
        return Outcome(state)
    change = Change(state)
    change.go(user, "removed", fx.Removed(user, "may_return" if may_return else "removed"))
    drop_links_of(change, user)
    return change.outcome()


def unban(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """A host lets somebody who was banned come back to this Space; a block of the host's stays.

    Refused: no_such_person (not banned), not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.UNBAN, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    change.set(banned=state.banned - {target})
    change.add(fx.Unbanned(target))
    change.audit(actor, Action.UNBAN, target)
    return change.outcome()


def change_settings(state: SpaceState, actor: str, changes: Changes, now_us: int) -> Outcome | Refused:
    """A host changes title, topics, who may speak, the order of the queue, or the lock.

    Open asks stay: the hosts decide on them whatever the rule for new ones is. Changing to what is changes
    nothing. Refused: bad_value, not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.CHANGE, state)
    if isinstance(allowed, Refused):
        return allowed
    settings = changed(state.settings, changes, state.limits.title_chars, state.limits.topics)
    if isinstance(settings, Refused):
        return settings
    if settings == state.settings:
        return Outcome(state)
    change = Change(state)
    change.set(settings=settings)
    change.add(fx.SettingsChanged(settings))
    names = [
        item.name
        for item in fields(settings)
        if getattr(settings, item.name) != getattr(state.settings, item.name)
    ]
    change.audit(actor, Action.CHANGE, "", ", ".join(names))
    return change.outcome()


def oversee(state: SpaceState, service: str, now_us: int) -> Outcome | Refused:
    """A service, which the server has found to be one, watches over the Space from now on.

    Refused: already_in_space (they are inside as a person), removed, no_such_space, bad_value.
    """
    if service in state.overseers and state.is_live:
        return Outcome(state)
    allowed = may(service, Action.JOIN, state)
    if isinstance(allowed, Refused):
        return allowed
    checked = user_id(service)
    if isinstance(checked, Refused):
        return checked
    change = Change(state)
    change.set(overseers=state.overseers | {service})
    change.add(fx.Overseen(service))
    change.audit(service, "oversee")
    return change.outcome()


def _mute(change: Change, user: str, hold: bool) -> bool:
    """Mute somebody on stage, and hold them if so wanted; returns whether that changed anything."""
    place = change.state.on_stage[user]
    if place.muted and (place.held or not hold):
        return False
    change.set_place(user, muted=True, held=place.held or hold)
    if not place.muted:
        change.tell(user)
    return True
