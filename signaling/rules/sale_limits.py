"""SaleLimits and SellGate: the numbers of a deployment that sells tickets."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from signaling.rules.money import Currency, Tier, checked_tiers, default_tiers

_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
_PRICE_MOST_UNITS = 999
_PAYOUT_LEAST_UNITS = 50


@dataclass(frozen=True, slots=True)
class SellGate:
    """What a host needs to sell, apart from what hosting needs; 0 and False ask for nothing.

    `min_hosted` Spaces within the last `hosted_within_us`. ValueError for numbers below 0.
    """

    min_followers: int = 1_000
    min_account_age_us: int = 30 * _DAY_US
    min_hosted: int = 3
    hosted_within_us: int = 30 * _DAY_US
    verified_account: bool = True

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value < 0:
                raise ValueError(f"the gate {item.name} is {value}; set it to 0 or more")


@dataclass(frozen=True, slots=True)
class SaleLimits:
    """The numbers of a deployment that sells, in minor units of its one settlement currency.

    Make it with `for_currency`, which derives the amounts that are not given from the currency's exponent:
    prices from 1 to 999 whole units, payouts from 50, tiers as `default_tiers`. So JPY without more is sold
    from 1 to 999 yen: whoever settles in it sets the amounts to what they are worth there.

    `people`: the most that a Space holds. `paying_us`: how much longer than its hold a seat is kept for a
    payment under way. `pause_us` after a hold that bought nothing, doubled with each further one up to
    `pause_most_us`; `lapses_forgotten_us` after the last one they count no more. `keys_us`: how long an
    idempotency key is remembered. ValueError for numbers that make no sale.
    """

    currency: Currency
    price_least_minor: int
    price_most_minor: int
    payout_least_minor: int
    tiers: tuple[Tier, ...]
    people: int = 10_000
    promised_least_us: int = 5 * _MINUTE_US
    promised_most_us: int = _DAY_US
    hold_us: int = 5 * _MINUTE_US
    offer_us: int = 10 * _MINUTE_US
    paying_us: int = 10 * _MINUTE_US
    holds_per_prefix: int = 20
    attempts: int = 5
    pause_us: int = _MINUTE_US
    pause_most_us: int = _HOUR_US
    lapses_forgotten_us: int = _DAY_US
    waiting: int = 1_000
    no_show_us: int = 15 * _MINUTE_US
    available_us: int = _DAY_US
    keys_us: int = 7 * _DAY_US
    gate: SellGate = field(default_factory=SellGate)

    @classmethod
    def for_currency(
        cls,
        settled_in: Currency,
        *,
        price_least_minor: int | None = None,
        price_most_minor: int | None = None,
        payout_least_minor: int | None = None,
        tiers: tuple[Tier, ...] | None = None,
        **others: object,
    ) -> SaleLimits:
        """The limits in this currency; `others` are the fields that are no amounts."""
        unit = settled_in.unit_minor
        return cls(
            settled_in,
            unit if price_least_minor is None else price_least_minor,
            _PRICE_MOST_UNITS * unit if price_most_minor is None else price_most_minor,
            _PAYOUT_LEAST_UNITS * unit if payout_least_minor is None else payout_least_minor,
            default_tiers(settled_in) if tiers is None else tiers,
            **others,  # type: ignore[arg-type]  # the dataclass names what it does not know
        )

    def __post_init__(self) -> None:
        checked_tiers(self.tiers)
        for name, value, low, high in (
            ("price_least_minor", self.price_least_minor, 1, self.price_most_minor),
            ("price_most_minor", self.price_most_minor, 1, 10**9),
            ("payout_least_minor", self.payout_least_minor, 1, 10**12),
            ("people", self.people, 1, 1_000_000),
            ("promised_least_us", self.promised_least_us, _SECOND_US, self.promised_most_us),
            ("promised_most_us", self.promised_most_us, _SECOND_US, 7 * _DAY_US),
            ("hold_us", self.hold_us, _SECOND_US, _DAY_US),
            ("offer_us", self.offer_us, _SECOND_US, _DAY_US),
            ("paying_us", self.paying_us, 0, _DAY_US),
            ("holds_per_prefix", self.holds_per_prefix, 1, 1_000_000),
            ("attempts", self.attempts, 1, 100),
            ("pause_us", self.pause_us, 0, self.pause_most_us),
            ("pause_most_us", self.pause_most_us, 0, _DAY_US),
            ("lapses_forgotten_us", self.lapses_forgotten_us, 0, 30 * _DAY_US),
            ("waiting", self.waiting, 0, 1_000_000),
            ("no_show_us", self.no_show_us, _SECOND_US, _DAY_US),
            ("available_us", self.available_us, 0, 90 * _DAY_US),
            ("keys_us", self.keys_us, _DAY_US, 90 * _DAY_US),
        ):
            if not low <= value <= high:
                raise ValueError(f"the limit {name} is {value}; set it to {low} to {high}")


def span(span_us: int) -> str:
    """A span of time for a person to read, in the largest unit of which there are two or more."""
    for unit, unit_us in (("days", _DAY_US), ("hours", _HOUR_US), ("minutes", _MINUTE_US)):
        if abs(span_us) >= 2 * unit_us:
            return f"{_tenths(span_us, unit_us)} {unit}"
    return f"{_tenths(span_us, _SECOND_US)} seconds"


def _tenths(span_us: int, unit_us: int) -> str:
    whole, tenth = divmod(span_us * 10 // unit_us, 10)
    return f"{whole}.{tenth}" if tenth else f"{whole}"
