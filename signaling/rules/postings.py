"""What each happening of a sale or payout books: double entry, every transaction sums to 0.

`position` says where the money of one sale is, as a function of the sale alone; a happening makes the next
sale, and its transaction is the difference of the two positions. So in whatever order, and in however many
parts, fees, refunds and chargebacks come, the accounts end up the same, and what is no news books nothing.

Signs: more than 0 is what is owed to us or ours to hold, less is what we owe or have earned.

| account               | balance                                                            |
|-----------------------|--------------------------------------------------------------------|
| `clearing:<provider>` | what buyers paid there less what went out, fees not counted         |
| `fees:<provider>`     | −(fees it keeps): clearing and fees together are the money there    |
| `host:<user>`         | −(owed to the host); above 0 the host owes, carried forward         |
| `platform`            | −(the platform's share) + the fees and losses it bears              |
| `refunds`             | −(refunds decided, not confirmed by the provider)                   |
| `payouts:<provider>`  | −(payouts sent, not confirmed by the provider)                      |
| `unsettled`           | −(sold, not split, for the provider has not reported its fee)       |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from signaling.rules.money import Tier, split
from signaling.rules.refunds import Refund, RefundState, parts
from signaling.rules.sale import Sale, SaleState
from signaling.rules.sales import TicketState

PLATFORM: Final = "platform"
REFUNDS: Final = "refunds"
UNSETTLED: Final = "unsettled"


class Kind(StrEnum):
    """Why an amount was posted. REFUND_FEE_KEPT: the fee of what was returned, on who bears it."""

    SALE = "sale"
    FEE = "fee"
    REFUND = "refund"
    REFUND_FEE_KEPT = "refund_fee_kept"
    REFUND_PAID = "refund_paid"
    REFUND_BOUNCED = "refund_bounced"
    CHARGEBACK = "chargeback"
    CHARGEBACK_WON = "chargeback_won"
    PAYOUT = "payout"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_FAILED = "payout_failed"


class Posting(NamedTuple):
    """One line of a transaction; never 0."""

    account: str
    amount_minor: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Transaction:
    """Postings that are written together or not at all. **They sum to 0.** ValueError: they do not, or none.

    `ref` is the id of the sale or payout. Sandbox postings are no money: balances leave them out.
    """

    kind: Kind
    ref: bytes
    currency: str
    sandbox: bool
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        total = sum(posting.amount_minor for posting in self.postings)
        if total or not self.postings or not all(posting.amount_minor for posting in self.postings):
            raise ValueError(
                f"{len(self.postings)} postings of {self.ref.hex()} sum to {total}; give some, none of 0, "
                "that sum to 0"
            )


class Line(NamedTuple):
    """A place of money: an account, apart what it bears as the fee of returned money."""

    account: str
    fee_kept: bool = False


@dataclass(frozen=True, slots=True)
class Booked:
    """The sale after a happening, and what is to be booked: None where it was no news."""

    sale: Sale
    transaction: Transaction | None


@dataclass(frozen=True, slots=True)
class RefundBooked:
    """As Booked, with the refund."""

    sale: Sale
    refund: Refund
    transaction: Transaction | None


def host_account(user: str) -> str:
    """What is owed to a host."""
    return f"host:{user}"


def clearing_account(provider: str) -> str:
    """Money at a provider, before its fees."""
    return f"clearing:{provider}"


def fees_account(provider: str) -> str:
    """What a provider keeps."""
    return f"fees:{provider}"


def payouts_account(provider: str) -> str:
    """Payouts under way."""
    return f"payouts:{provider}"


def position(sale: Sale) -> dict[Line, int]:
    """Where the money of the sale is. It sums to 0."""
    if sale.state is not SaleState.SOLD:
        return {}
    returned, back = sale.returned_minor, parts(sale)
    lost = sale.refunded_minor + sale.charged_back_minor - returned
    held = {
        Line(clearing_account(sale.provider)): sale.amount_minor
        - sale.refund_paid_minor
        - sale.charged_back_minor,
        Line(REFUNDS): sale.refund_paid_minor - sale.refunded_minor,
        Line(fees_account(sale.provider)): sale.fee_returned_minor
        - (sale.fee_minor or 0)
        - sale.dispute_fee_minor,
        Line(PLATFORM): back.platform_minor - sale.platform_minor + lost + sale.dispute_fee_minor,
        Line(PLATFORM, fee_kept=True): back.fee_of_platform_minor
        - (sale.fee_returned_minor - sale.fee_returned_to_host_minor),
        Line(host_account(sale.host)): back.host_minor - sale.host_minor,
        Line(host_account(sale.host), fee_kept=True): back.fee_of_host_minor
        - sale.fee_returned_to_host_minor,
    }
    if sale.fee_minor is None:
        held[Line(UNSETTLED)] = returned - sale.amount_minor
    return held


def difference(kind: Kind, before: Mapping[Line, int], after: Mapping[Line, int]) -> tuple[Posting, ...]:
    """The postings that lead from one position to another, in the order of accounts."""
    moved = {line: after.get(line, 0) - before.get(line, 0) for line in {*before, *after}}
    return tuple(
        Posting(line.account, moved[line], Kind.REFUND_FEE_KEPT if line.fee_kept else kind)
        for line in sorted(moved)
        if moved[line]
    )


def book_capture(
    before: Sale, sold: Sale, fee_minor: int | None, lifetime_minor: int, tiers: tuple[Tier, ...]
) -> Booked:
    """The sale `before` became `sold` by `holds.captured`; a fee that is known already settles it at once.

    `lifetime_minor`: the sum of `refunds.lifetime_minor` over the host's sales. ValueError: it is not sold.
    """
    if sold.state is not SaleState.SOLD:
        raise ValueError(f"the sale {sold.sale.hex()} is {sold.state}; book it when its payment is captured")
    if fee_minor is not None and sold.fee_minor is None:
        sold = _settled(sold, fee_minor, lifetime_minor, tiers)
    return _booked(Kind.SALE, before, sold)


def book_fee(sale: Sale, fee_minor: int, lifetime_minor: int, tiers: tuple[Tier, ...]) -> Booked:
    """The provider reports its fee of a sale: it is split and settled. A second report is no news.

    ValueError: not sold yet, or a fee below 0.
    """
    if sale.state is not SaleState.SOLD:
        raise ValueError(f"the sale {sale.sale.hex()} is {sale.state}; report a fee when it is sold")
    if sale.fee_minor is not None:
        return Booked(sale, None)
    return _booked(Kind.FEE, sale, _settled(sale, fee_minor, lifetime_minor, tiers))


def book_refund(sale: Sale, refund: Refund) -> Booked:
    """A refund is decided: booked as owed before the provider is called. With the last of the amount the
    ticket is refunded. ValueError: not 1 to `refundable_minor`."""
    if not 1 <= refund.amount_minor <= sale.refundable_minor:
        raise ValueError(
            f"a refund of {refund.amount_minor} of the sale {sale.sale.hex()}, of which "
            f"{sale.refundable_minor} is left; ask how much is due first"
        )
    by_host = refund.amount_minor if refund.by_host else 0
    after = replace(
        sale,
        refunded_minor=sale.refunded_minor + refund.amount_minor,
        refunded_by_host_minor=sale.refunded_by_host_minor + by_host,
    )
    if not after.refundable_minor:
        after = replace(after, ticket=TicketState.REFUNDED)
    return _booked(Kind.REFUND, sale, after)


def book_refund_paid(sale: Sale, refund: Refund, fee_returned_minor: int = 0) -> RefundBooked:
    """The provider confirms a refund, and gives back so much of its fee to who bore it; most give 0.

    A second time it is no news, unless more of the fee came back than was known then. ValueError: a returned
    fee below 0, or a refund of another sale.
    """
    if fee_returned_minor < 0:
        raise ValueError(f"a returned fee of {fee_returned_minor}; give 0 or more")
    moved = paid = replace(refund, state=RefundState.PAID, fee_returned_minor=fee_returned_minor)
    if refund.state is RefundState.PAID:
        more_minor = fee_returned_minor - refund.fee_returned_minor
        if more_minor <= 0:
            return RefundBooked(sale, refund, None)
        moved = replace(paid, amount_minor=0, fee_returned_minor=more_minor)
    return _refund_moved(Kind.REFUND_PAID, sale, paid, moved, 1)


def book_refund_bounced(sale: Sale, refund: Refund) -> RefundBooked:
    """A refund that was confirmed came back, or failed after all: it is owed again. A second time it is no
    news. ValueError: of another sale."""
    if refund.state is RefundState.OWED:
        return RefundBooked(sale, refund, None)
    owed = replace(refund, state=RefundState.OWED, fee_returned_minor=0)
    return _refund_moved(Kind.REFUND_BOUNCED, sale, owed, refund, -1)


def book_chargeback(sale: Sale, amount_minor: int, dispute_fee_minor: int) -> Booked:
    """The buyer's bank took the money back, and the provider its fee for that, which the platform bears.

    The shares are returned as with a refund; what exceeds the sale is the platform's loss. Who disputes
    loses the ticket for good, and its seat is not sold again. One a sale: a second time, or after it was
    won, it is no news; that it was lost in the end is none either, but may be the first to be heard.
    ValueError: not sold, an amount below 1, or a fee below 0.
    """
    if sale.state is not SaleState.SOLD or amount_minor < 1 or dispute_fee_minor < 0:
        raise ValueError(
            f"a chargeback of {amount_minor} with a fee of {dispute_fee_minor} of the sale "
            f"{sale.sale.hex()}, which is {sale.state}; give 1 or more of a sold one, and a fee of 0 or more"
        )
    if sale.disputed:
        return Booked(sale, None)
    ticket = TicketState.REVOKED if sale.ticket is TicketState.VALID else sale.ticket
    lost = replace(sale, charged_back_minor=amount_minor, dispute_fee_minor=dispute_fee_minor)
    return _booked(Kind.CHARGEBACK, sale, replace(lost, disputed=True, ticket=ticket))


def book_chargeback_won(sale: Sale, fee_returned: bool = False) -> Booked:
    """The dispute was decided for us: the money is back where it was.

    Heard of before the chargeback it books nothing, and the chargeback is no news then. ValueError: not sold.
    """
    if sale.state is not SaleState.SOLD:
        raise ValueError(f"the sale {sale.sale.hex()} is {sale.state}; report a dispute when it is sold")
    fee_minor = 0 if fee_returned else sale.dispute_fee_minor
    won = replace(sale, charged_back_minor=0, dispute_fee_minor=fee_minor, disputed=True)
    return _booked(Kind.CHARGEBACK_WON, sale, won)


def _settled(sale: Sale, fee_minor: int, lifetime_minor: int, tiers: tuple[Tier, ...]) -> Sale:
    if fee_minor < 0:
        raise ValueError(f"a fee of {fee_minor} of the sale {sale.sale.hex()}; give 0 or more")
    shares = split(sale.amount_minor - fee_minor, lifetime_minor, tiers)
    return replace(
        sale, fee_minor=fee_minor, host_minor=shares.host_minor, platform_minor=shares.platform_minor
    )


def _refund_moved(kind: Kind, sale: Sale, refund: Refund, moved: Refund, sign: int) -> RefundBooked:
    """The sale with the amount and fee of `moved` paid, or with a `sign` of -1 not paid any more."""
    if moved.sale != sale.sale:
        raise ValueError(f"the refund {moved.refund.hex()} is of another sale than {sale.sale.hex()}")
    paid = sale.refund_paid_minor + sign * moved.amount_minor
    if not 0 <= paid <= sale.refunded_minor:
        raise ValueError(f"{paid} of {sale.refunded_minor} would be paid back; book each refund before")
    fee = sign * moved.fee_returned_minor
    after = replace(
        sale,
        refund_paid_minor=paid,
        fee_returned_minor=sale.fee_returned_minor + fee,
        fee_returned_to_host_minor=sale.fee_returned_to_host_minor + (fee if moved.by_host else 0),
    )
    booked = _booked(kind, sale, after)
    return RefundBooked(booked.sale, refund, booked.transaction)


def _booked(kind: Kind, before: Sale, after: Sale) -> Booked:
    postings = difference(kind, position(before), position(after))
    if not postings:
        return Booked(after, None)
    return Booked(after, Transaction(kind, after.sale, after.currency, after.sandbox, postings))
