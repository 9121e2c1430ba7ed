"""Files that the configuration names, checked when the server starts: the data directory, token keys."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from signaling.config.errors import ConfigError
from signaling.config.tree import ServerConfig
from signaling.config.webhooks import SECRET_LEAST_BYTES
from signaling.tokens import read_public_key

RETRY_KEY_LEAST_BYTES = 32

__all__ = [
    "PaySecrets",
    "prepare_data_dir",
    "read_admin_token",
    "read_pay_secrets",
    "read_public_keys",
    "read_retry_key",
    "read_webhook_secret",
]


def prepare_data_dir(config: ServerConfig) -> Path:
    """Create the data directory (mode 0700) if it is not there. ConfigError: data_dir_unusable."""
    directory = config.store.data_dir
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = directory / f".probe-{os.getpid()}"
        probe.touch(mode=0o600)
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            "data_dir_unusable",
            "store.data_dir",
            f"{directory} cannot be written: {error.strerror}; name a directory that this user may write to",
        ) from error
    return directory


def read_public_keys(config: ServerConfig) -> dict[str, Ed25519PublicKey]:
    """The keys of `auth.keys` by kid. ConfigError: key_unreadable."""
    return {kid: _public_key(f"auth.keys.{kid}", path) for kid, path in config.auth.keys.items()}


def read_webhook_secret(config: ServerConfig) -> bytes:
    """What webhooks are signed with; empty where none are sent. ConfigError: webhook_secret."""
    hooks = config.webhooks
    if not hooks.urls:
        return b""
    if hooks.secret_file is None:
        return (hooks.secret or "").encode()
    try:
        secret = hooks.secret_file.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            "webhook_secret",
            "webhooks.secret_file",
            f"{hooks.secret_file} cannot be read: {error.strerror}; name a file that can",
        ) from error
    if len(secret) < SECRET_LEAST_BYTES:
        raise ConfigError(
            "webhook_secret",
            "webhooks.secret_file",
            f"{hooks.secret_file} holds {len(secret)} bytes and {SECRET_LEAST_BYTES} is the least; put 32 "
            "random ones in hex there",
        )
    return secret


def read_admin_token(config: ServerConfig) -> str:
    """What the admin port asks for; empty where it asks for none. ConfigError: admin_token."""
    admin = config.admin
    if admin.token_file is None:
        return admin.token or ""
    try:
        token = admin.token_file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it holds no ASCII"
        raise ConfigError(
            "admin_token",
            "admin.token_file",
            f"{admin.token_file} cannot be read: {why}; name a file with a token",
        ) from None
    admin.check_token(token)
    return token


def read_retry_key(config: ServerConfig) -> bytes:
    """What the tokens of the gate are made with. ConfigError: retry_key.

    Without one in the configuration it is `retry-key` in the data directory, made there at the first start
    (mode 0600): so it outlives the process, and belongs to this server alone.
    """
    listen = config.listen
    if listen.retry_key is not None:
        return _checked_key("listen.retry_key", "it", listen.retry_key.encode())
    path = listen.retry_key_file or config.store.data_dir / "retry-key"
    try:
        if listen.retry_key_file is None:
            _create_key(path)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(
            "retry_key",
            "listen.retry_key_file",
            f"{path} cannot be used: {error.strerror}; name a file with 32 random bytes in hex",
        ) from error
    return _checked_key("listen.retry_key_file", str(path), secret)


def _checked_key(key: str, what: str, secret: bytes) -> bytes:
    if len(secret) < RETRY_KEY_LEAST_BYTES:
        raise ConfigError(
            "retry_key",
            key,
            f"{what} has {len(secret)} bytes and {RETRY_KEY_LEAST_BYTES} is the least; take 32 random "
            "ones in hex",
        )
    return secret


def _create_key(path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(file, "wb") as stream:
            stream.write(os.urandom(RETRY_KEY_LEAST_BYTES).hex().encode())


@dataclass(frozen=True, slots=True)
class PaySecrets:
    """What Stripe is called with, and what its webhooks are checked with."""

    stripe_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)


def read_pay_secrets(config: ServerConfig) -> PaySecrets:
    """The secrets of `[pay]`, checked as those named there are. ConfigError: pay_secret."""
    pay = config.pay
    key = _secret_text("pay.stripe_key", pay.stripe_key, pay.stripe_key_file)
    secret = _secret_text("pay.webhook_secret", pay.webhook_secret, pay.webhook_secret_file)
    pay.check_key(key)
    pay.check_webhook_secret(secret)
    return PaySecrets(key, secret)


def _secret_text(key: str, text: str | None, path: Path | None) -> str:
    if text is not None or path is None:
        return text or ""
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        raise ConfigError(
            "pay_secret", f"{key}_file", f"{path} cannot be read: {error.strerror}; name a file that can"
        ) from error
    except UnicodeDecodeError:
        raise ConfigError(
            "pay_secret", f"{key}_file", f"{path} holds no text; put the secret there"
        ) from None


def _public_key(key: str, path: Path) -> Ed25519PublicKey:
    try:
        return read_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            "key_unreadable", key, f"{path} cannot be read: {error.strerror}; name a PEM file that can"
        ) from error
    except ValueError as error:
        raise ConfigError("key_unreadable", key, f"{path}: {error}") from None
