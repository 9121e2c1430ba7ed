"""Amounts as people write them, and the split of a sale against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.rules import Refused
from signaling.rules.money import (
    AMOUNT_DIGITS,
    Currency,
    Split,
    SplitPart,
    Tier,
    checked_tiers,
    currency,
    default_tiers,
    format_amount,
    parse_amount,
    split,
)

USD, JPY, KWD = currency("USD"), currency("JPY"), currency("KWD")
TIERS = default_tiers(USD)

amounts = st.integers(0, 10**AMOUNT_DIGITS - 1)
small = st.integers(0, 5_000)
ends = st.lists(st.integers(1, 5_000), unique=True, max_size=4).map(sorted)
shares = st.integers(0, 10_000)


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    found = [Tier(end, draw(shares)) for end in draw(ends)]
    return checked_tiers((*found, Tier(None, draw(shares))))


def test_the_exponent_is_that_of_iso_4217() -> None:
    assert [(each.code, each.exponent, each.unit_minor) for each in (USD, JPY, KWD)] == [
        ("USD", 2, 100),
        ("JPY", 0, 1),
        ("KWD", 3, 1_000),
    ]


@pytest.mark.parametrize("code", ["", "usd", "US", "USDX", "XAG", "XAU", "XTS", "EURO", "💶"])
def test_what_is_no_currency_to_pay_in(code: str) -> None:
    with pytest.raises(ValueError, match="is no currency that can be paid in; write a code of ISO 4217"):
        currency(code)


@pytest.mark.parametrize(
    ("text", "settled_in", "amount_minor"),
    [
        ("12", USD, 1_200),
        ("12.5", USD, 1_250),
        ("12.50", USD, 1_250),
        ("0.01", USD, 1),
        ("0", USD, 0),
        ("  12.50 USD ", USD, 1_250),
        ("USD 12.50", USD, 1_250),
        ("000012", USD, 1_200),
        ("12", JPY, 12),
        ("12.345", KWD, 12_345),
        ("9" * 13, USD, 999_999_999_999_900),
    ],
)
def test_amounts_that_people_write(text: str, settled_in: Currency, amount_minor: int) -> None:
    assert parse_amount(text, settled_in) == amount_minor


@pytest.mark.parametrize(
    ("text", "settled_in"),
    [
        *((text, USD) for text in ("", "-1", "+1", "1,50", "1,000", "1e3", ".5", "5.", "1_000", "٣", "²")),
        *((text, USD) for text in ("12 EUR", "12.345", "1 2", "NaN", "inf", "9" * 14, "9" * 5_000)),
        ("12.5", JPY),
        ("12.", JPY),
        ("1.2345", KWD),
    ],
)
def test_what_is_no_amount(text: str, settled_in: Currency) -> None:
    answer = parse_amount(text, settled_in)
    assert isinstance(answer, Refused)
    assert answer.code == "bad_price"
    assert "; " in answer.message
    assert len(answer.message) < 200


@given(amounts, st.sampled_from([USD, JPY, KWD]))
def test_what_is_shown_is_read_again(amount_minor: int, settled_in: Currency) -> None:
    shown = format_amount(amount_minor, settled_in)
    assert parse_amount(shown, settled_in) == amount_minor
    assert Fraction(shown.split()[0]) == Fraction(amount_minor, settled_in.unit_minor)


def test_an_amount_below_0_is_shown_as_one() -> None:
    assert format_amount(-5, USD) == "-0.05 USD"
    assert format_amount(-12_345, KWD) == "-12.345 KWD"


def test_97_percent_until_50_000_and_80_beyond() -> None:
    assert split(1_000, 0, TIERS) == Split(1_000, 970, 30, (SplitPart(1_000, 9_700, 970),))
    assert split(1_000, 5_000_000, TIERS) == Split(1_000, 800, 200, (SplitPart(1_000, 8_000, 800),))
    assert default_tiers(JPY) == (Tier(50_000, 9_700), Tier(None, 8_000))


@pytest.mark.parametrize("before", [0, 1, 2, 499, 998, 999, 1_000])
def test_a_sale_that_crosses_the_tier_is_split_at_the_cent(before: int) -> None:
    found = split(1_000, 5_000_000 - before, TIERS)
    assert [part.net_minor for part in found.parts] == [part for part in (before, 1_000 - before) if part]
    assert found.host_minor == before * 9_700 // 10_000 + (1_000 - before) * 8_000 // 10_000


def test_the_rest_of_every_division_is_the_platforms() -> None:
    assert split(1, 0, TIERS) == Split(1, 0, 1, (SplitPart(1, 9_700, 0),))
    assert split(33, 0, TIERS).host_minor == 32  # 32.01


def test_fees_above_the_amount_are_the_platforms_loss() -> None:
    assert split(-7, 0, TIERS) == Split(-7, 0, -7, ())
    assert split(0, 0, TIERS) == Split(0, 0, 0, ())


@given(st.integers(-100, 5_000), small, tiers())
def test_nothing_is_lost_and_each_part_is_rounded_down(
    net: int, before: int, rates: tuple[Tier, ...]
) -> None:
    """The oracle asks for every minor unit alone in which tier it lies."""
    found = split(net, before, rates)
    assert found.host_minor + found.platform_minor == net
    assert sum(part.net_minor for part in found.parts) == max(0, net)
    exact = Fraction(0)
    low = 0
    for tier in rates:
        high = tier.until_minor if tier.until_minor is not None else before + max(0, net)
        inside = max(0, min(high, before + max(0, net)) - max(low, before))
        exact += Fraction(inside * tier.host_bp, 10_000)
        low = high
    assert 0 <= exact - found.host_minor < max(1, len(found.parts))
    for part in found.parts:
        assert 0 <= Fraction(part.net_minor * part.host_bp, 10_000) - part.host_minor < 1


@given(small, st.integers(0, 100), small, tiers())
def test_who_sells_for_more_never_gets_less(
    net: int, more: int, before: int, rates: tuple[Tier, ...]
) -> None:
    one, other = split(net, before, rates), split(net + more, before, rates)
    assert one.host_minor <= other.host_minor
    assert other.host_minor - one.host_minor <= more + len(rates)
    assert one.platform_minor <= other.platform_minor + len(rates)


@given(small, small, small, tiers())
def test_two_sales_fill_the_tiers_as_one_does(
    one: int, other: int, before: int, rates: tuple[Tier, ...]
) -> None:
    """But for the rounding of each part: nobody gains by cutting a price in two."""
    whole = split(one + other, before, rates).host_minor
    halves = split(one, before, rates).host_minor + split(other, before + one, rates).host_minor
    assert 0 <= whole - halves <= 2 * len(rates)


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        (Tier(5, 9_000),),
        (Tier(None, -1),),
        (Tier(None, 10_001),),
        (Tier(0, 1), Tier(None, 1)),
        (Tier(9, 1), Tier(9, 1), Tier(None, 1)),
        (Tier(None, 1), Tier(None, 1)),
    ],
)
def test_tiers_that_are_none(wrong: tuple[Tier, ...]) -> None:
    with pytest.raises(ValueError, match=r"; (let|set)"):
        checked_tiers(wrong)
