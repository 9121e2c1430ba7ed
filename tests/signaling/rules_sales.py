"""A Space on sale, a buyer and a sale at each stage, for the tests of the rules of money."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from signaling.protocol import ErrorCode
from signaling.rules import CODES, Refused, State
from signaling.rules.holds import BuyerFacts, captured, pay, reserve
from signaling.rules.money import currency
from signaling.rules.postings import Booked, Kind, RefundBooked, book_capture, book_fee
from signaling.rules.refunds import Refund, RefundReason
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
T0 = 20_000 * DAY_US
STARTS_US = T0 + DAY_US
LIMITS = SaleLimits.for_currency(currency("USD"))
FACTS = BuyerFacts("192.0.2.0/24")

Answer = TypeVar("Answer")


def done(answer: Answer | Refused) -> Answer:
    assert not isinstance(answer, Refused), answer
    return answer


def code(answer: object) -> str:
    """The code of a refusal, which names a limit and a remedy and is known to the protocol."""
    assert isinstance(answer, Refused), answer
    assert answer.code in CODES
    assert answer.code in ErrorCode.__members__
    assert answer.message.endswith(".")
    assert ";" in answer.message, "a refusal names a remedy"
    return answer.code


def on_sale(price_minor: int = 1_000, capacity: int = 10, **facts: object) -> OnSale:
    terms = Terms(price_minor, capacity, HOUR_US, "USD", T0, STARTS_US + HOUR_US)
    return replace(OnSale(b"space".ljust(16), "ann", State.SCHEDULED, STARTS_US, terms), **facts)


def held(space: OnSale | None = None, buyer: str = "bob", sandbox: bool = False) -> Sale:
    space = on_sale() if space is None else space
    return done(reserve(space, b"sale".ljust(16), buyer, FACTS, "bank", sandbox, T0, LIMITS))


def paying(sale: Sale | None = None) -> Sale:
    sale = held() if sale is None else sale
    return done(pay(sale, on_sale(), sale.buyer, b"charge".ljust(16), T0, LIMITS))


def sold(amount_minor: int = 1_000, sandbox: bool = False) -> Sale:
    """Captured and booked, its fee not known."""
    before = paying(held(on_sale(amount_minor), sandbox=sandbox))
    after = captured(before, on_sale(), False, T0)
    return book_capture(before, after, None, 0, LIMITS.tiers).sale


def settled(amount_minor: int = 1_000, fee_minor: int = 59, lifetime_minor: int = 0) -> Sale:
    return book_fee(sold(amount_minor), fee_minor, lifetime_minor, LIMITS.tiers).sale


def refund(amount_minor: int, reason: RefundReason = RefundReason.PLATFORM_ENDED, number: int = 1) -> Refund:
    return Refund(number.to_bytes(16), b"sale".ljust(16), amount_minor, reason, T0)


def posted(booked: Booked | RefundBooked) -> list[tuple[str, int]]:
    """Accounts and amounts of a transaction."""
    assert booked.transaction is not None
    return [(posting.account, posting.amount_minor) for posting in booked.transaction.postings]


def kinds(booked: Booked | RefundBooked) -> set[Kind]:
    assert booked.transaction is not None
    return {posting.kind for posting in booked.transaction.postings}
