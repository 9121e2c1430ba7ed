"""`[webhooks]`: to whom happenings are sent, and how stubbornly."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from urllib.parse import SplitResult, urlsplit

from signaling.config.errors import ConfigError
from signaling.config.section import Section, number

__all__ = ["SECRET_LEAST_BYTES", "URLS_MAX", "WebhooksConfig"]

URLS_MAX = 8
SECRET_LEAST_BYTES = 16


@dataclass(frozen=True)
class WebhooksConfig(Section):
    """Every happening is posted to each of `urls`, signed with the secret: named here, or the text of a file.

    What waits is kept in the store; docs/embedding-server.md says what a receiver must do. Without urls
    nothing is kept and nothing is sent.
    """

    section: ClassVar[str] = "webhooks"
    urls: tuple[str, ...] = ()
    secret: str | None = field(default=None, repr=False)
    secret_file: Path | None = None
    timeout_ms: int = number(10_000, 100, 60_000)
    keep_s: int = number(259_200, 60, 2_592_000)
    retry_ms: int = number(1_000, 10, 60_000)
    retry_most_ms: int = number(300_000, 10, 3_600_000)
    at_once: int = number(8, 1, 64)
    count_ms: int = number(10_000, 1_000, 3_600_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.urls) > URLS_MAX:
            raise ConfigError(
                "out_of_range", "webhooks.urls", f"{len(self.urls)} are named and {URLS_MAX} is the limit"
            )
        for place, url in enumerate(self.urls, 1):
            _check_url(place, url)
        if len(set(self.urls)) < len(self.urls):
            raise ConfigError("out_of_range", "webhooks.urls", "one is named twice; name each once")
        if self.urls:
            self._check_secret()
        if self.retry_most_ms < self.retry_ms:
            raise ConfigError(
                "out_of_range",
                "webhooks.retry_most_ms",
                f"{self.retry_most_ms} is less than webhooks.retry_ms = {self.retry_ms}; raise it",
            )

    def _check_secret(self) -> None:
        named = sum(each is not None for each in (self.secret, self.secret_file))
        if named != 1:
            raise ConfigError(
                "webhook_secret",
                "webhooks.secret",
                f"{named} secrets are named and 1 is needed to sign what is sent; give webhooks.secret_file, "
                "or SPACES_WEBHOOKS_SECRET in the environment",
            )
        if self.secret is not None and len(self.secret.encode()) < SECRET_LEAST_BYTES:
            raise ConfigError(
                "webhook_secret",
                "webhooks.secret",
                f"it has {len(self.secret.encode())} bytes and {SECRET_LEAST_BYTES} is the least; take 32 "
                "random ones in hex",
            )


def _check_url(place: int, url: str) -> None:
    # The address itself is not repeated: its path may be what keeps others out.
    key = f"webhooks.urls[{place}]"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError("webhook_url", key, "is no URL; write https://host/path") from None
    if not parts.hostname or parts.scheme not in ("https", "http") or parts.fragment or not url.isascii():
        raise ConfigError("webhook_url", key, "is no URL that can be posted to; write https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            "webhook_url", key, "holds a name or password; leave it out, the signature says who sends"
        )
    if parts.scheme == "http" and not _is_loopback(parts):
        raise ConfigError(
            "webhook_url", key, "is not encrypted and leaves this machine; write https, or a loopback address"
        )


def _is_loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
