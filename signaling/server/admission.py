"""Admission: who gets into a ticketed Space, what is said to who does not, and who has to go.

Terms of sale are set before a Space is live and stay as they are from then on. The rules decide, from what
the store says: read before the turn of whoever stands at the door, as all facts are.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from signaling import rules
from signaling.protocol import messages as wire
from signaling.rules import Action, Effect, Outcome, Refused, SpaceState, State
from signaling.rules.roles import Standing
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms, TicketState, free_of_charge, may_enter, may_reschedule
from signaling.server.sale_rows import terms_row
from signaling.store import offers, sales, spaces, waiting

if TYPE_CHECKING:
    from signaling.server.actor import SpaceActor
    from signaling.server.directory import Directory
    from signaling.server.surroundings import Surroundings

__all__ = [
    "Admission",
    "Entry",
    "Guests",
    "RemoveHolder",
    "is_free",
    "may_move",
    "planned_door",
    "read_entry",
    "turned_away",
]

log = logging.getLogger(__name__)

_MS_US = 1_000
# What the store had no time for when somebody was removed, or invited no more, is tried again so much later.
RETRY_US: Final = 30_000_000
# Who stands before a door that is closed to everybody is told that, not what a ticket costs.
_CLOSED = frozenset({"no_such_space", "space_ended", "removed"})
_REMOVALS = frozenset({Action.REMOVE.value, Action.BAN.value})


@dataclass(frozen=True, slots=True)
class Entry:
    """A ticketed Space as one person finds it before the door. `place` on the waiting list, 0: on none.

    `ticket`: what became of theirs, None where they never had one.
    """

    on_sale: OnSale
    terms: Terms
    title: str
    host: str
    host_name: str
    ticket: TicketState | None = None
    place: int = 0


class RemoveHolder(Protocol):
    """`Till.remove_holder`."""

    async def __call__(self, space: bytes, user: str, *, for_cause: bool) -> bool: ...


class Guests:
    """Whom the hosts of one live Space invited to speak: from the invitation on until they refuse it, it is
    withdrawn or lapses, or their place in the Space is kept no longer. Never more than the Space has people.
    """

    __slots__ = ("_users",)

    def __init__(self) -> None:
        self._users: set[str] = set()

    def __contains__(self, user: str) -> bool:
        return user in self._users

    def note(self, effect: Effect, after: SpaceState) -> None:
        """Take in what has become so; `after`: the Space with all of it."""
        match effect:
            case rules.InviteAdded(invitation):
                self._users.add(invitation.user)
            case rules.InviteClosed(user, how) if how != "accepted":
                self._users.discard(user)
            case rules.Left(user) | rules.Removed(user) | rules.AbsenceOver(user):
                if not after.is_known(user):
                    self._users.discard(user)
            case _:
                pass


async def read_entry(connection: Any, space: bytes, user: str) -> Entry | None:
    """What the doors of a ticketed Space ask. None: it is not ticketed, or not there."""
    on_sale = await offers.get(connection, space)
    if on_sale is None or on_sale.terms is None:
        return None
    stored = await spaces.get(connection, space)
    if stored is None:
        return None
    sale = await sales.ticket_of(connection, space, user)
    place = await waiting.place(connection, space, user)
    ticket = None if sale is None else sale.ticket
    return Entry(on_sale, on_sale.terms, stored.title, stored.host, stored.host_name, ticket, place)


async def may_move(connection: Any, space: bytes, limits: SaleLimits) -> Refused | None:
    """Why the plan of a ticketed Space may not be moved to another time."""
    on_sale = await offers.get(connection, space)
    allowed = None if on_sale is None else may_reschedule(on_sale, limits)
    return allowed if isinstance(allowed, Refused) else None


def is_free(state: SpaceState, user: str, guests: Guests) -> bool:
    """Whether `user` needs no ticket for a live Space whatever the store says of them.

    As who they are to the Space, also while they are away.
    """
    standing = state.standing(user)
    if user in state.owners:
        standing = Standing.HOST
    elif user in state.co_hosts:
        standing = Standing.CO_HOST
    return free_of_charge(standing, user in guests)


def turned_away(
    request_id: int,
    state: SpaceState,
    user: str,
    entry: Entry | None,
    guests: Guests,
    *,
    outcome: Outcome | Refused | None = None,
) -> wire.TicketRequired | None:
    """The answer to who stands at a door of a live Space without a ticket; None for who needs none or has
    one, and where the door is closed to them for another reason.

    `outcome`: what the rules of the door say of them. A link to speak invites in it.
    """
    if entry is None or (isinstance(outcome, Refused) and outcome.code in _CLOSED):
        return None
    invited = isinstance(outcome, Outcome) and user in outcome.state.invites
    if user == entry.on_sale.host or is_free(state, user, guests) or invited:
        return None
    allowed = may_enter(entry.on_sale, state.standing(user), False, entry.ticket)
    if not isinstance(allowed, Refused):
        return None
    return _required(request_id, entry, state.settings.title, state.host, state.host_name, live=True)


def planned_door(request_id: int, user: str, entry: Entry | None) -> wire.TicketRequired | None:
    """As `turned_away`, for a look at a Space that is scheduled. One that is over hides nothing."""
    if entry is None or entry.on_sale.state not in (State.SCHEDULED, State.LIVE):
        return None
    standing = Standing.HOST if user in (entry.host, entry.on_sale.host) else Standing.OUTSIDE
    if not isinstance(may_enter(entry.on_sale, standing, False, entry.ticket), Refused):
        return None
    live = entry.on_sale.state is State.LIVE
    return _required(request_id, entry, entry.title, entry.host, entry.host_name, live=live)


class Admission:
    """One for the server. Puts out who has no right to be inside any more, and has the tickets of those who
    were removed paid back, or revoked where the host said it was for cause.

    `remove_holder`: the till's.
    """

    def __init__(self, directory: Directory, around: Surroundings, remove_holder: RemoveHolder) -> None:
        self._directory = directory
        self._around = around
        self.remove_holder = remove_holder

    def ticket_changed(self, sale: Sale) -> None:
        """Told by the till, once it is committed: who holds a ticket that is good no more has to go."""
        if sale.ticket in (TicketState.REFUNDED, TicketState.REVOKED):
            actor = self._directory.get(sale.space)
            if actor is not None:
                actor.ticket_ended(sale.buyer, may_return=sale.ticket is TicketState.REFUNDED)

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
        """Somebody was removed, or is invited no more."""
        for effect in effects:
            match effect:
                case rules.Audited(_, action, user, detail) if action in _REMOVALS:
                    self._spawn(self._settled, actor, user, rules.FOR_CAUSE in detail)
                case rules.InviteClosed(user, "refused" | "withdrawn" | "lapsed"):
                    self._spawn(self._looked_again, actor, user)
                case _:
                    pass

    def _spawn(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        self._around.spawn(self._run(work, *arguments))

    async def _run(self, work: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """What has happened is carried through, however often the store has no time for it."""
        try:
            await work(*arguments)
        except Exception:
            self._around.counts.store_failures += 1
            log.exception("what follows for the ticket of somebody is tried again in a while")
            at_us = self._around.clock_us() + RETRY_US
            key = ("admission", work.__name__, *arguments)
            self._around.alarms.set(key, at_us, partial(self._again, work, arguments))

    def _again(self, work: Callable[..., Awaitable[None]], arguments: tuple[Any, ...], now_us: int) -> None:
        self._spawn(work, *arguments)

    async def _settled(self, actor: SpaceActor, user: str, for_cause: bool) -> None:
        if await actor.history.entry(user) is not None:
            await self.remove_holder(actor.space, user, for_cause=for_cause)

    async def _looked_again(self, actor: SpaceActor, user: str) -> None:
        """Who came in on an invitation only, and speaks no more because of it, has no ticket."""
        entry = await actor.history.entry(user)
        if entry is not None and turned_away(1, actor.state, user, entry, actor.guests) is not None:
            actor.ticket_ended(user, may_return=True)


def _required(
    request_id: int, entry: Entry, title: str, host: str, host_name: str, *, live: bool
) -> wire.TicketRequired:
    row = terms_row(entry.on_sale, entry.terms)
    starts_ms = entry.on_sale.starts_us // _MS_US
    space, state = entry.on_sale.space, 1 if live else 0
    return wire.TicketRequired(request_id, space, title, host_name, starts_ms, row, entry.place, host, state)
