"""Opens the provider that the configuration names, or says why the server must not start with it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from signaling.config import ConfigError, ServerConfig, read_pay_secrets
from signaling.pay.provider import Provider, ProviderError, ProviderUnknown
from signaling.pay.sandbox import SandboxProvider
from signaling.store import Store, ledger

if TYPE_CHECKING:
    from signaling.pay.stripe import StripeProvider

__all__ = ["SANDBOX_FILE", "check_ledger", "open_provider", "why_not_selling"]

log = logging.getLogger(__name__)

SANDBOX_FILE = "sandbox.jsonl"
"""In development mode the sandbox's books are kept under this name in the data directory."""


async def open_provider(config: ServerConfig, *, wall_s: Callable[[], float] = time.time) -> Provider:
    """The provider, checked as far as it can be asked. The data directory must be there.

    Raises ConfigError: pay_secret, pay_currency, pay_extra_missing, and data_dir_unusable for the sandbox's
    file. Where Stripe cannot be reached the server starts nevertheless: Spaces do not wait for it.
    """
    if config.pay.provider == "stripe":
        return await _open_stripe(config, wall_s)
    file = config.store.data_dir / SANDBOX_FILE if config.auth.development else None
    try:
        return SandboxProvider(file=file, wall_s=wall_s)
    except OSError as error:
        raise ConfigError(
            "data_dir_unusable", "store.data_dir", f"{file} cannot be used: {error.strerror}; remove it"
        ) from error


async def check_ledger(store: Store, currency: str) -> None:
    """One currency a deployment, also from one start to the next. Raises ConfigError pay_currency."""
    async with store.transaction() as connection:
        others = await ledger.currencies(connection) - {currency}
    if others:
        raise ConfigError(
            "pay_currency",
            "tickets.currency",
            f"is {currency} and this store has sold, or sells, in {', '.join(sorted(others))}; set it back, "
            "or begin with another store",
        )


def why_not_selling(config: ServerConfig) -> str:
    """Why nothing is sold with this configuration, in a sentence; empty where it may be.

    The sandbox takes no money, so it gives tickets away: outside development mode it sells nothing.
    """
    if config.pay.provider == "sandbox" and not config.auth.development:
        return (
            "pay.provider is sandbox, which takes no money, and sells in development mode only; "
            "configure stripe to sell tickets."
        )
    return ""


async def _open_stripe(config: ServerConfig, wall_s: Callable[[], float]) -> StripeProvider:
    secrets = read_pay_secrets(config)
    try:
        from signaling.pay.stripe import StripeProvider  # noqa: PLC0415  # of an extra, and slow to import
    except ImportError as error:
        raise ConfigError(
            "pay_extra_missing",
            "pay.provider",
            f"stripe needs {error.name}, which is not installed; install spacecore[pay]",
        ) from error
    provider = StripeProvider(
        secrets.stripe_key,
        secrets.webhook_secret,
        return_url=config.pay.return_url,
        api_base=config.pay.stripe_url,
        timeout_s=config.pay.timeout_ms / 1_000,
        wall_s=wall_s,
    )
    try:
        await _check_account(provider, config)
    except BaseException:
        await provider.close()
        raise
    return provider


async def _check_account(provider: StripeProvider, config: ServerConfig) -> None:
    try:
        settles_in = await provider.default_currency()
    except ProviderUnknown as error:
        log.warning("whether Stripe settles in %s is not known: %s", config.tickets.currency, error)
        return
    except ProviderError as error:
        raise ConfigError(
            "pay_secret", "pay.stripe_key", f"{error}; give a key that may read its account"
        ) from None
    if settles_in != config.tickets.currency:
        raise ConfigError(
            "pay_currency",
            "tickets.currency",
            f"is {config.tickets.currency} and the account at Stripe settles in {settles_in}; "
            "make them the same",
        )
