"""`[tickets]`: the numbers of a server that sells."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from signaling.config.errors import ConfigError
from signaling.config.section import Section, number, unset_number
from signaling.rules.money import Currency, Tier, checked_tiers, currency
from signaling.rules.sale_limits import SaleLimits, SellGate

__all__ = ["TicketsConfig"]

_SECOND_US = 1_000_000
_DAY_S = 86_400
_AMOUNT_MOST = 10**9
_TIER = re.compile(r"([0-9]{1,15})?:([0-9]{1,5})")


@dataclass(frozen=True)
class TicketsConfig(Section):
    """Sales. Amounts are in minor units of `currency`; where none is given, `SaleLimits` says what holds.

    `tiers` are the host's shares: "5000000:9700" is 97 % until his lifetime revenue is 5,000,000, and the
    last one, ":8000", all beyond. The gate (`min_followers`, `min_account_age_s`, `min_hosted`) is 0 in
    development mode unless set.
    """

    section: ClassVar[str] = "tickets"
    currency: str = "USD"
    price_least_minor: int | None = unset_number(1, _AMOUNT_MOST)
    price_most_minor: int | None = unset_number(1, _AMOUNT_MOST)
    payout_least_minor: int | None = unset_number(1, 10**12)
    tiers: tuple[str, ...] = ()
    promised_least_s: int = number(300, 1, _DAY_S)
    promised_most_s: int = number(_DAY_S, 1, 7 * _DAY_S)
    hold_s: int = number(300, 1, _DAY_S)
    offer_s: int = number(600, 1, _DAY_S)
    paying_s: int = number(600, 0, _DAY_S)
    holds_per_prefix: int = number(20, 1, 1_000_000)
    attempts: int = number(5, 1, 100)
    pause_s: int = number(60, 0, _DAY_S)
    pause_most_s: int = number(3_600, 0, _DAY_S)
    lapses_forgotten_s: int = number(_DAY_S, 0, 30 * _DAY_S)
    waiting: int = number(1_000, 0, 1_000_000)
    no_show_s: int = number(900, 1, _DAY_S)
    available_s: int = number(_DAY_S, 0, 90 * _DAY_S)
    keys_s: int = number(7 * _DAY_S, _DAY_S, 90 * _DAY_S)
    min_followers: int | None = unset_number(0, _AMOUNT_MOST)
    min_account_age_s: int | None = unset_number(0, 36_525 * _DAY_S)
    min_hosted: int | None = unset_number(0, 1_000_000)
    hosted_within_s: int = number(30 * _DAY_S, 1, 366 * _DAY_S)
    verified_account: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self.limits(people=10_000, development=False)
        except ValueError as error:
            raise ConfigError("out_of_range", "tickets", str(error)) from None

    @property
    def settled_in(self) -> Currency:
        """The one settlement currency of the deployment."""
        try:
            return currency(self.currency)
        except ValueError as error:
            raise ConfigError("out_of_range", "tickets.currency", str(error)) from None

    def limits(self, *, people: int, development: bool) -> SaleLimits:
        """The numbers as the rules take them. people: `limits.people`."""
        return SaleLimits.for_currency(
            self.settled_in,
            price_least_minor=self.price_least_minor,
            price_most_minor=self.price_most_minor,
            payout_least_minor=self.payout_least_minor,
            tiers=_tiers(self.tiers) if self.tiers else None,
            people=people,
            promised_least_us=self.promised_least_s * _SECOND_US,
            promised_most_us=self.promised_most_s * _SECOND_US,
            hold_us=self.hold_s * _SECOND_US,
            offer_us=self.offer_s * _SECOND_US,
            paying_us=self.paying_s * _SECOND_US,
            holds_per_prefix=self.holds_per_prefix,
            attempts=self.attempts,
            pause_us=self.pause_s * _SECOND_US,
            pause_most_us=self.pause_most_s * _SECOND_US,
            lapses_forgotten_us=self.lapses_forgotten_s * _SECOND_US,
            waiting=self.waiting,
            no_show_us=self.no_show_s * _SECOND_US,
            available_us=self.available_s * _SECOND_US,
            keys_us=self.keys_s * _SECOND_US,
            gate=self._gate(development=development),
        )

    def _gate(self, *, development: bool) -> SellGate:
        usual = SellGate(0, 0, 0) if development else SellGate()
        age_s = self.min_account_age_s
        return SellGate(
            usual.min_followers if self.min_followers is None else self.min_followers,
            usual.min_account_age_us if age_s is None else age_s * _SECOND_US,
            usual.min_hosted if self.min_hosted is None else self.min_hosted,
            hosted_within_us=self.hosted_within_s * _SECOND_US,
            verified_account=self.verified_account,
        )


def _tiers(texts: tuple[str, ...]) -> tuple[Tier, ...]:
    """ValueError for what are no tiers."""
    found = [_TIER.fullmatch(text) for text in texts]
    if not all(found):
        raise ValueError("tickets.tiers lists what is no tier; write 5000000:9700, and :8000 as the last")
    return checked_tiers(
        tuple(Tier(int(tier[1]) if tier[1] else None, int(tier[2])) for tier in found if tier)
    )
