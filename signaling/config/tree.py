"""The configuration of a server as one frozen tree: what can be made has been checked, but for its files."""

from __future__ import annotations

import ipaddress
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from signaling.config.errors import ConfigError

__all__ = [
    "AuthConfig",
    "LimitsConfig",
    "ListenConfig",
    "MediaConfig",
    "ServerConfig",
    "StoreConfig",
    "TlsConfig",
]


def _number(default: float, low: float, high: float) -> Any:
    return field(default=default, metadata={"low": low, "high": high})


class _Section:
    """Checks every value against its annotation, and numbers against their range, when a section is made."""

    section: ClassVar[str]

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for item in fields(self):  # type: ignore[arg-type]  # every section is a dataclass
            key = f"{self.section}.{item.name}"
            value = getattr(self, item.name)
            _check_type(key, value, hints[item.name])
            low, high = item.metadata.get("low"), item.metadata.get("high")
            if low is not None and not low <= value <= high:
                raise ConfigError(
                    "out_of_range", key, f"{value} is outside {low} to {high}; set one of these"
                )


def _check_choice(key: str, value: object, choices: tuple[object, ...]) -> None:
    """Raises ConfigError (`not_a_choice`) for what is none of these words and numbers."""
    # True equals 1 to Python, not to people.
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        words = ", ".join(str(choice) for choice in choices)
        given = value if isinstance(value, str | int | float) else _given(value)
        raise ConfigError("not_a_choice", key, f"{given} is none of {len(choices)} choices; write {words}")


def _check_type(key: str, value: object, wanted: Any) -> None:
    if typing.get_origin(wanted) is Literal:
        _check_choice(key, value, typing.get_args(wanted))
        return
    allowed = typing.get_args(wanted) if isinstance(wanted, types.UnionType) else (wanted,)
    for kind in allowed:
        origin = typing.get_origin(kind) or kind
        if origin is float and type(value) is int:
            return
        # bool is an int to Python, not to people.
        if isinstance(value, origin) and (origin is bool or not isinstance(value, bool)):
            return
    names = " or ".join("nothing" if kind is type(None) else _name(kind) for kind in allowed)
    raise ConfigError("wrong_type", key, f"{_given(value)} stands where {names} belongs; write one")


_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "a path",
    Mapping: "a table",
    dict: "a table",
    list: "a list",
}


def _name(kind: Any) -> str:
    return _WORDS.get(typing.get_origin(kind) or kind, "a list")


def _given(value: object) -> str:
    return _WORDS.get(type(value), f"a {type(value).__name__}")  # TOML also knows dates and times


@dataclass(frozen=True)
class ListenConfig(_Section):
    """Where the server listens, UDP. Port 0 takes a free one."""

    section: ClassVar[str] = "listen"
    host: str = "127.0.0.1"
    port: int = _number(4433, 0, 65535)

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach the address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class TlsConfig(_Section):
    """Certificate chain and private key, PEM. In development mode one is made where none is named."""

    section: ClassVar[str] = "tls"
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class AuthConfig(_Section):
    """Whose tokens are accepted. `keys` names the public keys (Ed25519, PEM files) by their `kid`.

    `issuer` is who signs with the server's own key and with every key that `issuers` does not name another
    issuer for (again by kid): one backend cannot sign in the name of another.
    `signing_key` is the server's own private key, with which it and `spaces token` mint; in development mode
    it is created in the data directory. `development` lets anybody in who gives a name: on loopback only.
    """

    section: ClassVar[str] = "auth"
    development: bool = False
    issuer: str = "spacecore"
    audience: str = "spaces"
    keys: Mapping[str, Path] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    signing_key: Path | None = None
    minted_lifetime_s: int = _number(3600, 1, 86_400)
    max_lifetime_s: int = _number(86_400, 1, 86_400)
    leeway_s: int = _number(30, 0, 300)


@dataclass(frozen=True)
class StoreConfig(_Section):
    """Where durable state lives. Without a `url` it is SQLite in `data_dir`. A url may hold a password."""

    section: ClassVar[str] = "store"
    data_dir: Path = Path("spaces-data")
    url: str | None = field(default=None, repr=False)

    @property
    def database_url(self) -> str:
        """The url as the store takes it."""
        return self.url or f"sqlite+aiosqlite:///{self.data_dir / 'spaces.sqlite'}"


@dataclass(frozen=True)
class LimitsConfig(_Section):
    """Every bound that an operator may move; docs/limits.md says what happens at each."""

    section: ClassVar[str] = "limits"
    connections: int = _number(10_000, 1, 1_000_000)
    half_open: int = _number(512, 1, 65_536)
    retry_above: int = _number(128, 0, 65_536)
    handshake_ms: int = _number(10_000, 100, 60_000)
    idle_ms: int = _number(30_000, 1_000, 600_000)
    hello_ms: int = _number(3_000, 100, 60_000)
    control_backlog_bytes: int = _number(256 * 1024, 32 * 1024, 16 * 1024 * 1024)
    audio_queue: int = _number(10, 1, 100)
    requests_waiting: int = _number(32, 1, 1_000)
    requests_per_s: int = _number(20, 1, 10_000)
    requests_burst: int = _number(40, 1, 10_000)
    audio_per_s: int = _number(100, 50, 1_000)
    spaces: int = _number(1_000, 1, 100_000)
    inbox: int = _number(1_024, 1, 65_536)
    stage: int = _number(13, 1, 32)
    queue: int = _number(100, 0, 1_000)
    people: int = _number(10_000, 1, 1_000_000)
    title_chars: int = _number(100, 1, 100)
    host_grace_ms: int = _number(30_000, 0, 3_600_000)
    push_interval_ms: int = _number(100, 20, 10_000)
    audience_messages_per_s: int = _number(250, 1, 1_000_000)
    stop_ms: int = _number(5_000, 0, 60_000)


@dataclass(frozen=True)
class MediaConfig(_Section):
    """How every room is mixed and encoded (see `spacecore.Space`), and how its audio is sent.

    `plane` says what carries audio: our own packets in a thread without the interpreter, or aioquic's.
    `bundle` is the most frames in one datagram for those who only listen and whose client takes as many;
    "auto" is one up to `bundle_above` listeners in the room, two beyond. On aioquic it is always one.
    """

    section: ClassVar[str] = "media"
    plane: Literal["native", "aioquic"] = "native"
    bundle: Literal["auto", 1, 2, 3] = "auto"
    bundle_above: int = _number(200, 0, 1_000_000)
    bitrate_bps: int = _number(48_000, 6_000, 256_000)
    complexity: int = _number(9, 0, 10)
    fec: bool = True
    loss_pct: int = _number(5, 0, 100)
    keep_alive_ms: int = _number(5_000, 0, 25_000)


@dataclass(frozen=True)
class ServerConfig:
    """The whole configuration. Raises ConfigError, when it is made, for values that cannot stand together."""

    listen: ListenConfig = field(default_factory=ListenConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    media: MediaConfig = field(default_factory=MediaConfig)

    def __post_init__(self) -> None:
        self._check_development()
        self._check_tls()
        self._check_keys()
        self._check_sizes()

    @property
    def signing_key(self) -> Path | None:
        """The file of the server's own key; in development mode there always is one."""
        if self.auth.signing_key is None and self.auth.development:
            return self.store.data_dir / "signing-key.pem"
        return self.auth.signing_key

    def _check_development(self) -> None:
        if self.auth.development and not self.listen.is_loopback:
            raise ConfigError(
                "development_exposed",
                "auth.development",
                f"development mode lets everybody in and {self.listen.host!r} can be reached from outside; "
                "listen on 127.0.0.1, or configure certificate and token keys",
            )

    def _check_tls(self) -> None:
        named = [name for name in ("certificate", "key") if getattr(self.tls, name) is not None]
        missing = [name for name in ("certificate", "key") if name not in named]
        if len(named) == 1 or (missing and not self.auth.development):
            raise ConfigError(
                "certificate_missing",
                f"tls.{missing[0]}",
                f"no {missing[0]} is named and clients must be able to trust the server; name "
                "certificate and key (PEM files), or set auth.development on 127.0.0.1 for a self-made one",
            )

    def _check_keys(self) -> None:
        if not self.auth.keys and self.signing_key is None:
            raise ConfigError(
                "token_keys_missing",
                "auth.keys",
                "no key is named and at least 1 is needed to check tokens; name public keys by their kid, or "
                "the server's own key as auth.signing_key",
            )
        unknown = sorted(set(self.auth.issuers) - set(self.auth.keys))
        if unknown:
            raise ConfigError(
                "unknown_key",
                f"auth.issuers.{unknown[0]}",
                f"no key of auth.keys has this kid, {len(self.auth.keys)} others are there; name one of them",
            )
        if not self.auth.issuer or not self.auth.audience:
            raise ConfigError(
                "out_of_range", "auth.issuer", "issuer and audience have 0 characters; give each 1 or more"
            )
        if self.auth.minted_lifetime_s > self.auth.max_lifetime_s:
            raise ConfigError(
                "out_of_range",
                "auth.minted_lifetime_s",
                f"{self.auth.minted_lifetime_s} is more than auth.max_lifetime_s = "
                f"{self.auth.max_lifetime_s}, such tokens would be refused; lower it",
            )

    def _check_sizes(self) -> None:
        if self.limits.people < self.limits.stage:
            raise ConfigError(
                "out_of_range",
                "limits.people",
                f"{self.limits.people} people cannot fill limits.stage = {self.limits.stage}; raise it",
            )
