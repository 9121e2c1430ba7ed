"""Tickets: requests, replies and events of selling, buying, refunding and paying out.

Amounts are whole minor units of the currency: 1250 with `exponent` 2 is 12.50, with 0 it is 1250. Ids of
holds, tickets and payouts are 16 random bytes that the server makes; a `key` is one that the client makes.
"""

from __future__ import annotations

from msgspec import Struct

from signaling.protocol.fields import (
    U8,
    U32,
    AmountMinor,
    BalanceMinor,
    Currency,
    CurrencyOrNone,
    Cursor,
    DurationMs,
    EpochMs,
    Exponent,
    Key,
    Name,
    PageSize,
    PaymentMethod,
    Reason,
    RequestId,
    SaleId,
    SpaceId,
    Title,
    Url,
    UserOrNone,
)
from signaling.protocol.messages.rows import (
    PayoutRow,
    PayoutRows,
    TermsRow,
    TicketRow,
    TicketRows,
)

__all__ = [
    "Bought",
    "Buy",
    "GetPayoutAccount",
    "GetStatement",
    "GetTerms",
    "ListPayouts",
    "ListTickets",
    "PayOut",
    "Payout",
    "PayoutAccount",
    "Payouts",
    "Refund",
    "Refunded",
    "Release",
    "Reserve",
    "Reserved",
    "SaleTerms",
    "SeatOffered",
    "Sell",
    "Statement",
    "StopWaiting",
    "TicketChanged",
    "TicketRequired",
    "Tickets",
    "Wait",
    "Waiting",
]

# Requests


class Sell(Struct, array_like=True, tag=58, frozen=True):
    """Sell tickets for a scheduled Space of mine, or change their terms. Answered by SaleTerms.

    `promised_ms`: how long the Space will at least be on air. `sale_from_ms` 0: at once; `sale_until_ms` 0:
    to its promised end. `currency` empty: the server's, and no other is taken.
    """

    id: RequestId
    space: SpaceId
    price_minor: AmountMinor
    capacity: U32
    promised_ms: DurationMs
    sale_from_ms: EpochMs = 0
    sale_until_ms: EpochMs = 0
    currency: CurrencyOrNone = ""


class GetTerms(Struct, array_like=True, tag=59, frozen=True):
    """What a ticket costs. Answered by SaleTerms."""

    id: RequestId
    space: SpaceId


class Reserve(Struct, array_like=True, tag=60, frozen=True):
    """Hold a seat for me while I pay. Answered by Reserved, or by Waiting where I wait for one already."""

    id: RequestId
    space: SpaceId
    key: Key


class Buy(Struct, array_like=True, tag=61, frozen=True):
    """Pay for a seat that is held for me; `method` is the provider's name of a card. Answered by Bought."""

    id: RequestId
    hold: SaleId
    method: PaymentMethod
    key: Key


class Release(Struct, array_like=True, tag=62, frozen=True):
    """Let go of a seat that is held for me. Answered by Ok."""

    id: RequestId
    hold: SaleId


class ListTickets(Struct, array_like=True, tag=63, frozen=True):
    """My tickets, the latest first; or, as a host, those sold for `space`. Answered by Tickets."""

    id: RequestId
    after: Cursor | None = None
    limit: PageSize = 50
    space: SpaceId | None = None


class Refund(Struct, array_like=True, tag=128, frozen=True):
    """Give a buyer of mine money back; `amount_minor` 0: all that is left. Answered by Refunded."""

    id: RequestId
    ticket: SaleId
    amount_minor: AmountMinor
    reason: Reason
    key: Key


class GetStatement(Struct, array_like=True, tag=129, frozen=True):
    """What a Space of mine sold and what became of the money. Answered by Statement."""

    id: RequestId
    space: SpaceId


class ListPayouts(Struct, array_like=True, tag=130, frozen=True):
    """My payouts, the latest first, and what I have. Answered by Payouts."""

    id: RequestId
    after: Cursor | None = None
    limit: PageSize = 50


class PayOut(Struct, array_like=True, tag=131, frozen=True):
    """Pay me all that is available. Answered by Payout."""

    id: RequestId
    key: Key


class GetPayoutAccount(Struct, array_like=True, tag=132, frozen=True):
    """Where my money goes, and a link to set that up. Answered by PayoutAccount."""

    id: RequestId


class Wait(Struct, array_like=True, tag=133, frozen=True):
    """Put me on the waiting list of a Space that is sold out. Answered by Waiting."""

    id: RequestId
    space: SpaceId


class StopWaiting(Struct, array_like=True, tag=134, frozen=True):
    """Take me off the waiting list. Answered by Ok."""

    id: RequestId
    space: SpaceId


# Replies


class TicketRequired(Struct, array_like=True, tag=82, frozen=True):
    """Answers Join, Resume and Peek of a Space for which one needs a ticket and has none.

    `place`: mine on the waiting list, from 1; 0: I am not on it. `state` as in Peeked.
    """

    id: RequestId
    space: SpaceId
    title: Title
    host_name: Name
    starts_ms: EpochMs
    terms: TermsRow
    place: U32 = 0
    host: UserOrNone = ""
    state: U8 = 0


class SaleTerms(Struct, array_like=True, tag=83, frozen=True):
    """Terms of sale; `has_ticket`: I need none any more. `place` as in TicketRequired."""

    id: RequestId
    space: SpaceId
    title: Title
    host_name: Name
    starts_ms: EpochMs
    terms: TermsRow
    place: U32 = 0
    has_ticket: bool = False


class Reserved(Struct, array_like=True, tag=84, frozen=True):
    """A seat is held for me for so long."""

    id: RequestId
    hold: SaleId
    expires_in_ms: DurationMs
    price_minor: AmountMinor
    currency: Currency
    exponent: Exponent


class Waiting(Struct, array_like=True, tag=85, frozen=True):
    """I am on the waiting list, at this `place`, from 1."""

    id: RequestId
    space: SpaceId
    place: U32


class Bought(Struct, array_like=True, tag=86, frozen=True):
    """`state`: 0 sold, 1 the buyer has something to do at `action_url` first, 2 not known yet.

    After 1 and 2 comes TicketChanged.
    """

    id: RequestId
    ticket: SaleId
    state: U8
    action_url: Url = ""


class Tickets(Struct, array_like=True, tag=87, frozen=True):
    """One page of tickets; `more` is None on the last."""

    id: RequestId
    tickets: TicketRows
    more: Cursor | None = None


class Refunded(Struct, array_like=True, tag=88, frozen=True):
    """`amount_minor` by this request, `refunded_minor` in all. `state`: 0 done, 1 under way."""

    id: RequestId
    ticket: SaleId
    amount_minor: AmountMinor
    refunded_minor: AmountMinor
    currency: Currency
    exponent: Exponent
    state: U8 = 0


class Statement(Struct, array_like=True, tag=89, frozen=True):
    """What one Space sold. sold - refunded - charged back = fees + host + platform + unsettled.

    `host_minor` and `platform_minor` fall below 0 where refunds cost more fees than sales brought.
    `unsettled_minor`: of sales whose fee is not known yet. `on_air_ms`: how long it was; `delivered_ms`: what
    its tickets got of that, on average. `sandbox`: no money at all.
    """

    id: RequestId
    space: SpaceId
    title: Title
    currency: Currency
    exponent: Exponent
    tickets: U32
    sold_minor: AmountMinor
    refunded_minor: AmountMinor
    charged_back_minor: AmountMinor
    fees_minor: AmountMinor
    host_minor: BalanceMinor
    platform_minor: BalanceMinor
    unsettled_minor: AmountMinor
    paid_out_minor: AmountMinor
    available_ms: EpochMs
    promised_ms: DurationMs
    on_air_ms: DurationMs
    delivered_ms: DurationMs
    sandbox: bool = False


class Payouts(Struct, array_like=True, tag=90, frozen=True):
    """One page of payouts; `more` is None on the last. `balance_minor` is below 0 where I owe.

    `available_minor`: what `pay_out` would pay now, once it is at least `least_minor`.
    """

    id: RequestId
    payouts: PayoutRows
    more: Cursor | None
    currency: Currency
    exponent: Exponent
    balance_minor: BalanceMinor
    available_minor: AmountMinor
    least_minor: AmountMinor


class Payout(Struct, array_like=True, tag=91, frozen=True):
    """A payout of mine as it is now."""

    id: RequestId
    payout: PayoutRow


class PayoutAccount(Struct, array_like=True, tag=92, frozen=True):
    """`state`: 0 none, 1 something is missing: finish it at `link`, 2 verified."""

    id: RequestId
    state: U8
    link: Url = ""


# Events


class SeatOffered(Struct, array_like=True, tag=117, frozen=True):
    """A seat has become free and is held for me: Buy or Release `hold`."""

    serial: U32
    space: SpaceId
    hold: SaleId
    expires_in_ms: DurationMs
    title: Title


class TicketChanged(Struct, array_like=True, tag=118, frozen=True):
    """A ticket of mine is new, or different."""

    serial: U32
    ticket: TicketRow
