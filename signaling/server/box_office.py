"""BoxOffice: sells tickets over the wire. What happens to seats and money the till decides and does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from signaling.config import ServerConfig
from signaling.pay.charging import Bought
from signaling.pay.opening import check_ledger, why_not_selling
from signaling.pay.provider import Provider, ProviderEvent, ProviderUnknown
from signaling.pay.seats import Waits
from signaling.pay.till import Till
from signaling.protocol import messages as wire
from signaling.rules import Refused
from signaling.rules.holds import address_prefix
from signaling.rules.rates import RateKind
from signaling.rules.sale import Sale
from signaling.rules.sales import free_of_charge
from signaling.server.answers import Answer, Handler
from signaling.server.directory import Directory
from signaling.server.presence import Presence
from signaling.server.relations import Relations
from signaling.server.sale_books import SaleBooks, Seen
from signaling.server.sale_news import DueWork, SaleNews
from signaling.server.sale_rows import payout_row
from signaling.server.sale_watch import SaleWatch
from signaling.server.selling import Selling
from signaling.server.session import Member, Session
from signaling.server.surroundings import Surroundings
from signaling.store import Store, bans

__all__ = ["BoxOffice"]

log = logging.getLogger(__name__)

_MS_US = 1_000
_UNKNOWN_RETRY_MS = 5_000
_ACCOUNTS: Mapping[str, int] = {"none": 0, "pending": 1, "verified": 2}


class BoxOffice:
    """**Whoever blocked the host, or was blocked, is answered as if the Space were not there.**

    Made with the other parts; `open` it before the first request, `close` it once nobody is served.
    """

    def __init__(  # noqa: PLR0917 - the parts it is made of
        self,
        config: ServerConfig,
        store: Store,
        provider: Provider,
        directory: Directory,
        relations: Relations,
        presence: Presence,
        around: Surroundings,
    ) -> None:
        limits = self._limits = config.sale_limits
        self._store = store
        self._directory = directory
        self._around = around
        self._why_off = why_not_selling(config)
        # Each beside the other: however long the provider thinks, no seat waits for it.
        self._due = (
            DueWork(around, "seats", self._on_seats),
            DueWork(around, "money", self._on_money),
        )
        self.news = SaleNews(store, presence, around, limits, self._due)
        """Told who comes and goes."""
        self.on_sale: Callable[[bytes], None] = lambda space: None
        """Told of each Space that is put on sale. It must not wait."""
        self.till = Till(
            store,
            provider,
            limits,
            wall_us=around.wall_us,
            told=self.news,
            random_bytes=around.random_bytes,
        )
        self.watch = SaleWatch(
            store, around, changed=self.news.ticket_changed, offered=self.news.seat_offered
        )
        """Open where other servers may be at the database."""
        self._books = SaleBooks(store, relations, self.till, limits)
        self._selling = Selling(
            store, relations, self._books, self.till, provider.name, limits, around.wall_us
        )

    @property
    def handlers(self) -> Mapping[type[wire.Request], Handler]:
        """All about tickets and money."""
        return {
            wire.Sell: self._sell,
            wire.GetTerms: self._get_terms,
            wire.Reserve: self._reserve,
            wire.Buy: self._buy,
            wire.Release: self._release,
            wire.ListTickets: self._list_tickets,
            wire.Refund: self._refund,
            wire.GetStatement: self._get_statement,
            wire.ListPayouts: self._list_payouts,
            wire.PayOut: self._pay_out,
            wire.GetPayoutAccount: self._get_payout_account,
            wire.Wait: self._wait,
            wire.StopWaiting: self._stop_waiting,
        }

    async def open(self, *, is_shared: bool = False) -> None:
        """Finish what an earlier run left without an outcome, and do by time from now on what is due.

        `is_shared`: what has no outcome yet may be another server's call that is under way, so it is asked
        about when it is due, and not before. Raises ConfigError where the earlier run sold in another
        currency.
        """
        await check_ledger(self._store, self._limits.currency.code)
        left = 0 if is_shared else await self.till.complete_unfinished()
        if left:
            log.warning("%d payments, refunds or payouts have no outcome yet; they are asked about", left)
        self.news.due(self._around.wall_us())
        if self._store.is_for_many:
            await self.watch.start()

    def close(self) -> None:
        """Do nothing by time any more. What is under way goes on, or is finished at the next start."""
        for work in self._due:
            work.stop()
        self.watch.stop()

    async def on_provider_event(self, event: ProviderEvent) -> None:
        """Post what the provider tells, see `Till.on_provider_event`."""
        await self.till.on_provider_event(event)

    async def _on_seats(self) -> int:
        return await self.till.on_seats()

    async def _on_money(self) -> int:
        return await self.till.on_money()

    # Hosts

    async def _sell(self, session: Session, me: Member, request: wire.Sell) -> Answer:
        refused = self._off() or self._rated(RateKind.SELL, me)
        if refused is not None:
            return refused
        seen = await self._selling.sell(me.user, request)
        if isinstance(seen, Refused):
            return seen
        self.on_sale(request.space)
        return await self._books.sale_terms(request.id, seen, me.user)

    async def _refund(self, session: Session, me: Member, request: wire.Refund) -> Answer:
        refused = self._rated(RateKind.SELL, me)
        if refused is not None:
            return refused
        done = await self.till.refund(
            me.user, request.ticket, request.amount_minor, request.key, request.reason
        )
        if isinstance(done, Refused):
            return done
        return wire.Refunded(
            request.id,
            done.sale.sale,
            done.refund.amount_minor,
            done.sale.refunded_minor,
            done.sale.currency,
            self._limits.currency.exponent,
            0 if done.is_paid else 1,
        )

    async def _get_statement(self, session: Session, me: Member, request: wire.GetStatement) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        return refused or await self._books.statement(request.id, me.user, request.space)

    async def _list_payouts(self, session: Session, me: Member, request: wire.ListPayouts) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        return refused or await self._books.payouts(request.id, me.user, request.after, request.limit)

    async def _pay_out(self, session: Session, me: Member, request: wire.PayOut) -> Answer:
        refused = self._off() or self._rated(RateKind.SELL, me)
        if refused is not None:
            return refused
        sent = await self.till.pay_out(me.user, request.key)
        return sent if isinstance(sent, Refused) else wire.Payout(request.id, payout_row(sent, self._limits))

    async def _get_payout_account(
        self, session: Session, me: Member, request: wire.GetPayoutAccount
    ) -> Answer:
        refused = self._off() or self._rated(RateKind.SELL, me)
        if refused is not None:
            return refused
        try:
            account = await self.till.payout_account(me.user)
        except ProviderUnknown as error:
            log.warning("the payout account of %r is not known: %s", me.user, error)
            return Refused(
                "payment_unknown",
                "The payment provider gave 0 answers about your account, and 1 is needed; ask again.",
                _UNKNOWN_RETRY_MS,
            )
        return wire.PayoutAccount(request.id, _ACCOUNTS[account.state.value], account.link)

    # Buyers

    async def _get_terms(self, session: Session, me: Member, request: wire.GetTerms) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        if refused is not None:
            return refused
        seen = await self._books.look(me.user, request.space)
        return seen if isinstance(seen, Refused) else await self._books.sale_terms(request.id, seen, me.user)

    async def _reserve(self, session: Session, me: Member, request: wire.Reserve) -> Answer:
        seen = await self._buyer_at(me, request.space)
        if isinstance(seen, Refused):
            return seen
        held = await self.till.reserve(
            request.space,
            me.user,
            _prefix(session.address),
            request.key,
            free_of_charge=self._needs_no_ticket(request.space, me.user),
        )
        if isinstance(held, Refused):
            return held
        if isinstance(held, Waits):
            return wire.Waiting(request.id, held.space, held.place)
        return self._reserved(request.id, held)

    async def _buy(self, session: Session, me: Member, request: wire.Buy) -> Answer:
        refused = self._off() or self._rated(RateKind.BUY, me)
        if refused is not None:
            return refused
        bought: Bought | Refused = await self.till.buy(me.user, request.hold, request.method, request.key)
        if isinstance(bought, Refused):
            return bought
        return wire.Bought(request.id, bought.sale.sale, int(bought.state), bought.action_url)

    async def _release(self, session: Session, me: Member, request: wire.Release) -> Answer:
        refused = self._rated(RateKind.BUY, me)
        if refused is not None:
            return refused
        released = await self.till.release(me.user, request.hold)
        return released if isinstance(released, Refused) else wire.Ok(request.id)

    async def _list_tickets(self, session: Session, me: Member, request: wire.ListTickets) -> Answer:
        refused = self._rated(RateKind.SEARCH, me)
        if refused is not None:
            return refused
        if request.space is None:
            return await self._books.tickets_of(request.id, me.user, request.after, request.limit)
        return await self._books.sold(request.id, me.user, request.space, request.after, request.limit)

    async def _wait(self, session: Session, me: Member, request: wire.Wait) -> Answer:
        seen = await self._buyer_at(me, request.space)
        if isinstance(seen, Refused):
            return seen
        free = self._needs_no_ticket(request.space, me.user)
        waits = await self.till.wait(request.space, me.user, free_of_charge=free)
        return waits if isinstance(waits, Refused) else wire.Waiting(request.id, waits.space, waits.place)

    async def _stop_waiting(self, session: Session, me: Member, request: wire.StopWaiting) -> Answer:
        refused = self._rated(RateKind.BUY, me)
        if refused is not None:
            return refused
        seen = await self._books.look(me.user, request.space)
        if isinstance(seen, Refused):
            return seen
        await self.till.stop_waiting(request.space, me.user)
        return wire.Ok(request.id)

    # Inside

    async def _buyer_at(self, me: Member, space: bytes) -> Seen | Refused:
        """The Space for which `me` wants a seat."""
        refused = self._off() or self._rated(RateKind.BUY, me)
        if refused is not None:
            return refused
        seen = await self._books.look(me.user, space)
        if isinstance(seen, Refused):
            return seen
        async with self._store.transaction() as connection:
            is_banned = await bans.is_banned(connection, space, me.user)
        if is_banned:
            return Refused(
                "removed", "You were removed from this Space and 0 seats are for you; choose another."
            )
        return seen

    def _reserved(self, request_id: int, held: Sale) -> wire.Reserved:
        left_us = max(0, held.held_until_us - self._around.wall_us()) if held.is_open else 0
        return wire.Reserved(
            request_id,
            held.sale,
            left_us // _MS_US,
            held.amount_minor,
            held.currency,
            self._limits.currency.exponent,
        )

    def _needs_no_ticket(self, space: bytes, user: str) -> bool:
        """Of a Space that is live; before, only its host needs none, which the rules know."""
        actor = self._directory.get(space)
        if actor is None or actor.is_over:
            return False
        return free_of_charge(actor.state.standing(user), user in actor.state.invites)

    def _off(self) -> Refused | None:
        return (
            Refused("selling_off", f"This server sells 0 tickets: {self._why_off}") if self._why_off else None
        )

    def _rated(self, kind: RateKind, me: Member) -> Refused | None:
        allowed = self._around.rates.take(kind, me.user, self._around.clock_us())
        return allowed if isinstance(allowed, Refused) else None


def _prefix(address: str) -> str:
    """By which network holds are counted; those who came from nowhere that is known count together."""
    try:
        return address_prefix(address)
    except ValueError:
        return "unknown"
