"""Where a client connects to, whom it trusts there, and who it says it is."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signaling.client.errors import ConnectError
from signaling.quic.certificate import Trust
from signaling.quic.errors import CertificateError

__all__ = ["DEFAULT_PORT", "Credentials", "TokenSource", "parse_address", "trust_in"]

DEFAULT_PORT: Final = 4433

TokenSource = str | Callable[[], str | Awaitable[str]]
"""A token, or a function (plain or async) that gets a fresh one for the same subject each time."""


def parse_address(text: str) -> tuple[str, int]:
    """`host`, `host:port` or `[IPv6]:port`. Raises ConnectError(bad_address)."""
    host, port_text = text, ""
    if text.startswith("["):
        host, closed, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":")
        is_sound = bool(closed) and (not rest or rest.startswith(":")) and rest != ":"
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
        is_sound = bool(port_text)
    else:
        is_sound = True  # a name, or a bare IPv6 address
    is_port = port_text.isascii() and port_text.isdigit() and len(port_text) <= 5
    port = int(port_text) if is_port else 0 if port_text else DEFAULT_PORT
    if not is_sound or not host or not 1 <= port <= 65535 or any(c.isspace() for c in host):
        raise ConnectError(
            "bad_address",
            f"{text[:100]!r} is no address: write host:port, as spaces.example:4433 or [::1]:4433",
        )
    return host, port


def trust_in(fingerprint: str | None, cafile: str | Path | None) -> Trust:
    """By the pinned certificate, else by the authorities of `cafile`, else by the public ones; never blindly.

    Raises ConnectError.
    """
    if fingerprint is not None and cafile is not None:
        raise ConnectError(
            "bad_trust", "fingerprint and cafile are both given; a pin needs no authority: give one of them"
        )
    try:
        return Trust(pin=fingerprint, cafile=None if cafile is None else Path(cafile))
    except CertificateError as error:
        raise ConnectError(error.code, str(error)) from error


@dataclass(slots=True)
class Credentials:
    """The token, where a fresh one comes from, and the name to be shown where the token has none."""

    source: TokenSource
    name: str = ""
    minted: str = ""
    """What a development server made for us; used instead of an empty token from then on."""
    shown: str = ""
    """The token by which the server knows us now."""

    @property
    def renewable(self) -> bool:
        """Whether a fresh token can be had."""
        return callable(self.source)

    async def token(self) -> str:
        """The token to show now. What the source raises is raised."""
        if isinstance(self.source, str):
            return self.source or self.minted
        token = self.source()
        if inspect.isawaitable(token):
            token = await token
        return token
