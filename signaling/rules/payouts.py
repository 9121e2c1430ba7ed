"""Payouts: when a host's share may leave, how much of it, and the statement of a Space."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from signaling.rules.money import format_amount
from signaling.rules.permissions import Refused
from signaling.rules.postings import (
    Kind,
    Line,
    Transaction,
    clearing_account,
    difference,
    host_account,
    payouts_account,
)
from signaling.rules.refunds import parts
from signaling.rules.sale import Sale, SaleState, seats
from signaling.rules.sale_limits import SaleLimits


class PayoutState(StrEnum):
    """SENT: booked before the provider is called, and while the outcome is not known."""

    SENT = "sent"
    PAID = "paid"
    FAILED = "failed"


class MoneyState(StrEnum):
    """Where the host's share of a sold sale is. UNSETTLED: the provider has not reported its fee."""

    UNSETTLED = "unsettled"
    SETTLED = "settled"
    AVAILABLE = "available"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Payout:
    """One payout to a host: a row of the store. `payout` is random and the key at the provider."""

    payout: bytes
    host: str
    amount_minor: int
    currency: str
    provider: str
    at_us: int
    state: PayoutState = PayoutState.SENT


@dataclass(frozen=True, slots=True)
class PayoutBooked:
    """The payout after a happening, and what is to be booked: None where it was no news."""

    payout: Payout
    transaction: Transaction | None


@dataclass(frozen=True, slots=True)
class Statement:
    """The sold sales of one Space in sums, in minor units.

    `tickets` were sold, `seats_kept` of them still have their seat. `fees_minor` is what the provider keeps,
    disputes included; `host_minor` is the host's share as it is now, returned money and borne fees deducted,
    `platform_minor` all that the sales leave the platform, losses deducted; of the host's share `paid_minor`
    was paid out and `unsettled_minor` (gross) is not split yet.
    `sold − refunded − charged back = fees + host + platform + unsettled`.
    """

    tickets: int
    seats_kept: int
    sold_minor: int
    refunded_minor: int
    charged_back_minor: int
    fees_minor: int
    host_minor: int
    platform_minor: int
    unsettled_minor: int
    paid_minor: int


def host_now_minor(sale: Sale) -> int:
    """What the sale leaves its host as it is now; below 0 where the host bears more than they got."""
    back = parts(sale)
    return sale.host_minor - back.host_minor - back.fee_of_host_minor + sale.fee_returned_to_host_minor


def money_state(sale: Sale, closed_us: int | None, now_us: int, limits: SaleLimits) -> MoneyState:
    """Where the host's share of a sold sale is; `closed_us` is when its Space ended or was cancelled.

    Available `available_us` after that, and never in the sandbox.
    """
    if sale.payout:
        return MoneyState.PAID
    if sale.fee_minor is None:
        return MoneyState.UNSETTLED
    if sale.sandbox or closed_us is None or now_us < closed_us + limits.available_us:
        return MoneyState.SETTLED
    return MoneyState.AVAILABLE


def held_back_minor(sale: Sale, closed_us: int | None, now_us: int, limits: SaleLimits) -> int:
    """What of the host's balance this sale keeps from being paid out: its share until it is available.

    A share below 0 is not held back: debts count at once.
    """
    state = money_state(sale, closed_us, now_us, limits)
    early = state in (MoneyState.UNSETTLED, MoneyState.SETTLED)
    return max(0, host_now_minor(sale)) if early and not sale.sandbox else 0


def payout_due(
    balance_minor: int, held_minor: int, verified_account: bool, limits: SaleLimits
) -> int | Refused:
    """How much is paid out now: all that is available, or nothing and it rolls over.

    `balance_minor` is what the ledger owes the host, −(balance of `host_account`) without sandbox postings:
    earlier payouts and debts are in it. `held_minor`: the sum of `held_back_minor` over the host's sales.
    Refused: payout_account_missing, payout_too_small.
    """
    due = balance_minor - held_minor
    settled_in = limits.currency
    if not verified_account:
        return Refused(
            "payout_account_missing",
            f"{format_amount(due, settled_in)} is available and of 1 verified payout account that is needed "
            "you have 0; finish yours first.",
        )
    if due < limits.payout_least_minor:
        return Refused(
            "payout_too_small",
            f"{format_amount(due, settled_in)} is available and "
            f"{format_amount(limits.payout_least_minor, settled_in)} is the least that is paid out; it rolls "
            "over until there is more.",
        )
    return due


def book_payout(payout: Payout) -> PayoutBooked:
    """A payout is decided: booked before the provider is called. ValueError: less than 1, or not new."""
    if payout.amount_minor < 1 or payout.state is not PayoutState.SENT:
        raise ValueError(
            f"a payout of {payout.amount_minor} that is {payout.state}; book a new one of 1 or more"
        )
    return PayoutBooked(payout, _transaction(Kind.PAYOUT, {}, payout))


def book_payout_paid(payout: Payout) -> PayoutBooked:
    """The provider confirms it. A second time it is no news; after a failure it is what happened."""
    return _moved(Kind.PAYOUT_PAID, payout, PayoutState.PAID)


def book_payout_failed(payout: Payout) -> PayoutBooked:
    """The provider refuses it, or the money came back: the host is owed it again."""
    return _moved(Kind.PAYOUT_FAILED, payout, PayoutState.FAILED)


def statement(sales: Iterable[Sale], paid: frozenset[bytes] = frozenset()) -> Statement:
    """The sums of the sold ones among `sales`; `paid` are the payouts that the provider confirmed."""
    sold = [sale for sale in sales if sale.state is SaleState.SOLD]
    settled = [sale for sale in sold if sale.fee_minor is not None]
    fees = sum((sale.fee_minor or 0) - sale.fee_returned_minor + sale.dispute_fee_minor for sale in sold)
    host = sum(host_now_minor(sale) for sale in sold)
    gross = sum(sale.amount_minor for sale in sold)
    refunded = sum(sale.refunded_minor for sale in sold)
    charged_back = sum(sale.charged_back_minor for sale in sold)
    unsettled = sum(sale.amount_minor - sale.returned_minor for sale in sold if sale.fee_minor is None)
    return Statement(
        tickets=len(sold),
        seats_kept=sum(seats(sale).sold for sale in sold),
        sold_minor=gross,
        refunded_minor=refunded,
        charged_back_minor=charged_back,
        fees_minor=fees,
        host_minor=host,
        platform_minor=gross - refunded - charged_back - fees - host - unsettled,
        unsettled_minor=unsettled,
        paid_minor=sum(host_now_minor(sale) for sale in settled if sale.payout in paid),
    )


def _position(payout: Payout) -> dict[Line, int]:
    amount = payout.amount_minor
    if payout.state is PayoutState.FAILED:
        return {}
    left_from = payouts_account if payout.state is PayoutState.SENT else clearing_account
    return {Line(host_account(payout.host)): amount, Line(left_from(payout.provider)): -amount}


def _moved(kind: Kind, payout: Payout, state: PayoutState) -> PayoutBooked:
    if payout.state is state:
        return PayoutBooked(payout, None)
    after = replace(payout, state=state)
    return PayoutBooked(after, _transaction(kind, _position(payout), after))


def _transaction(kind: Kind, before: dict[Line, int], payout: Payout) -> Transaction:
    postings = difference(kind, before, _position(payout))
    return Transaction(kind, payout.payout, payout.currency, False, postings)
