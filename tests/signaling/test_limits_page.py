"""docs/limits.md and the code say the same: every limit, its default, and a counter that exists."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import pytest

from signaling.config import (
    AdminConfig,
    AuthConfig,
    HostingConfig,
    HttpConfig,
    LimitsConfig,
    LogConfig,
    MediaConfig,
    PayConfig,
    PeopleConfig,
    TalkConfig,
    TicketsConfig,
    WebhooksConfig,
)
from signaling.protocol import CloseCode, ErrorCode, bounds
from signaling.quic.gate import GateLimits
from signaling.quic.limits import LinkLimits
from signaling.rules import SpaceLimits
from signaling.rules.money import currency
from signaling.rules.plans import PlanLimits
from signaling.rules.sale_limits import SaleLimits
from signaling.server.statistics import zero

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "limits.md"
ROW = re.compile(r"^\| `([\w.]+)` \| (\S+) \| ([^|]+) \| (?:`(\w+)`|–) \|$")

# What a server sets from its configuration: (dataclass, field) → (setting, how many of its units are one).
SET_FROM = {
    (LinkLimits, "audio_queue"): ("audio_queue", 1),
    (LinkLimits, "control_backlog_bytes"): ("control_backlog_bytes", 1),
    (LinkLimits, "idle_timeout_s"): ("idle_ms", 1_000),
    (LinkLimits, "packets_per_s"): ("packets_per_s", 1),
    (GateLimits, "half_open"): ("half_open", 1),
    (GateLimits, "half_open_per_prefix"): ("half_open_per_prefix", 1),
    (GateLimits, "connections_per_prefix"): ("connections_per_prefix", 1),
    (GateLimits, "returning"): ("returning", 1),
    (GateLimits, "prefix_v4_bits"): ("prefix_v4_bits", 1),
    (GateLimits, "prefix_v6_bits"): ("prefix_v6_bits", 1),
    (GateLimits, "retry_above"): ("retry_above", 1),
    (GateLimits, "connections"): ("connections", 1),
    (GateLimits, "handshake_s"): ("handshake_ms", 1_000),
    (SpaceLimits, "stage"): ("stage", 1),
    (SpaceLimits, "queue"): ("queue", 1),
    (SpaceLimits, "people"): ("people", 1),
    (SpaceLimits, "title_chars"): ("title_chars", 1),
    (SpaceLimits, "host_grace_us"): ("host_grace_ms", 0.001),
    (SpaceLimits, "host_timeout_us"): ("host_timeout_ms", 0.001),
    (SpaceLimits, "resume_us"): ("resume_ms", 0.001),
    (SpaceLimits, "co_hosts"): ("co_hosts", 1),
    (SpaceLimits, "pins"): ("pins", 1),
    (SpaceLimits, "invites"): ("invites", 1),
    (SpaceLimits, "invite_us"): ("invite_ms", 0.001),
    (SpaceLimits, "links"): ("speak_links", 1),
    (SpaceLimits, "speak_link_us"): ("speak_link_s", 0.000_001),
}

SECTIONS = {
    kind.section: kind
    for kind in (
        LimitsConfig,
        AuthConfig,
        TalkConfig,
        MediaConfig,
        WebhooksConfig,
        HostingConfig,
        PeopleConfig,
        TicketsConfig,
        PayConfig,
        HttpConfig,
        AdminConfig,
        LogConfig,
    )
}


class Row(NamedTuple):
    limit: str
    default: str
    effect: str
    counter: str | None


def rows() -> Iterator[Row]:
    for line in PAGE.read_text().splitlines():
        if line.startswith("| `"):
            found = ROW.match(line)
            assert found, f"not a row of the page's form: {line}"
            yield Row(*found.groups())


def value_of(limit: str) -> object:
    section, _, name = limit.partition(".")
    if section in SECTIONS:
        return getattr(SECTIONS[section](), name)
    module, _, name = limit.rpartition(".")
    if module.startswith("spacecore."):
        return native_constant(module, name)
    try:
        return getattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        module, _, kind = module.rpartition(".")
        return getattr(getattr(importlib.import_module(module), kind)(), name)


def native_constant(module: str, name: str) -> str:
    """A constant of the engine's C interface, as its .pxd says it, or the header of the native plane."""
    path = ROOT / module.replace(".", "/")
    text = (path / "plane.h" if path.is_dir() else path.with_suffix(".pxd")).read_text()
    found = re.search(rf"^    {name} = (\d+)", text, re.MULTILINE)
    assert found, f"{module} declares no {name}"
    return found[1]


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.limit)
def test_a_row_says_what_the_code_says(row: Row) -> None:
    assert str(value_of(row.limit)) == row.default


def test_every_limit_that_can_be_set_is_on_the_page_once() -> None:
    named = [row.limit for row in rows()]
    assert len(named) == len(set(named))
    for kind in (LimitsConfig, TalkConfig, PeopleConfig):
        assert {name for name in named if name.startswith(f"{kind.section}.")} == {
            f"{kind.section}.{item.name}" for item in fields(kind)
        }


def test_every_number_of_sales_of_http_and_of_operating_is_on_the_page() -> None:
    named = {row.limit for row in rows()}
    for kind in (TicketsConfig, PayConfig, HttpConfig, AdminConfig, LogConfig):
        for item in fields(kind):
            if type(item.default) is int:
                assert f"{kind.section}.{item.name}" in named


def test_the_numbers_of_sales_are_those_of_the_rules() -> None:
    usd = currency("USD")
    assert TicketsConfig().limits(people=10_000, development=False) == SaleLimits.for_currency(usd)
    gate = TicketsConfig().limits(people=10_000, development=True).gate
    assert (gate.min_followers, gate.min_account_age_us, gate.min_hosted) == (0, 0, 0)


def test_every_bound_of_connections_spaces_and_messages_is_on_the_page() -> None:
    named = {row.limit for row in rows()}
    for kind in (LinkLimits, GateLimits, SpaceLimits, PlanLimits):
        for item in fields(kind):
            setting, units = SET_FROM.get((kind, item.name), (None, 1))
            if setting is None:
                assert f"{kind.__module__}.{kind.__name__}.{item.name}" in named
            else:
                ours, theirs = getattr(LimitsConfig(), setting), getattr(kind(), item.name)
                assert ours == theirs * units, f"limits.{setting} differs from {kind.__name__}.{item.name}"
    for name in bounds.__all__:
        if name.startswith("MAX_"):
            assert f"signaling.protocol.bounds.{name}" in named


def test_every_counter_on_the_page_exists() -> None:
    known = set(zero())
    known |= {f"refused_{code.name}" for code in ErrorCode} | {f"closes_{code.name}" for code in CloseCode}
    known |= {"closes_idle"}
    for row in rows():
        assert row.counter is None or row.counter in known, row.counter
