"""ConfigError: why the configuration was refused."""

from __future__ import annotations

__all__ = ["ConfigError"]


class ConfigError(ValueError):
    """The server does not start with this configuration. The message says value, limit and remedy.

    `code` is stable: unknown_key, wrong_type, out_of_range, not_a_choice, file_unreadable, not_toml,
    development_exposed, certificate_missing, token_keys_missing, data_dir_unusable, key_unreadable,
    webhook_url, webhook_secret, pay_url, pay_secret, pay_currency, pay_extra_missing, port_unusable,
    admin_exposed, admin_token. `key` names the setting (`listen.port`).
    """

    def __init__(self, code: str, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.code = code
        self.key = key
