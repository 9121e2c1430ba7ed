"""Configuration of a server: one frozen tree, from TOML, environment and flags, checked once."""

from __future__ import annotations

from signaling.config.errors import ConfigError
from signaling.config.files import prepare_data_dir, read_public_keys, read_webhook_secret
from signaling.config.sources import ENVIRONMENT_PREFIX, SETTINGS, load_config
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
    "SETTINGS",
    "AuthConfig",
    "ConfigError",
    "LimitsConfig",
    "ListenConfig",
    "MediaConfig",
    "ServerConfig",
    "StoreConfig",
    "TlsConfig",
    "WebhooksConfig",
    "load_config",
    "prepare_data_dir",
    "read_public_keys",
    "read_webhook_secret",
]
