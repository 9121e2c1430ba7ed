"""The configuration of a server as one frozen tree: what can be made has been checked, but for its files."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

from signaling.config.errors import ConfigError
from signaling.config.hosting import HostingConfig, PeopleConfig
from signaling.config.operating import AdminConfig, LogConfig
from signaling.config.pay import HttpConfig, PayConfig
from signaling.config.section import Section, number
from signaling.config.talk import TalkConfig
from signaling.config.tickets import TicketsConfig
from signaling.config.webhooks import WebhooksConfig
from signaling.links import Link, LinkError
from signaling.rules.sale_limits import SaleLimits

__all__ = [
    "AuthConfig",
    "LimitsConfig",
    "ListenConfig",
    "MediaConfig",
    "ServerConfig",
    "StoreConfig",
    "TlsConfig",
]


@dataclass(frozen=True)
class ListenConfig(Section):
    """Where the server listens, UDP. Port 0 takes a free one.

    `public` is the `host:port` under which clients reach it, for links; empty where that is the same.
    The retry key is what the tokens of the gate are made with: the same for all processes that clients may
    reach in turn. Where neither it nor its file is named, one is made in the data directory.
    """

    section: ClassVar[str] = "listen"
    host: str = "127.0.0.1"
    port: int = number(4433, 0, 65535)
    public: str = ""
    retry_key: str | None = field(default=None, repr=False)
    retry_key_file: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.public:
            try:
                Link(self.public, bytes(16))
            except LinkError as error:
                raise ConfigError("out_of_range", "listen.public", str(error)) from None
        if self.retry_key is not None and self.retry_key_file is not None:
            raise ConfigError(
                "retry_key", "listen.retry_key", "2 keys are named and 1 is used; leave listen.retry_key out"
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


@dataclass(frozen=True)
class TlsConfig(Section):
    """Certificate chain and private key, PEM. In development mode one is made where none is named."""

    section: ClassVar[str] = "tls"
    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True)
class AuthConfig(Section):
    """Whose tokens are accepted. `keys` names the public keys (Ed25519, PEM files) by their `kid`.

    `issuer` is who signs with the server's own key and with every key that `issuers` does not name another
    issuer for (again by kid): one backend cannot sign in the name of another.
    `signing_key` is the server's own private key, with which it and `spaces token` mint; in development mode
    it is created in the data directory. `services` lists the subjects that are backends and no people; their
    tokens must also say so (scope "service"). `development` lets anybody in who gives a name, on loopback.
    """

    section: ClassVar[str] = "auth"
    development: bool = False
    issuer: str = "spacecore"
    audience: str = "spaces"
    keys: Mapping[str, Path] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)
    signing_key: Path | None = None
    minted_lifetime_s: int = number(3600, 1, 86_400)
    max_lifetime_s: int = number(86_400, 1, 86_400)
    leeway_s: int = number(30, 0, 300)
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class StoreConfig(Section):
    """Where durable state lives. Without a `url` it is SQLite in `data_dir`. A url may hold a password.

    shared: this server sells tickets from a database of PostgreSQL that another server owns, and runs no
    Spaces (docs/tickets.md).
    """

    section: ClassVar[str] = "store"
    data_dir: Path = Path("spaces-data")
    url: str | None = field(default=None, repr=False)
    shared: bool = False

    @property
    def database_url(self) -> str:
        """The url as the store takes it."""
        return self.url or f"sqlite+aiosqlite:///{self.data_dir / 'spaces.sqlite'}"


@dataclass(frozen=True)
class LimitsConfig(Section):
    """Every bound that an operator may move; docs/limits.md says what happens at each."""

    section: ClassVar[str] = "limits"
    connections: int = number(10_000, 1, 1_000_000)
    connections_per_prefix: int = number(2_000, 1, 1_000_000)
    prefix_v4_bits: int = number(24, 8, 32)
    prefix_v6_bits: int = number(56, 16, 128)
    half_open: int = number(512, 1, 65_536)
    half_open_per_prefix: int = number(128, 1, 65_536)
    returning: int = number(512, 1, 65_536)
    retry_above: int = number(128, 0, 65_536)
    handshake_ms: int = number(10_000, 100, 60_000)
    idle_ms: int = number(30_000, 1_000, 600_000)
    hello_ms: int = number(3_000, 100, 60_000)
    control_backlog_bytes: int = number(256 * 1024, 32 * 1024, 16 * 1024 * 1024)
    audio_queue: int = number(10, 1, 100)
    requests_waiting: int = number(32, 1, 1_000)
    requests_aside: int = number(4, 1, 1_000)
    requests_per_s: int = number(20, 1, 10_000)
    requests_burst: int = number(40, 1, 10_000)
    packets_per_s: int = number(500, 50, 100_000)
    audio_per_s: int = number(100, 50, 1_000)
    spaces: int = number(1_000, 1, 100_000)
    inbox: int = number(1_024, 1, 65_536)
    stage: int = number(13, 1, 30)
    queue: int = number(100, 0, 1_000)
    people: int = number(10_000, 1, 1_000_000)
    title_chars: int = number(100, 1, 100)
    host_grace_ms: int = number(30_000, 0, 3_600_000)
    host_timeout_ms: int = number(90_000, 0, 3_600_000)
    resume_ms: int = number(120_000, 0, 3_600_000)
    co_hosts: int = number(2, 0, 32)
    pins: int = number(5, 0, 5)
    invites: int = number(50, 0, 1_000)
    invite_ms: int = number(600_000, 1_000, 86_400_000)
    speak_links: int = number(50, 0, 1_000)
    speak_link_s: int = number(86_400, 1, 604_800)
    push_interval_ms: int = number(100, 20, 10_000)
    audience_messages_per_s: int = number(250, 1, 1_000_000)
    stop_ms: int = number(5_000, 0, 60_000)


@dataclass(frozen=True)
class MediaConfig(Section):
    """How every room is mixed and encoded (see `spacecore.Space`), and how its audio is sent.

    `plane` says what carries audio: our own packets in a thread without the interpreter, or aioquic's.
    `bundle` is the most frames in one datagram for those who only listen and whose client takes as many;
    "auto" is one up to `bundle_above` listeners in the room, two beyond. On aioquic it is always one.
    `loudness` brings everybody who speaks to the same loudness, slowly. `denoise` takes out of their sound
    what is no voice (needs the extra `denoise`); then nobody is passed through. `pass_through` passes the
    packets of a speaker who is heard alone on as they came, instead of encoding them once more. With `fec`
    encoders make in-band FEC where people report loss; `loss_pct` is the least loss to make it for.
    """

    section: ClassVar[str] = "media"
    plane: Literal["native", "aioquic"] = "native"
    bundle: Literal["auto", 1, 2, 3] = "auto"
    bundle_above: int = number(200, 0, 1_000_000)
    bitrate_bps: int = number(48_000, 6_000, 256_000)
    complexity: int = number(9, 0, 10)
    fec: bool = True
    loss_pct: int = number(0, 0, 100)
    keep_alive_ms: int = number(5_000, 0, 25_000)
    loudness: bool = True
    denoise: bool = False
    pass_through: bool = True


@dataclass(frozen=True)
class ServerConfig:
    """The whole configuration. Raises ConfigError, when it is made, for values that cannot stand together."""

    listen: ListenConfig = field(default_factory=ListenConfig)
    tls: TlsConfig = field(default_factory=TlsConfig)
    auth: AuthConfig = field(default_factory=AuthConfig)
    store: StoreConfig = field(default_factory=StoreConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    media: MediaConfig = field(default_factory=MediaConfig)
    talk: TalkConfig = field(default_factory=TalkConfig)
    webhooks: WebhooksConfig = field(default_factory=WebhooksConfig)
    hosting: HostingConfig = field(default_factory=HostingConfig)
    people: PeopleConfig = field(default_factory=PeopleConfig)
    tickets: TicketsConfig = field(default_factory=TicketsConfig)
    pay: PayConfig = field(default_factory=PayConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    admin: AdminConfig = field(default_factory=AdminConfig)
    log: LogConfig = field(default_factory=LogConfig)

    def __post_init__(self) -> None:
        self._check_development()
        self._check_tls()
        self._check_keys()
        self._check_sizes()
        self._check_shared()
        self.pay.check_with(self.tickets, development=self.auth.development)

    @property
    def sale_limits(self) -> SaleLimits:
        """The numbers of sales, as the rules take them."""
        return self.tickets.limits(people=self.limits.people, development=self.auth.development)

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

    def _check_shared(self) -> None:
        if not self.store.shared:
            return
        if not self.store.database_url.startswith("postgresql"):
            raise ConfigError(
                "store_shared",
                "store.shared",
                "is true and the store is SQLite, which is for 1 server; give store.url of a PostgreSQL "
                "database, or leave store.shared out",
            )
        if self.webhooks.urls:
            raise ConfigError(
                "store_shared",
                "webhooks.urls",
                f"names {len(self.webhooks.urls)} receivers and a server with store.shared tells 0; have the "
                "server that owns the database tell them",
            )

    def _check_sizes(self) -> None:
        if self.limits.people < self.limits.stage:
            raise ConfigError(
                "out_of_range",
                "limits.people",
                f"{self.limits.people} people cannot fill limits.stage = {self.limits.stage}; raise it",
            )
