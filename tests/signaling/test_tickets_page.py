"""docs/tickets.md against the code: numbers, the ledger's accounts and kinds, and the sandbox's cards."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from signaling.config import HttpConfig, LimitsConfig, PayConfig, TicketsConfig
from signaling.http.app import WEBHOOK_PATH
from signaling.pay import stripe_objects
from signaling.pay.sandbox import CARDS, fee_of
from signaling.rules.money import currency, default_tiers, format_amount, split
from signaling.rules.postings import (
    PLATFORM,
    REFUNDS,
    UNSETTLED,
    Kind,
    clearing_account,
    fees_account,
    host_account,
    payouts_account,
)
from signaling.rules.sale_limits import SaleLimits, span
from signaling.server.sale_watch import WATCH_US

PAGE = (Path(__file__).parents[2] / "docs" / "tickets.md").read_text(encoding="utf-8")
USD = currency("USD")
LIMITS = SaleLimits.for_currency(USD)
GATE = LIMITS.gate


def rows(heading: str) -> list[list[str]]:
    """The cells of all tables under a heading, without their head lines."""
    section = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)
    assert section, f"{heading} is no heading of the page"
    tables = re.findall(r"(?:^\|.*\n)+", section[1], re.M)
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for table in tables
        for line in table.splitlines()[2:]
    ]


def number_of(rule: str) -> str:
    """What stands in the line of the rule that begins so."""
    headings = ("Selling", "Buying", "Getting in", "Money back", "Sharing and paying out")
    found = [row[1] for heading in headings for row in rows(heading) if row[0].startswith(rule)]
    assert len(found) == 1, f"{len(found)} rules begin with {rule!r}"
    return found[0]


def amount(minor: int) -> str:
    whole, point, rest = format_amount(minor, USD).removesuffix(" USD").partition(".")
    return f"{int(whole):,}{point}{rest}"


NUMBERS = {
    "The price of a ticket is at least": amount(LIMITS.price_least_minor),
    "The price of a ticket is at most": amount(LIMITS.price_most_minor),
    "Tickets of one Space": f"{LIMITS.people:,}",
    "The host promises a length of at least": span(LIMITS.promised_least_us),
    "The host promises a length of at most": span(LIMITS.promised_most_us),
    "Followers": f"{GATE.min_followers:,}",
    "An account of so many days": span(GATE.min_account_age_us).removesuffix(" days"),
    "Spaces hosted lately": str(GATE.min_hosted),
    "where lately means": span(GATE.hosted_within_us).removesuffix(" days"),
    "A verified payout account": "yes" if GATE.verified_account else "no",
    "A seat is held while": span(LIMITS.hold_us),
    "With a payment under way": span(LIMITS.paying_us),
    "Seats on hold from one network": str(LIMITS.holds_per_prefix),
    "Payments tried for one hold": str(LIMITS.attempts),
    "After a hold that bought nothing": span(LIMITS.pause_us),
    "which doubles with each": span(LIMITS.pause_most_us),
    "Holds that bought nothing are forgotten": span(LIMITS.lapses_forgotten_us),
    "The same request with the same key": span(LIMITS.keys_us),
    "One connection waits for the provider": str(LimitsConfig().requests_aside),
    "They are told of the ticket first": span(WATCH_US),
    "Waiting for a seat of one Space": f"{LIMITS.waiting:,} people",
    "A seat that becomes free": span(LIMITS.offer_us),
    "**No-show**": span(LIMITS.no_show_us),
    "The host's share of the net": f"{LIMITS.tiers[0].host_bp // 100} %",
    "until the host's lifetime net": amount(LIMITS.tiers[0].until_minor or 0),
    "From there on": f"{LIMITS.tiers[1].host_bp // 100} %",
    "A share is available": span(LIMITS.available_us),
    "A payout is at least": amount(LIMITS.payout_least_minor),
}


@pytest.mark.parametrize("rule", NUMBERS)
def test_a_rule_has_the_number_of_the_code(rule: str) -> None:
    assert number_of(rule) == NUMBERS[rule]


def test_each_rule_says_whose_it_is() -> None:
    headings = ("Selling", "Buying", "Getting in", "Money back", "Sharing and paying out")
    assert {row[2] for heading in headings for row in rows(heading)} == {"published", "ours"}


def test_the_open_choices_are_named_as_ours() -> None:
    for rule in ("**Oversell**", "**No-show**", "**Removal**"):
        assert [row[2] for row in rows("Buying") + rows("Money back") if row[0].startswith(rule)] == ["ours"]


def test_accounts_and_kinds_of_the_ledger() -> None:
    named = set(re.findall(r"`([a-z_]+(?::<\w+>)?)`", " ".join(row[0] for row in rows("The ledger"))))
    named |= {"refund_fee_kept"}  # told beside `refund`
    accounts = {PLATFORM, REFUNDS, UNSETTLED, host_account("<user>")}
    accounts |= {name("<provider>") for name in (clearing_account, fees_account, payouts_account)}
    assert named == accounts | {kind.value for kind in Kind}


def test_every_card_of_the_sandbox() -> None:
    assert [row[0].strip("`") for row in rows("Sandbox cards")] == list(CARDS)
    assert fee_of(10_000) == 290 + 30
    assert "2.9 % and 30 minor units" in PAGE


def test_the_settings_are_the_defaults() -> None:
    section = PAGE[PAGE.index("## Settings") : PAGE.index("## Setting Stripe up")]
    [block] = re.findall(r"^```toml\n(.*?)^```$", section, re.M | re.S)
    shown = TicketsConfig(**to_config(tomllib.loads(block)["tickets"]))
    assert {item.name for item in fields(TicketsConfig)} == set(tomllib.loads(block)["tickets"])
    assert shown.limits(people=10_000, development=False) == LIMITS


def test_the_example_of_stripe_is_a_configuration(tmp_path: Path) -> None:
    section = PAGE[PAGE.index("## Setting Stripe up") :]
    [block] = re.findall(r"^```toml\n(.*?)^```$", section, re.M | re.S)
    told = tomllib.loads(block)
    pay = told["pay"] | {
        name: tmp_path / told["pay"][name] for name in ("stripe_key_file", "webhook_secret_file")
    }
    PayConfig(**pay).check_with(TicketsConfig(**told["tickets"]), development=False)
    HttpConfig(**told["http"])
    assert WEBHOOK_PATH in section


def test_every_event_of_stripe_that_is_read() -> None:
    section = PAGE[PAGE.index("Events: ") : PAGE.index("Others are confirmed")]
    assert re.findall(r"`([\w.]+)`", section) == list(stripe_objects._READERS)


def to_config(table: dict[str, Any]) -> dict[str, Any]:
    """As the reader of files does it."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def test_the_example_adds_up() -> None:
    section = PAGE[PAGE.index("An example:") : PAGE.index("## Sandbox cards")]
    posted = {
        name: int(sign.replace("−", "-") + number)
        for name, sign, number in re.findall(r"`([a-z:]+)`\s+([+−])(\d+)", section)
    }
    shares = split(1250 - 66, 0, default_tiers(USD))
    assert posted == {
        "clearing:stripe": 1250,
        "fees:stripe": -66,
        "host:ada": -shares.host_minor,
        "platform": -shares.platform_minor,
    }
    assert sum(posted.values()) == 0


def test_links_lead_to_pages_and_headings_that_exist() -> None:
    for page, anchor in re.findall(r"\]\(([\w-]+\.md)#?([\w-]*)\)", PAGE):
        text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
        titles = {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert not anchor or anchor in titles
