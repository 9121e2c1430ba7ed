"""Delivery: counts what ticketed Spaces deliver to whom, writes it down, and has the till pay what is owed.

What counts is decided in `rules.delivery`; what a ticket is owed when a Space is over, in `rules.refunds`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final

from signaling import rules
from signaling.rules import Effect
from signaling.rules.delivery import Airtime, Hearing
from signaling.rules.refunds import is_no_show
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import TicketState
from signaling.server.actor import SpaceActor
from signaling.server.session import Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, deliveries, offers, sales, spaces

__all__ = ["CHECKPOINT_US", "Broadcast", "Delivery"]

log = logging.getLogger(__name__)

CHECKPOINT_US: Final = 10_000_000
"""So often it is written down how long a Space is on air, and what its tickets missed of that."""

# That a Space is over may reach the store later than us. What is left after this the till finds by itself.
_OVER_TRIES: Final = 15
_OVER_PAUSE_US: Final = 500_000
_OVER_PAUSE_MOST_US: Final = 30_000_000
_TURN_PEOPLE: Final = 500  # then others get a turn of the loop


class Broadcast:
    """One live ticketed Space: how long it is on air, and what everybody who was inside missed of that.

    Somebody elsewhere who missed nothing is forgotten: what is kept grows with who is inside, and with the
    tickets that something is owed for.
    """

    def __init__(self, actor: SpaceActor, around: Surroundings) -> None:
        self.actor = actor
        self.air = Airtime()
        self.starts_us: int | None = None
        """When it was to begin, since the epoch; None until that is known."""
        self.appeared_us: int | None = None
        """When it was first on air, since the epoch; None while it was not."""
        self.is_writing = False
        self._around = around
        self._hearings: dict[str, Hearing] = {}
        self._sessions: dict[str, Session] = {}
        self._written: dict[str, int] = {}
        self._look_at_air()
        for user in actor.state.roster:
            self._come(user)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is delivered."""
        return self.actor.is_over

    def take(self, effects: Sequence[Effect]) -> None:
        """This has become so."""
        self._look_at_air()
        lost = {effect.user for effect in effects if isinstance(effect, rules.WentAbsent)}
        for effect in effects:
            match effect:
                case rules.Entered(user) | rules.CameBack(user):
                    self._come(user)
                case rules.Left(user) if user in lost:
                    self._lose(user)
                case rules.Left(user) | rules.Removed(user) | rules.AbsenceOver(user, "removed"):
                    self._go(user)
                case _:
                    pass

    async def look(self) -> None:
        """Time has passed. It is looked at everybody, by and by."""
        self._look_at_air()
        for number, user in enumerate(list(self._hearings), 1):
            self._look_at(user)
            if number % _TURN_PEOPLE == 0:
                await asyncio.sleep(0)

    def unwritten(self) -> dict[str, int]:
        """Who missed something else than is written down, and how much, in microseconds."""
        missed = {user: hearing.missed_us for user, hearing in self._hearings.items()}
        return {user: us for user, us in missed.items() if us != self._written.get(user, 0)}

    def wrote(self, missed_us: dict[str, int]) -> None:
        """This is written down."""
        self._written.update(missed_us)

    def begin_anew(self, user: str) -> None:
        """Their ticket was paid back in full: another one that they buy has missed nothing."""
        self._hearings.pop(user, None)
        self._sessions.pop(user, None)
        self._written.pop(user, None)

    def _look_at_air(self) -> None:
        state = self.actor.state
        is_on = state.is_live and state.inside(state.host)
        self.air.look(self._around.clock_us(), self.actor.hall.room.ticked_us, is_on)
        if is_on and self.appeared_us is None:
            self.appeared_us = self._around.wall_us()

    def _look_at(self, user: str) -> None:
        held, hearing = self._sessions.get(user), self._hearings.get(user)
        if hearing is not None:
            hearing.look(self.air, None if held is None else held.frames)
            if self.actor.hall.session_of(user) is not held:  # another connection took its place
                self._come(user)

    def _come(self, user: str) -> None:
        session = self.actor.hall.session_of(user)
        if session is not None:
            self._hearings.setdefault(user, Hearing()).come(self.air, session.frames)
            self._sessions[user] = session

    def _go(self, user: str) -> None:
        held, hearing = self._sessions.pop(user, None), self._hearings.get(user)
        if hearing is not None:
            hearing.leave(self.air, None if held is None else held.frames)
            if not hearing.missed_us and not self._written.get(user):
                del self._hearings[user]

    def _lose(self, user: str) -> None:
        held, hearing = self._sessions.pop(user, None), self._hearings.get(user)
        if hearing is not None:
            hearing.lose(self.air, None if held is None else held.frames)


class Delivery:
    """**The last checkpoint counts**: how long a Space is on air, and what its tickets missed of that, is
    written down together every CHECKPOINT_US, and once more at the end, before anything is paid back.

    `space_over` is the till's. One for the server; from `follow` on a Space is counted.
    """

    def __init__(
        self,
        store: Store,
        around: Surroundings,
        limits: SaleLimits,
        space_over: Callable[[bytes], Awaitable[int]],
    ) -> None:
        self._store = store
        self._around = around
        self._limits = limits
        self._space_over = space_over
        self._on_air: dict[bytes, Broadcast] = {}

    def __len__(self) -> int:
        """How many ticketed Spaces are counted."""
        return len(self._on_air)

    # What happens

    def follow(self, actor: SpaceActor) -> None:
        """A Space that was scheduled is live. It is forgotten again where it sells no tickets."""
        self._on_air[actor.space] = Broadcast(actor, self._around)
        self._around.spawn(self._checkpoint(actor.space))

    def on_outcome(self, actor: SpaceActor, effects: Sequence[Effect]) -> None:
        """This has become so in a Space."""
        broadcast = self._on_air.get(actor.space)
        if broadcast is None:
            return
        broadcast.take(effects)
        if broadcast.is_over:
            self._around.spawn(self._checkpoint(actor.space))

    def ticket_changed(self, sale: Sale) -> None:
        """Told by the till, once it is committed."""
        broadcast = self._on_air.get(sale.space)
        if broadcast is not None and sale.ticket is TicketState.REFUNDED:
            broadcast.begin_anew(sale.buyer)

    def over(self, space: bytes) -> None:
        """A ticketed Space is over, or was called off, and nothing more is delivered: pay what is owed."""
        self._around.spawn(self._pay_back(space, 0))

    # Writing

    async def _checkpoint(self, space: bytes) -> None:
        """Write it down; then the next time is set, or after the last one the till has its turn."""
        broadcast = self._on_air.get(space)
        if broadcast is None or broadcast.is_writing:
            return
        broadcast.is_writing, is_last, is_ticketed = True, False, True
        try:
            while is_ticketed and not is_last:
                is_last = broadcast.is_over
                await broadcast.look()
                is_ticketed = await self._write(broadcast)
                if not broadcast.is_over:
                    break
        except Exception:
            is_last = False
            self._around.counts.store_failures += 1
            log.exception("what Space %s delivered is written down later", space.hex())
        finally:
            broadcast.is_writing = False
        if not is_ticketed or is_last:
            del self._on_air[space]
            if is_ticketed:
                await self._pay_back(space, 0)
            return
        self._close_no_show(broadcast)
        self._set_alarm(space, CHECKPOINT_US, self._checkpoint)

    async def _write(self, broadcast: Broadcast) -> bool:
        """In one transaction. Returns whether the Space is ticketed."""
        space, on_air_us, missed_us = broadcast.actor.space, broadcast.air.on_air_us, broadcast.unwritten()
        async with self._store.transaction() as connection:
            if broadcast.starts_us is None:
                on_sale = await offers.get(connection, space)
                if on_sale is None or on_sale.terms is None:
                    return False
                broadcast.starts_us = on_sale.starts_us
            tickets = await sales.tickets_of(connection, space, missed_us)
            by_sale = {sale: missed_us[user] for user, sale in tickets.items()}
            await deliveries.checkpoint(connection, space, on_air_us, by_sale, self._around.wall_us())
        broadcast.wrote({user: missed_us[user] for user in tickets})
        return True

    def _close_no_show(self, broadcast: Broadcast) -> None:
        starts_us, now_us = broadcast.starts_us, self._around.wall_us()
        if starts_us is not None and is_no_show(starts_us, broadcast.appeared_us, now_us, self._limits):
            broadcast.actor.close("host_absent")

    # Money back

    async def _pay_back(self, space: bytes, tries: int) -> None:
        """Once the store knows that the Space is over, which it may learn later than we do."""
        is_known = False
        try:
            async with self._store.transaction() as connection:
                stored = await spaces.get(connection, space)
            is_known = stored is not None and stored.ended_reason is not None
            if is_known:
                await self._space_over(space)
        except Exception:
            is_known = False
            self._around.counts.store_failures += 1
            log.exception("what the tickets of Space %s are owed is paid back later", space.hex())
        if not is_known and tries < _OVER_TRIES:
            pause_us = min(_OVER_PAUSE_US << tries, _OVER_PAUSE_MOST_US)
            self._set_alarm(space, pause_us, self._pay_back, tries + 1)

    def _set_alarm(
        self, space: bytes, pause_us: int, work: Callable[..., Coroutine[Any, Any, None]], *given: int
    ) -> None:
        around, at_us = self._around, self._around.clock_us() + pause_us
        around.alarms.set(("delivery", space), at_us, lambda now_us: around.spawn(work(space, *given)))
