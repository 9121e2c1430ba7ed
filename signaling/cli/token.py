"""`spaces token`: mints a token with the server's own signing key."""

from __future__ import annotations

import os
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signaling import tokens
from signaling.cli.failures import Failure, Misuse
from signaling.config import ServerConfig, load_config
from signaling.rules import Refused, display_name, user_id

__all__ = ["read_key", "run"]


def run(
    *,
    subject: str,
    name: str,
    lifetime_s: int | None,
    key_file: Path | None,
    config_file: Path | None,
    data_dir: Path | None,
    is_service: bool = False,
) -> str:
    """The token. Misuse for a subject, name or lifetime that no server takes; Failure without a key."""
    config = _config(config_file, data_dir)
    path = key_file or config.auth.signing_key or config.store.data_dir / "signing-key.pem"
    key = read_key(path)
    for option, checked in (("SUBJECT", user_id(subject)), ("--name", display_name(name, subject))):
        if isinstance(checked, Refused):
            raise Misuse(checked.code, f"{option}: {checked.message}")
    wanted_s = config.auth.minted_lifetime_s if lifetime_s is None else lifetime_s
    if not 1 <= wanted_s <= config.auth.max_lifetime_s:
        raise Misuse(
            "bad_value",
            f"--lifetime is {wanted_s} s and the server takes tokens of 1 to {config.auth.max_lifetime_s} s",
            "choose one of these",
        )
    return tokens.mint(
        key,
        tokens.key_id(key.public_key()),
        subject=subject,
        name=name,
        issuer=config.auth.issuer,
        audience=config.auth.audience,
        lifetime_s=wanted_s,
        now_s=int(time.time()),
        is_service=is_service,
    )


def _config(config_file: Path | None, data_dir: Path | None) -> ServerConfig:
    # Without a file there may be nothing but a development server's data directory.
    development = {"auth.development": True, "listen.host": "127.0.0.1"} if config_file is None else {}
    return load_config(config_file, os.environ, {"store.data_dir": data_dir, **development})


def read_key(path: Path) -> Ed25519PrivateKey:
    """A signing key. Failure: key_missing, key_unreadable."""
    remedy = "start the server once (spaces serve --dev), or name the key with --key or --config"
    try:
        return tokens.read_private_key(path.read_bytes())
    except FileNotFoundError as error:
        raise Failure("key_missing", f"there is no signing key {path}", remedy) from error
    except OSError as error:
        raise Failure(
            "key_unreadable", f"the signing key {path} cannot be read: {error.strerror}", remedy
        ) from error
    except ValueError as error:
        raise Failure("key_unreadable", f"{path}: {error}") from error
