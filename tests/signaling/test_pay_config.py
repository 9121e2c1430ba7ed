"""`[tickets]`, `[pay]` and `[http]`: what cannot stand together is refused; secrets are not shown."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from signaling.config import (
    ConfigError,
    HttpConfig,
    PayConfig,
    ServerConfig,
    TicketsConfig,
    load_config,
    read_pay_secrets,
)
from signaling.pay import (
    AccountState,
    Charge,
    ChargeChanged,
    ChargeResult,
    ChargeState,
    PayoutAccount,
    Provider,
    ProviderError,
    ProviderEvent,
    ProviderUnknown,
)
from signaling.pay.opening import SANDBOX_FILE, open_provider, why_not_selling
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.stripe import StripeProvider
from signaling.rules.money import Tier
from signaling.server import Server
from signaling.server.counts import Counts
from signaling.server.paying import Paying
from tests.signaling.pay_world import KEY, WEBHOOK_SECRET, FakeStripe, a_charge, an_id, serving

SECRETS = {"pay.stripe_key": KEY, "pay.webhook_secret": WEBHOOK_SECRET}
STRIPE = {"pay.provider": "stripe", **SECRETS}


def config(tmp_path: Path, **others: object) -> ServerConfig:
    return configured(tmp_path, {name.replace("__", "."): value for name, value in others.items()})


def configured(tmp_path: Path, values: Mapping[str, object]) -> ServerConfig:
    return load_config(
        None, {}, {"auth.development": True, "store.data_dir": tmp_path, "listen.port": 0, **values}
    )


def outside_development(tmp_path: Path, values: Mapping[str, object]) -> ServerConfig:
    files = {"tls.certificate": tmp_path / "c.pem", "tls.key": tmp_path / "k.pem"}
    return configured(
        tmp_path, {"auth.development": False, "auth.signing_key": tmp_path / "s.pem", **files, **values}
    )


def refused(tmp_path: Path, values: Mapping[str, object]) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        configured(tmp_path, values)
    for secret in (KEY, WEBHOOK_SECRET, "sk_live_1", "secretsecret"):
        assert secret not in str(caught.value)
    return caught.value


# Tickets


def test_amounts_follow_the_exponent_of_the_currency_unless_they_are_named() -> None:
    usd, jpy, kwd = (TicketsConfig(currency=code) for code in ("USD", "JPY", "KWD"))
    for tickets, unit in ((usd, 100), (jpy, 1), (kwd, 1_000)):
        limits = tickets.limits(people=10, development=False)
        assert (limits.price_least_minor, limits.price_most_minor) == (unit, 999 * unit)
        assert (limits.payout_least_minor, limits.people) == (50 * unit, 10)
        assert limits.tiers == (Tier(50_000 * unit, 9_700), Tier(None, 8_000))
    yen = TicketsConfig(
        currency="JPY", price_least_minor=100, price_most_minor=99_900, payout_least_minor=5_000
    )
    limits = yen.limits(people=10, development=False)
    assert (limits.price_least_minor, limits.price_most_minor) == (100, 99_900)


def test_tiers_are_read() -> None:
    tickets = TicketsConfig(tiers=("1000:9900", "5000:9000", ":5000"))
    assert tickets.limits(people=10, development=False).tiers == (
        *(Tier(1_000, 9_900), Tier(5_000, 9_000), Tier(None, 5_000)),
    )


@pytest.mark.parametrize(
    "tiers",
    [("1000:9700",), (":10001",), ("2000:1", "1000:1", ":1"), ("",), ("-5:1", ":1"), ("1.5:1", ":1"), ("x",)],
    ids=str,
)
def test_tiers_that_make_no_scale_are_refused(tiers: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        TicketsConfig(tiers=tiers)
    assert caught.value.code == "out_of_range"


@pytest.mark.parametrize(
    "values",
    [
        {"currency": "usd"},
        {"currency": "XAU"},
        {"currency": "ZZZ"},
        {"currency": ""},
        {"price_least_minor": 0},
        {"price_least_minor": 200, "price_most_minor": 100},
        {"price_most_minor": 1.5},
        {"pause_s": 100, "pause_most_s": 99},
        {"promised_least_s": 100, "promised_most_s": 99},
        {"min_followers": -1},
        {"keys_s": 1},
    ],
    ids=str,
)
def test_numbers_that_make_no_sale_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TicketsConfig(**values)


def test_the_gate_is_open_in_development_unless_it_is_set(tmp_path: Path) -> None:
    gate = config(tmp_path).sale_limits.gate
    assert (gate.min_followers, gate.min_account_age_us, gate.min_hosted, gate.verified_account) == (
        *(0, 0, 0, True),
    )
    gate = config(tmp_path, tickets__min_followers=5, tickets__min_account_age_s=6).sale_limits.gate
    assert (gate.min_followers, gate.min_account_age_us, gate.min_hosted) == (5, 6_000_000, 0)


def test_the_environment_names_amounts_and_tiers() -> None:
    found = load_config(
        None,
        {
            "SPACES_AUTH_DEVELOPMENT": "1",
            "SPACES_TICKETS_PRICE_MOST_MINOR": "5000",
            "SPACES_TICKETS_TIERS": "100:9700,:8000",
            "SPACES_HTTP_PORT": "8080",
        },
    )
    assert (found.tickets.price_most_minor, found.http.port) == (5_000, 8_080)
    assert found.sale_limits.tiers == (Tier(100, 9_700), Tier(None, 8_000))


# Whether it can be sold


def test_the_sandbox_sells_in_development_only(tmp_path: Path) -> None:
    assert why_not_selling(config(tmp_path)) == ""
    reason = why_not_selling(outside_development(tmp_path, {}))
    assert "sandbox" in reason and "development" in reason
    assert why_not_selling(outside_development(tmp_path, STRIPE)) == ""


@pytest.mark.parametrize(
    ("values", "code", "key"),
    [
        ({"pay.stripe_key": None}, "pay_secret", "pay.stripe_key"),
        ({"pay.webhook_secret": None}, "pay_secret", "pay.webhook_secret"),
        ({"pay.stripe_key_file": "key"}, "pay_secret", "pay.stripe_key"),
        ({"pay.stripe_key": "sk_live_1"}, "pay_secret", "pay.stripe_key"),
        ({"pay.stripe_key": "pk_test_1"}, "pay_secret", "pay.stripe_key"),
        ({"pay.stripe_key": "secretsecret"}, "pay_secret", "pay.stripe_key"),
        ({"pay.stripe_key": KEY + "\n"}, "pay_secret", "pay.stripe_key"),
        ({"pay.webhook_secret": "secretsecret"}, "pay_secret", "pay.webhook_secret"),
        ({"pay.webhook_secret": "whsec_"}, "pay_secret", "pay.webhook_secret"),
        ({"pay.mode": "live"}, "development_exposed", "pay.mode"),
        ({"tickets.currency": "ISK"}, "pay_currency", "tickets.currency"),
        ({"tickets.currency": "KWD"}, "pay_currency", "tickets.currency"),
        ({"pay.return_url": "http://spaces.example"}, "pay_url", "pay.return_url"),
        ({"pay.stripe_url": "https://stripe.example"}, "pay_url", "pay.stripe_url"),
        ({"pay.stripe_url": "http://10.0.0.1"}, "pay_url", "pay.stripe_url"),
        ({"pay.provider": "paypal"}, "not_a_choice", "pay.provider"),
    ],
    ids=str,
)
def test_stripe_is_refused_where_key_mode_secret_and_currency_do_not_agree(
    tmp_path: Path, values: dict[str, object], code: str, key: str
) -> None:
    error = refused(tmp_path, {**STRIPE, **values})
    assert (error.code, error.key) == (code, key)


def test_a_live_key_is_taken_in_live_mode_outside_development(tmp_path: Path) -> None:
    live = {**STRIPE, "pay.mode": "live", "pay.stripe_key": "rk_live_1"}
    assert outside_development(tmp_path, live).pay.mode == "live"
    with pytest.raises(ConfigError) as caught:
        outside_development(tmp_path, {**live, "pay.stripe_key": KEY})
    assert caught.value.code == "pay_secret" and "a test key" in str(caught.value)


def test_secrets_are_read_from_files_and_checked_there(tmp_path: Path) -> None:
    key, hook = tmp_path / "key", tmp_path / "hook"
    files = {"pay.provider": "stripe", "pay.stripe_key_file": key, "pay.webhook_secret_file": hook}
    found = configured(tmp_path, files)
    with pytest.raises(ConfigError) as caught:
        read_pay_secrets(found)
    assert (caught.value.code, caught.value.key) == ("pay_secret", "pay.stripe_key_file")
    key.write_text(f"{KEY}\n")
    hook.write_text("secretsecret")
    with pytest.raises(ConfigError) as caught:
        read_pay_secrets(found)
    assert caught.value.key == "pay.webhook_secret" and "secretsecret" not in str(caught.value)
    hook.write_text(f"{WEBHOOK_SECRET}\n")
    secrets = read_pay_secrets(found)
    assert (secrets.stripe_key, secrets.webhook_secret) == (KEY, WEBHOOK_SECRET)
    hook.write_bytes(b"\xff")
    with pytest.raises(ConfigError):
        read_pay_secrets(found)


# Opening


def opened(found: ServerConfig) -> Provider:
    async def story() -> Provider:
        provider = await open_provider(found)
        await provider.close()
        return provider

    return asyncio.run(story())


def test_the_sandbox_keeps_its_books_in_development(tmp_path: Path) -> None:
    assert opened(config(tmp_path)).is_sandbox
    assert (tmp_path / SANDBOX_FILE).exists()
    elsewhere = tmp_path / "elsewhere"
    assert opened(outside_development(elsewhere, {})).is_sandbox
    assert not elsewhere.exists()


def test_a_file_of_the_sandbox_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / SANDBOX_FILE).mkdir()
    with pytest.raises(ConfigError) as caught:
        opened(config(tmp_path))
    assert caught.value.code == "data_dir_unusable"


@pytest.mark.parametrize(
    ("currency", "status", "code"),
    [("usd", 200, ""), ("eur", 200, "pay_currency"), ("usd", 401, "pay_secret"), ("usd", 500, "")],
)
def test_stripe_is_asked_whose_key_it_is_and_what_it_settles_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, currency: str, status: int, code: str
) -> None:
    async def story() -> None:
        fake = FakeStripe()
        fake.account["default_currency"] = currency
        if status != 200:
            fake.account_refusal = (status, {"type": "api_error", "message": KEY})
        async with serving(fake) as url:
            provider = await open_provider(configured(tmp_path, {**STRIPE, "pay.stripe_url": url}))
            assert isinstance(provider, StripeProvider) and not provider.is_sandbox
            await provider.close()

    if code:
        with pytest.raises(ConfigError) as caught:
            asyncio.run(story())
        assert caught.value.code == code and KEY not in str(caught.value)
    else:
        asyncio.run(story())
    assert ("is not known" in caplog.text) == (status == 500)
    assert KEY not in caplog.text


def test_a_server_that_sells_nothing_through_stripe_does_not_import_it() -> None:
    code = "import sys, signaling.server, signaling.pay.opening; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.strip("[]\n").replace("'", "").split(", "))
    assert "signaling.pay.sandbox" in loaded
    assert not loaded & {"stripe", "starlette", "uvicorn"}


@pytest.mark.parametrize(("currency", "code"), [("usd", ""), ("eur", "pay_currency")])
def test_a_server_does_not_start_where_the_account_settles_in_another_currency(
    tmp_path: Path, currency: str, code: str
) -> None:
    async def story() -> None:
        fake = FakeStripe()
        fake.account["default_currency"] = currency
        async with serving(fake) as url:
            server = Server(configured(tmp_path, {**STRIPE, "pay.stripe_url": url}))
            try:
                await server.start()
            finally:
                await server.stop()
                assert server.store.in_progress == 0

    if not code:
        asyncio.run(story())
        return
    with pytest.raises(ConfigError) as caught:
        asyncio.run(story())
    assert caught.value.code == code


def test_events_come_in_once_the_server_takes_them(tmp_path: Path) -> None:
    events: list[ProviderEvent] = []

    async def keep(event: ProviderEvent) -> None:
        events.append(event)

    async def story() -> None:
        paying = await Paying.open(config(tmp_path, http__port=0), time.time)
        await paying.listen(keep, Counts())
        asked = await paying.provider.charge(Charge(an_id(1), 5, "USD", "card_needs_action"))
        assert asked.action_url.startswith(f"http://127.0.0.1:{paying.port}/pay/sandbox/")
        async with httpx.AsyncClient(trust_env=False) as client:
            (await client.post(asked.action_url + "?yes")).raise_for_status()
        await paying.close()
        assert paying.port is None

    asyncio.run(story())
    assert [type(event.subject) for event in events] == [ChargeChanged]


# Secrets


def test_no_secret_stands_in_a_repr(tmp_path: Path) -> None:
    provider = StripeProvider(KEY, WEBHOOK_SECRET)
    shown = (
        configured(tmp_path, STRIPE),
        PayConfig(stripe_key=KEY, webhook_secret=WEBHOOK_SECRET),
        read_pay_secrets(configured(tmp_path, STRIPE)),
        provider,
        SandboxProvider(),
        HttpConfig(),
        Charge(an_id(1), 5, "USD", "secretsecret"),
        ChargeResult(ChargeState.NEEDS_ACTION, action_url="https://secretsecret"),
        PayoutAccount("ann", AccountState.PENDING, link="https://secretsecret"),
    )
    asyncio.run(provider.close())
    for each in shown:
        for secret in (KEY, WEBHOOK_SECRET, "secretsecret"):
            assert secret not in f"{each!r} {each}", type(each)


def test_no_secret_is_logged_by_us_or_by_libraries(caplog: pytest.LogCaptureFixture) -> None:
    """Also where all that anybody logs is kept, of calls that succeed, are refused and fail."""
    caplog.set_level(logging.DEBUG)
    caught: list[ProviderError] = []

    async def story() -> None:
        fake = FakeStripe()
        async with serving(fake) as url:
            provider = StripeProvider(
                KEY, WEBHOOK_SECRET, api_base=url, return_url="https://spaces.example/back"
            )
            link = await provider.payout_account("ann")
            assert link.link not in caplog.text
            for status, message in ((402, "pm_secretsecret"), (500, "pm_secretsecret")):
                fake.refusals.append((status, {"type": "card_error", "message": message}))
                try:
                    await provider.charge(a_charge(status, "pm_secretsecret"))
                except ProviderUnknown as error:
                    caught.append(error)
            await provider.close()

    asyncio.run(story())
    assert len(caught) == 1
    assert caplog.records
    for secret in (KEY, WEBHOOK_SECRET, "secretsecret"):
        assert secret not in caplog.text
        assert secret not in f"{caught[0]!r} {caught[0].__cause__!r}"
