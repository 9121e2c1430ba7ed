"""Amounts of money: the settlement currency, amounts as people write them, and the split of a sale.

Every amount is an integer in minor units (cents; whole yen). There is no float in here, and none is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from iso4217 import Currency as _IsoCurrency

from signaling.rules.permissions import Refused

__all__ = [
    "AMOUNT_DIGITS",
    "WHOLE_BP",
    "Currency",
    "Price",
    "Split",
    "SplitPart",
    "Tier",
    "checked_tiers",
    "currency",
    "default_tiers",
    "format_amount",
    "parse_amount",
    "split",
]

AMOUNT_DIGITS: Final = 15
"""Digits of the largest amount that is read or booked: sums of thousands of them stay within 64 bits."""

WHOLE_BP: Final = 10_000
"""Basis points of a whole: 97 % are 9,700."""

_FIRST_TIER_UNITS = 50_000
_FIRST_TIER_BP = 9_700
_LAST_TIER_BP = 8_000
_AMOUNT = re.compile(r"([0-9]+)(?:\.([0-9]+))?")
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: `code` such as USD, and how many decimals its minor unit has (`exponent`)."""

    code: str
    exponent: int

    @property
    def unit_minor(self) -> int:
        """One whole unit in minor units: 100 for USD, 1 for JPY, 1000 for KWD."""
        return int(10**self.exponent)


class Price(NamedTuple):
    """What a ticket costs: minor units of the currency with this code."""

    amount_minor: int
    currency: str


def currency(code: str) -> Currency:
    """The currency of this code, in capitals. ValueError: ISO 4217 has none, or none with a minor unit."""
    try:
        exponent = _IsoCurrency(code).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise ValueError(
            f"{code[:_SHOWN_CHARS]!r} is no currency that can be paid in; write a code of ISO 4217 in "
            "capitals, such as USD"
        )
    return Currency(code, exponent)


def parse_amount(text: str, settled_in: Currency) -> int | Refused:
    """Minor units of what a person wrote: `12`, `12.5`, `12.50`, also with the currency before or behind.

    Refused with bad_price: a sign, a comma, an exponent, more decimals than the currency has, another
    currency, more than AMOUNT_DIGITS digits. Nothing is rounded.
    """
    bare = text.strip().removeprefix(settled_in.code).removesuffix(settled_in.code).strip()
    found = _AMOUNT.fullmatch(bare)
    shown = text[:_SHOWN_CHARS]
    if found is None:
        return Refused(
            "bad_price",
            f"{shown!r} is no amount in {settled_in.code}; write digits with a point, such as "
            f"{format_amount(12 * settled_in.unit_minor, settled_in)}.",
        )
    whole, decimals = found[1], found[2] or ""
    if len(decimals) > settled_in.exponent:
        return Refused(
            "bad_price",
            f"{shown!r} has {len(decimals)} decimals and {settled_in.exponent} is the limit of "
            f"{settled_in.code}; leave out the rest.",
        )
    digits = (whole + decimals.ljust(settled_in.exponent, "0")).lstrip("0")
    if len(digits) > AMOUNT_DIGITS:
        return Refused(
            "bad_price",
            f"{shown!r} has {len(digits)} digits in minor units and {AMOUNT_DIGITS} is the limit; "
            "name a smaller amount.",
        )
    return int(digits or "0")


def format_amount(amount_minor: int, settled_in: Currency) -> str:
    """For a person to read, as `parse_amount` reads it again: `12.50 USD`, `-3 JPY`."""
    sign = "-" if amount_minor < 0 else ""
    digits = str(abs(amount_minor)).rjust(settled_in.exponent + 1, "0")
    point = len(digits) - settled_in.exponent
    decimals = f".{digits[point:]}" if settled_in.exponent else ""
    return f"{sign}{digits[:point]}{decimals} {settled_in.code}"


class Tier(NamedTuple):
    """The host's share, in basis points, of revenue until the host's lifetime revenue is `until_minor`.

    None for the last tier, which has no end.
    """

    until_minor: int | None
    host_bp: int


class SplitPart(NamedTuple):
    """What of one sale lies in one tier."""

    net_minor: int
    host_bp: int
    host_minor: int


@dataclass(frozen=True, slots=True)
class Split:
    """How the net of one sale is divided, stored with it. **`host_minor + platform_minor == net_minor`.**"""

    net_minor: int
    host_minor: int
    platform_minor: int
    parts: tuple[SplitPart, ...]


def default_tiers(settled_in: Currency) -> tuple[Tier, ...]:
    """97 % until 50,000 whole units of the currency, then 80 %."""
    return (
        Tier(_FIRST_TIER_UNITS * settled_in.unit_minor, _FIRST_TIER_BP),
        Tier(None, _LAST_TIER_BP),
    )


def checked_tiers(tiers: tuple[Tier, ...]) -> tuple[Tier, ...]:
    """The tiers. ValueError: none, shares outside 0 to 10,000, ends that do not rise, a last one with one."""
    if not tiers or tiers[-1].until_minor is not None:
        raise ValueError(f"{len(tiers)} tiers and the last has an end; let the last one have none")
    reached = 0
    for tier in tiers:
        if not 0 <= tier.host_bp <= WHOLE_BP:
            raise ValueError(f"a tier gives the host {tier.host_bp} basis points; set it to 0 to {WHOLE_BP}")
    for tier in tiers[:-1]:
        if tier.until_minor is None or tier.until_minor <= reached:
            raise ValueError(f"a tier ends at {tier.until_minor} and begins at {reached}; let the ends rise")
        reached = tier.until_minor
    return tiers


def split(net_minor: int, lifetime_minor: int, tiers: tuple[Tier, ...]) -> Split:
    """Divide `net_minor` = amount − fees of one sale; the host earned `lifetime_minor` net before it.

    Each tier takes its part of the net, to the minor unit; of each part the host gets
    `part × host_bp // 10000` and the platform all the rest, so rounding never favours the host. Where fees
    ate more than the amount, the host gets 0 and the platform the loss.
    """
    parts: list[SplitPart] = []
    rest, reached = max(0, net_minor), max(0, lifetime_minor)
    for tier in tiers:
        room = rest if tier.until_minor is None else max(0, tier.until_minor - reached)
        part = min(rest, room)
        if part:
            parts.append(SplitPart(part, tier.host_bp, part * tier.host_bp // WHOLE_BP))
        rest -= part
        reached += part
    host_minor = sum(part.host_minor for part in parts)
    return Split(net_minor, host_minor, net_minor - host_minor, tuple(parts))
