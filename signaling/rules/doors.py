"""The verbs of coming and going: open, join, resume, leave, lose the connection, end."""

from __future__ import annotations

from signaling.rules import effects as fx
from signaling.rules.change import Change, Outcome
from signaling.rules.continuity import host_goes, regain_host
from signaling.rules.graph import NOBODY_KNOWN, Graph
from signaling.rules.limits import SpaceLimits
from signaling.rules.links import redeem_into
from signaling.rules.money import Price
from signaling.rules.permissions import Refused, may, no_such_space
from signaling.rules.roles import Action, Role, Standing
from signaling.rules.settings import Settings, checked
from signaling.rules.state import RETRY_FULL_MS, SPACE_ID_BYTES, SpaceState
from signaling.rules.text import display_name, user_id


def open_space(
    space: bytes,
    settings: Settings,
    host: str,
    name: str,
    now_us: int,
    *,
    limits: SpaceLimits | None = None,
    present: bool = True,
    price: Price | None = None,
) -> Outcome | Refused:
    """Open a Space with `host` on stage, not muted. `space` is the 16 bytes of its id.

    Not `present`: a service opens it for a host, who is absent from the start and has the time of a lost
    connection to come. Refused: bad_value for a title, topic, name or user id that cannot be. Whether one
    person may host several Spaces is asked of the store, which sees them all.
    """
    if len(space) != SPACE_ID_BYTES:
        raise ValueError(f"a Space id has {len(space)} bytes; give it {SPACE_ID_BYTES} random ones")
    limits = SpaceLimits() if limits is None else limits
    settings_or = checked(settings, limits.title_chars, limits.topics)
    if isinstance(settings_or, Refused):
        return settings_or
    user_or, name_or = user_id(host), display_name(name, host)
    for checked_or in (user_or, name_or):
        if isinstance(checked_or, Refused):
            return checked_or
    name = str(name_or)
    change = Change(SpaceState(space, settings_or, host, name, now_us, host, host, limits, price=price))
    change.add(fx.Opened(space, settings_or, host, name))
    if present:
        change.enter(host, name)
    change.take_seat(host, name, Role.HOST)
    if not present:
        _lose(change, host, now_us)
    return change.outcome()


def join(
    state: SpaceState,
    user: str,
    name: str,
    now_us: int,
    graph: Graph = NOBODY_KNOWN,
    *,
    invite_digest: bytes = b"",
) -> Outcome | Refused:
    """Let `user` in: as a listener, or as what they were if their connection was lost a short while ago.

    `invite_digest`: the SHA-256 of the secret of a link to speak; it is used up, and its holder invited.
    Refused: no_such_space (over, or blocked by the host), removed, already_in_space, space_locked, bad_value,
    busy (full), and for the link not_invited, invite_lapsed, queue_full.
    """
    refused = _at_the_door(state, user, Action.JOIN, graph)
    if refused is not None:
        return refused
    user_or, name_or = user_id(user), display_name(name, user)
    for checked_or in (user_or, name_or):
        if isinstance(checked_or, Refused):
            return checked_or
    change = Change(state)
    if user in state.absent:
        if _kept(state, user, now_us):
            _come_back(change, user)
            return _with_link(change, user, invite_digest, now_us)
        change.go(user, "left")
    refused = None if user == state.rightful_host else _no_room(change.state)
    if refused is not None:
        return refused
    change.enter(user, str(name_or))
    if user == state.rightful_host and user != state.host:
        regain_host(change)
    return _with_link(change, user, invite_digest, now_us)


def resume(state: SpaceState, user: str, now_us: int, graph: Graph = NOBODY_KNOWN) -> Outcome | Refused:
    """`user` comes back after a lost connection: role, place on stage and in the queue are theirs again.

    Also while the server has not noticed the loss. Asked anew: who was banned or blocked meanwhile stays out.
    Refused: resume_lapsed, no_such_space, removed.
    """
    refused = _at_the_door(state, user, Action.RESUME, graph)
    if refused is not None:
        return refused
    if state.inside(user):
        return returned(state, user, now_us)
    if not _kept(state, user, now_us):
        return Refused(
            "resume_lapsed",
            f"No place is kept for you, {state.limits.resume_us // 1_000_000} s after a lost connection is "
            "the limit; join instead.",
        )
    change = Change(state)
    _come_back(change, user)
    return change.outcome()


def returned(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """`user` is here again over a new connection that replaces their first: what they were, they still are.

    Whoever is on stage begins a new stream in the same seat, muted as before. Somebody absent is back.
    Refused: not_in_space, space_ended.
    """
    change = Change(state)
    if _kept(state, user, now_us):
        _come_back(change, user)
        return change.outcome()
    allowed = may(user, Action.HEAR, state)
    if isinstance(allowed, Refused):
        return allowed
    if user in state.on_stage:
        change.reseat(user)
    return change.outcome()


def leave(state: SpaceState, user: str, now_us: int) -> Outcome | Refused:
    """`user` goes of their own will; nothing is kept. With the rightful host the Space ends.

    Who stands in for the host passes that on, or back to who is away; with nobody to pass it to it ends.
    Refused: not_in_space, space_ended.
    """
    allowed = may(user, Action.LEAVE, state)
    if isinstance(allowed, Refused):
        return allowed
    change = Change(state)
    if user == state.host and not host_goes(change):
        return Change(state).end("host_left", now_us)
    change.go(user, "left")
    return change.outcome()


def lost(state: SpaceState, user: str, now_us: int) -> Outcome:
    """The connection of `user` is gone. Role, place on stage and in the queue are kept for a while.

    A fact, not an act: for someone who is not inside there is nothing to change. Where too many are absent
    the one who is longest and has nothing but their presence to lose is forgotten.
    """
    if not state.inside(user):
        return Outcome(state)
    change = Change(state)
    if len(state.absent) >= state.limits.absent:
        given_up = _longest_absent(state)
        if given_up is None:
            change.go(user, "left")
            return change.outcome()
        change.go(given_up, "left")
    _lose(change, user, now_us)
    return change.outcome()


def end(state: SpaceState, actor: str, now_us: int) -> Outcome | Refused:
    """The host, or a service, ends the Space for everybody.

    Refused: not_permitted, not_in_space, space_ended.
    """
    allowed = may(actor, Action.END, state)
    if isinstance(allowed, Refused):
        return allowed
    by_service = state.standing(actor) is Standing.SERVICE
    change = Change(state)
    change.audit(actor, Action.END)
    return change.end("service_ended" if by_service else "host_ended", now_us)


def close(state: SpaceState, reason: str, now_us: int) -> Outcome:
    """The server ends the Space, for a reason that people are told (`server_stopping`). No act of anyone."""
    if not state.is_live:
        return Outcome(state)
    return Change(state).end(reason, now_us)


def _at_the_door(state: SpaceState, user: str, action: Action, graph: Graph) -> Refused | None:
    allowed = may(user, action, state)
    if isinstance(allowed, Refused):
        return allowed
    if any(graph.blocked(owner, user) for owner in state.owners if owner != user):
        return no_such_space(state.space)
    return None


def _no_room(state: SpaceState) -> Refused | None:
    if state.settings.locked:
        return Refused(
            "space_locked",
            "The hosts have locked this Space to new arrivals; wait until they unlock it, or join another.",
        )
    if len(state.roster) + state.places_kept >= state.limits.people:
        return Refused(
            "busy",
            f"{state.limits.people} people are in this Space and {state.limits.people} is the limit; "
            "try again when someone has left.",
            RETRY_FULL_MS,
        )
    return None


def _kept(state: SpaceState, user: str, now_us: int) -> bool:
    """Whether a place is kept for `user`. That of the host is kept as long as the Space waits for them."""
    away = state.absent.get(user)
    if away is None:
        return False
    return user == state.host or now_us < away.since_us + state.limits.resume_us


def _longest_absent(state: SpaceState) -> str | None:
    """Who is forgotten first where too many are absent: who listens only, else anybody but the host."""
    away = [user for user in state.absent if user != state.host]
    kept = (state.on_stage, state.asks, state.invites)
    only_listen = (user for user in away if not any(user in place for place in kept))
    return next(only_listen, away[0] if away else None)


def _come_back(change: Change, user: str) -> None:
    change.come_back(user)
    if user == change.state.host:
        change.add(fx.HostReturned(user))
    elif user == change.state.rightful_host:
        regain_host(change)


def _with_link(change: Change, user: str, digest: bytes, now_us: int) -> Outcome | Refused:
    if digest:
        refused = redeem_into(change, user, digest, now_us)
        if refused is not None:
            return refused
    return change.outcome()


def _lose(change: Change, user: str, now_us: int) -> None:
    limits = change.state.limits
    if user != change.state.host:
        change.lose(user, now_us + limits.resume_us, now_us)
        return
    change.lose(user, now_us + limits.host_grace_us + limits.host_timeout_us, now_us)
    change.add(fx.HostAbsent(now_us + limits.host_grace_us))
