"""`[admin]` and `[log]`: what an operator sees of a running server, and where."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from signaling.config.errors import ConfigError
from signaling.config.section import Section, number, unset_number

__all__ = ["TOKEN_LEAST_CHARS", "AdminConfig", "LogConfig"]

TOKEN_LEAST_CHARS = 16
"""A shorter token could be guessed."""


@dataclass(frozen=True)
class AdminConfig(Section):
    """Where `/healthz`, `/readyz`, `/metrics` and `/status` are answered. Off unless a `port` is named; 0
    takes a free one.

    It speaks plain HTTP and says what an operator may know. So it is for this machine, or needs a token
    (`Authorization: Bearer …`), named here or the text of a file; then only the first two go without.
    """

    section: ClassVar[str] = "admin"
    host: str = "127.0.0.1"
    port: int | None = unset_number(0, 65_535)
    token: str | None = field(default=None, repr=False)
    token_file: Path | None = None
    spaces_listed: int = number(50, 0, 1_000)
    at_once: int = number(16, 1, 1_000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.token is not None and self.token_file is not None:
            raise ConfigError("admin_token", "admin.token", "2 are named and 1 is used; leave one out")
        if self.token is not None:
            self.check_token(self.token)
        if not self.is_loopback and self.token is None and self.token_file is None:
            raise ConfigError(
                "admin_exposed",
                "admin.host",
                f"{self.host!r} can be reached from outside and no token is asked for; listen on 127.0.0.1, "
                "or name admin.token_file",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check_token(self, token: str) -> None:
        """Raises ConfigError (`admin_token`) for one that could be guessed or sent in no header. It is not
        repeated."""
        if len(token) < TOKEN_LEAST_CHARS or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigError(
                "admin_token",
                "admin.token",
                f"has {len(token)} characters and {TOKEN_LEAST_CHARS} of ASCII without spaces are the least; "
                "take 32 random bytes in hex",
            )


@dataclass(frozen=True)
class LogConfig(Section):
    """How `spaces serve` writes its log, to standard error. Who embeds the server has a log already.

    Of lines that say the same, `burst` a second are written; how many were left out stands in the next one.
    """

    section: ClassVar[str] = "log"
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "warning"
    burst: int = number(10, 1, 10_000)
