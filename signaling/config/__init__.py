"""Configuration of a server: one frozen tree, from TOML, environment and flags, checked once."""

from __future__ import annotations

from signaling.config.errors import ConfigError
from signaling.config.files import (
    PaySecrets,
    prepare_data_dir,
    read_admin_token,
    read_pay_secrets,
    read_public_keys,
    read_retry_key,
    read_webhook_secret,
)
from signaling.config.hosting import MIN_FOLLOWERS, HostingConfig, KindConfig, PeopleConfig
from signaling.config.operating import AdminConfig, LogConfig
from signaling.config.pay import HttpConfig, PayConfig
from signaling.config.sources import ENVIRONMENT_PREFIX, SETTINGS, load_config
from signaling.config.talk import TalkConfig
from signaling.config.tickets import TicketsConfig
from signaling.config.tree import (
    AuthConfig,
    LimitsConfig,
    ListenConfig,
    MediaConfig,
    ServerConfig,
    StoreConfig,
    TlsConfig,
)
from signaling.config.webhooks import WebhooksConfig

__all__ = [
    "ENVIRONMENT_PREFIX",
    "MIN_FOLLOWERS",
    "SETTINGS",
    "AdminConfig",
    "AuthConfig",
    "ConfigError",
    "HostingConfig",
    "HttpConfig",
    "KindConfig",
    "LimitsConfig",
    "ListenConfig",
    "LogConfig",
    "MediaConfig",
    "PayConfig",
    "PaySecrets",
    "PeopleConfig",
    "ServerConfig",
    "StoreConfig",
    "TalkConfig",
    "TicketsConfig",
    "TlsConfig",
    "WebhooksConfig",
    "load_config",
    "prepare_data_dir",
    "read_admin_token",
    "read_pay_secrets",
    "read_public_keys",
    "read_retry_key",
    "read_webhook_secret",
]
