"""Amounts and states of tickets as the commands print them, and amounts as people type them."""

from __future__ import annotations

from typing import Final

from signaling.cli.failures import Misuse
from signaling.cli.printing import duration
from signaling.client import PayoutRow, PriceRow, TicketRow, TicketState
from signaling.rules import Refused
from signaling.rules.money import Currency, format_amount, parse_amount

__all__ = ["amount", "given_back", "heard", "payout_word", "price_word", "read_amount", "ticket_word"]

_TICKETS: Final = ("valid", "refunded", "revoked", "payment under way", "payment failed")
_PAYOUTS: Final = ("under way", "paid", "failed")


def amount(amount_minor: int, code: str, exponent: int) -> str:
    """`12.50 USD`, with as many decimals as the currency has."""
    return format_amount(amount_minor, Currency(code, exponent))


def read_amount(option: str, text: str, code: str, exponent: int) -> int:
    """Minor units of what was typed, such as 12.50. Misuse for what is no amount of this currency."""
    found = parse_amount(text, Currency(code, exponent))
    if isinstance(found, Refused):
        raise Misuse(found.code, f"{option}: {found.message.rstrip('.')}")
    return found


def ticket_word(row: TicketRow) -> str:
    """What it is worth; of a payment that failed, why."""
    word = _TICKETS[row.state] if row.state < len(_TICKETS) else f"in state {row.state}"
    return f"{word}: {row.why}" if row.why and row.state == TicketState.FAILED else word


def given_back(row: TicketRow) -> str:
    """How much of it went back, why, and what the host said to that; nothing where nothing did."""
    if not row.refunded_minor:
        return ""
    said = ": ".join(filter(None, (row.why.replace("_", " "), row.note)))
    sum_ = amount(row.refunded_minor, row.currency, row.exponent)
    return f"{sum_} ({said})" if said else sum_


def payout_word(row: PayoutRow) -> str:
    """How far it is, and why not farther."""
    word = _PAYOUTS[row.state] if row.state < len(_PAYOUTS) else f"in state {row.state}"
    return f"{word}: {row.reason}" if row.reason else word


def price_word(price: PriceRow | None) -> str:
    """What a ticket costs; nothing where nobody needs one."""
    return "" if price is None else amount(price.price_minor, price.currency, price.exponent)


def heard(row: TicketRow) -> str:
    """What of the time on air was delivered, and what was promised; nothing before it began."""
    if not row.on_air_ms:
        return ""
    delivered, on_air = duration(row.delivered_ms / 1000), duration(row.on_air_ms / 1000)
    return f"{delivered} of {on_air} on air, {duration(row.promised_ms / 1000)} promised"
