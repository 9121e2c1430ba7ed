"""The verbs of a Space: each takes a state and gives an Outcome, or Refused with nothing changed."""

from __future__ import annotations

from signaling.rules.change import Change, Outcome
from signaling.rules.effects import (
    Left,
    Opened,
    Removed,
)
from signaling.rules.permissions import Refused, may
from signaling.rules.roles import Action, Role, State
from signaling.rules.state import SPACE_ID_BYTES, SpaceLimits, SpaceState
from signaling.rules.text import clean_text, display_name, user_id

# When to try a full room or queue again: people come and go in seconds, not in milliseconds.
RETRY_FULL_MS = 5_000


def open_space(
    space: bytes, title: str, host: str, name: str, now_us: int, *, limits: SpaceLimits | None = None
) -> Outcome | Refused:
    """Open a Space with `host` inside and on stage, not muted. `space` is the 16 bytes of its id.

    Refused: bad_value for a title, name or user id that cannot be. Whether one person may host several
    Spaces is asked of the store, which sees them all.
    """
    if len(space) != SPACE_ID_BYTES:
        raise ValueError(f"a Space id has {len(space)} bytes; give it {SPACE_ID_BYTES} random ones")
    limits = SpaceLimits() if limits is None else limits
    title_or = clean_text("title", title, limits.title_chars)
    user_or = user_id(host)
    name_or = display_name(name, host)
    for checked in (title_or, user_or, name_or):
        if isinstance(checked, Refused):
            return checked
    title, name = str(title_or), str(name_or)
    change = Change(SpaceState(space, title, host, name, now_us, limits))
    change.add(Opened(space, title, host, name))
    change.enter(host, name)
    change.take_seat(host, name, Role.HOST)
    return change.outcome()


def join(state: SpaceState, user: str, name: str, now_us: int) -> Outcome | Refused:
    """Let `user` in: as a listener, or as the host again if it is the absent one.

    Refused: no_such_space (ended), removed, already_in_space, bad_value, busy (full).
    """
    allowed = may(user, Action.JOIN, state)
    if isinstance(allowed, Refused):
        return allowed
    user_or, name_or = user_id(user), display_name(name, user)
    for checked in (user_or, name_or):
        if isinstance(checked, Refused):
            return checked
    name = str(name_or)
    change = Change(state)
    if user == state.host and state.absent_since_us is not None:
        change.regain_host(name)
        return change.outcome()
    # The absent host's place is kept for them.
    kept = 0 if state.absent_since_us is None else 1
    if len(state.roster) + kept >= state.limits.people:
        return Refused(
            "busy",
            f"{state.limits.people} people are in this Space and {state.limits.people} is the limit; "
            "try again when someone has left.",
            RETRY_FULL_MS,
        )
    change.enter(user, name)
    return change.outcome()


def returned(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """`user` is here again over a new connection that replaces their first: what they were, they still are.

    Whoever is on stage gets a new seat for the new stream, muted as before. The absent host is back.
    Refused: not_in_space, space_ended.
    """
    change = Change(state)
    if user == state.host and state.absent_since_us is not None and state.state is State.LIVE:
        change.regain_host(state.on_stage[user].name)
        return change.outcome()
    allowed = may(user, Action.HEAR, state)
    if isinstance(allowed, Refused):
        return allowed
    if user in state.on_stage:
        place = change.free_seat(user)
        change.take_seat(user, place.name, place.role, place.muted)
    return change.outcome()


def leave(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """`user` goes of their own will. With the host the Space ends. Refused: not_in_space, space_ended."""
    allowed = may(user, Action.LEAVE, state)
    if isinstance(allowed, Refused):
        return allowed
    if user == state.host:
        return Change(state).end("host_left", now_us)
    return _gone(state, user)


def lost(state: SpaceState, user: str, now_us: int) -> Outcome:
    """The connection of `user` is gone. A speaker leaves the stage at once; the host has a time of grace.

    A fact, not an act: for someone who is not inside there is nothing to change.
    """
    if not state.inside(user):
        return Outcome(state)
    if user != state.host:
        return _gone(state, user)
    change = Change(state)
    change.lose_host(now_us)
    return change.outcome()


def on_time(state: SpaceState, now_us: int) -> Outcome:
    """Do what is due at `now_us`: end a Space whose host did not return. Due at `state.deadline_us`."""
    due_us = state.deadline_us
    if due_us is None or now_us < due_us:
        return Outcome(state)
    return Change(state).end("host_lost", now_us)


def end(state: SpaceState, actor: str, now_us: int) -> Outcome | Refused:
    """The host ends the Space for everybody. Refused: not_permitted, not_in_space, space_ended."""
    allowed = may(actor, Action.END, state)
    if isinstance(allowed, Refused):
        return allowed
    return Change(state).end("host_ended", now_us)


def close(state: SpaceState, reason: str, now_us: int) -> Outcome:
    """The server ends the Space, for a reason that people are told (`server_stopping`). No act of anyone."""
    if state.state is State.ENDED:
        return Outcome(state)
    return Change(state).end(reason, now_us)


def ask(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """A listener asks to speak.

    Refused: already_asked, queue_full, not_permitted (on stage), not_in_space, space_ended.
    """
    allowed = may(user, Action.ASK, state)
    if isinstance(allowed, Refused):
        return allowed
    if user in state.asks:
        place = list(state.asks).index(user) + 1
        return Refused(
            "already_asked",
            f"You asked already and are number {place} of {len(state.asks)}, once is the limit; "
            "wait for the host.",
        )
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
    """The host lets one who asks on stage, not muted.

    Refused: not_asked, stage_full, no_such_person, not_permitted, not_in_space, space_ended.
    """
    refused = _may_close_ask(state, actor, Action.ADMIT, target)
    if refused is not None:
        return refused
    if len(state.on_stage) >= state.limits.stage:
        return Refused(
            "stage_full",
            f"{len(state.on_stage)} people are on stage and {state.limits.stage} is the limit; "
            "move one back to the listeners first.",
        )
    change = Change(state)
    change.close_ask(target, "admitted")
    change.take_seat(target, state.roster.name_of(target), Role.SPEAKER)
    change.tell(target)
    return change.outcome()


def decline(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """The host closes an ask without admitting; one who asks may withdraw their own.

    Refused: not_asked, no_such_person, not_permitted, not_in_space, space_ended.
    """
    refused = _may_close_ask(state, actor, Action.DECLINE, target)
    if refused is not None:
        return refused
    change = Change(state)
    change.close_ask(target, "withdrawn" if actor == target else "declined")
    return change.outcome()


def mute(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """Mute oneself (`target` empty or oneself), or as the host anyone on stage.

    Muting who is muted changes nothing. Refused: not_permitted, no_such_person, not_in_space, space_ended.
    """
    return _set_muted(state, actor, Action.MUTE, target or actor, True)


def unmute(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """Unmute oneself (`target` empty or oneself); nobody switches on the microphone of another.

    Refused: not_permitted, not_in_space, space_ended.
    """
    return _set_muted(state, actor, Action.UNMUTE, target or actor, False)


def move(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """Back to the listeners: a speaker by themselves (`target` empty or oneself) or by the host.

    Refused: not_permitted, no_such_person, not_in_space, space_ended.
    """
    target = target or actor
    allowed = may(actor, Action.MOVE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    change.free_seat(target)
    change.tell(target)
    return change.outcome()


def remove(state: SpaceState, actor: str, target: str, now_us: int) -> Outcome | Refused:
    """The host removes someone from stage, queue and roster in one step, and they cannot join again.

    Refused: not_permitted, no_such_person, not_in_space, space_ended.
    """
    allowed = may(actor, Action.REMOVE, state, target)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    change.ban(target)
    change.go(target, "removed", Removed(target, "removed"))
    return change.outcome()


def _gone(state: SpaceState, user: str) -> Outcome:
    change = Change(state)
    change.go(user, "left", Left(user))
    return change.outcome()


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


def _set_muted(state: SpaceState, actor: str, action: Action, target: str, muted: bool) -> Outcome | Refused:
    allowed = may(actor, action, state, target)
    if isinstance(allowed, Refused):
        return allowed
    if state.muted(target) == muted:
        return Outcome(state)
    change = Change(state)
    change.set_muted(target, muted)
    change.tell(target)
    return change.outcome()
