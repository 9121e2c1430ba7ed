"""`[pay]` and `[http]`: through whom buyers pay, and where that one's webhooks come in."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from signaling.config.errors import ConfigError
from signaling.config.section import Section, number, unset_number
from signaling.config.tickets import TicketsConfig

__all__ = ["HttpConfig", "PayConfig"]

_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]+")
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]+")
# docs.stripe.com/currencies: what its smallest unit is differs from ISO 4217, or it takes only round amounts.
_ODD_AT_STRIPE = ("ISK", "UGX", "MGA", "BHD", "JOD", "KWD", "OMR", "TND")


@dataclass(frozen=True)
class PayConfig(Section):
    """Through whom buyers pay. Both secrets are named here, or are the text of a file each.

    `mode` says which of Stripe's two worlds is meant: the key must be of the same. `return_url` is where
    buyers and hosts come back to from Stripe's pages. `stripe_url` is another address of its API, on this
    machine only: for tests.
    """

    section: ClassVar[str] = "pay"
    provider: Literal["sandbox", "stripe"] = "sandbox"
    mode: Literal["test", "live"] = "test"
    stripe_key: str | None = field(default=None, repr=False)
    stripe_key_file: Path | None = None
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_secret_file: Path | None = None
    return_url: str = ""
    stripe_url: str = ""
    timeout_ms: int = number(30_000, 100, 60_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.return_url and not _is_https(self.return_url):
            raise ConfigError("pay_url", "pay.return_url", "is no URL of https; write https://host/path")
        if self.stripe_url and not _is_here(self.stripe_url):
            raise ConfigError(
                "pay_url", "pay.stripe_url", "leaves this machine; leave it out to call Stripe itself"
            )
        if self.provider == "stripe":
            for name in ("stripe_key", "webhook_secret"):
                named = sum(getattr(self, each) is not None for each in (name, f"{name}_file"))
                if named != 1:
                    raise ConfigError(
                        "pay_secret",
                        f"pay.{name}",
                        f"{named} are named and Stripe needs 1; give pay.{name}_file, or "
                        f"SPACES_PAY_{name.upper()} in the environment",
                    )

    def check_with(self, tickets: TicketsConfig, *, development: bool) -> None:
        """Whether key, mode and currency can stand together. Raises ConfigError."""
        if self.provider != "stripe":
            return
        if development and self.mode == "live":
            raise ConfigError(
                "development_exposed",
                "pay.mode",
                "development mode lets everybody in and a live key moves money; use a test key there",
            )
        if self.stripe_key is not None:
            self.check_key(self.stripe_key)
        if self.webhook_secret is not None:
            self.check_webhook_secret(self.webhook_secret)
        if tickets.currency in _ODD_AT_STRIPE:
            raise ConfigError(
                "pay_currency",
                "tickets.currency",
                f"{tickets.currency} has another smallest unit at Stripe than in ISO 4217; settle in another",
            )

    def check_key(self, key: str) -> None:
        """Raises ConfigError for what is no secret key of this mode. The key is not repeated."""
        found = _KEY.fullmatch(key)
        if found is None or found[1] != self.mode:
            given = "no secret key of Stripe" if found is None else f"a {found[1]} key"
            raise ConfigError(
                "pay_secret",
                "pay.stripe_key",
                f"is {given} and pay.mode is {self.mode}; give one that begins with sk_{self.mode}_ or "
                f"rk_{self.mode}_",
            )

    def check_webhook_secret(self, secret: str) -> None:
        """Raises ConfigError for what is no signing secret of an endpoint. The secret is not repeated."""
        if _WEBHOOK_SECRET.fullmatch(secret) is None:
            raise ConfigError(
                "pay_secret",
                "pay.webhook_secret",
                "is no signing secret; give the endpoint's, which begins with whsec_",
            )


@dataclass(frozen=True)
class HttpConfig(Section):
    """Where webhooks of the payment provider come in. Off unless a `port` is named; 0 takes a free one.

    It speaks plain HTTP: what faces the internet is a proxy that ends TLS.
    """

    section: ClassVar[str] = "http"
    host: str = "127.0.0.1"
    port: int | None = unset_number(0, 65_535)
    body_bytes: int = number(262_144, 1_024, 16_777_216)
    at_once: int = number(64, 1, 10_000)
    body_ms: int = number(10_000, 100, 60_000)


def _is_https(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and url.isascii() and parts.username is None
    except ValueError:
        return False


def _is_here(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
