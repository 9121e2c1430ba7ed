"""Authority: whose tokens this server believes, and the key with which it mints its own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signaling import tokens
from signaling.config import ConfigError, ServerConfig, read_public_keys
from signaling.server.session import Member
from signaling.tokens import Identity, TokenError, Verifier

__all__ = ["Authority", "signing_key"]

_SECOND_US = 1_000_000


class Authority:
    """Verifies tokens and, in development mode, mints them. Keeps its private key to itself.

    `wall` is the clock of tokens, in seconds since the epoch. Raises ConfigError for keys that are unusable.
    """

    def __init__(self, config: ServerConfig, wall: Callable[[], float]) -> None:
        auth = config.auth
        keys = read_public_keys(config)
        issuers = {kid: auth.issuers.get(kid, auth.issuer) for kid in keys}
        self._signing_key = signing_key(config)
        self._kid = ""
        if self._signing_key is not None:
            self._kid = tokens.key_id(self._signing_key.public_key())
            keys[self._kid] = self._signing_key.public_key()
            issuers[self._kid] = auth.issuer
        self._verifier = Verifier(
            keys, issuers, auth.audience, leeway_s=auth.leeway_s, max_lifetime_s=auth.max_lifetime_s
        )
        self._auth = auth
        self._wall = wall

    @property
    def registers(self) -> bool:
        """Whether anybody who gives a name is let in: development mode."""
        return self._auth.development

    def identify(self, token: str, *, subject: str | None = None) -> Identity:
        """Whom a token names; with `subject` it must name that one. Raises TokenError.

        A token may say that it is a service's; it is refused unless `auth.services` lists its subject.
        """
        identity = self._verifier.verify(token, self._wall(), subject=subject)
        if identity.is_service and identity.subject not in self._auth.services:
            raise TokenError(
                "bad_token",
                f"The token has the scope {tokens.SERVICE_SCOPE!r} and its subject {identity.subject!r} is "
                f"none of the {len(self._auth.services)} services that this server knows; list it in "
                "auth.services, or mint the token without the scope.",
            )
        return identity

    def member(self, identity: Identity, name: str, now_us: int) -> Member:
        """The same person on our clock. A token accepted within the leeway is good for the leeway."""
        left_us = int((identity.expires_s - self._wall()) * _SECOND_US)
        if left_us <= 0:
            left_us += self._auth.leeway_s * _SECOND_US
        return Member(identity.subject, name, now_us + left_us, identity.is_service)

    def mint(self, user: str, name: str) -> str:
        """A token for a user of this server. RuntimeError without a signing key."""
        if self._signing_key is None:
            raise RuntimeError("this server has no signing key; name one as auth.signing_key")
        return tokens.mint(
            self._signing_key,
            self._kid,
            subject=user,
            name=name,
            issuer=self._auth.issuer,
            audience=self._auth.audience,
            lifetime_s=self._auth.minted_lifetime_s,
            now_s=int(self._wall()),
        )


def signing_key(config: ServerConfig) -> Ed25519PrivateKey | None:
    """The server's own key, or None if it has none. In development mode it is made at the first start.

    Its file has mode 0600. ConfigError: key_unreadable.
    """
    path = config.signing_key
    if path is None:
        return None
    try:
        if config.auth.development and not path.exists():
            _create(path)
        return tokens.read_private_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            "key_unreadable",
            "auth.signing_key",
            f"{path} cannot be used: {error.strerror}; name a file with an Ed25519 private key (PEM)",
        ) from error
    except ValueError as error:
        raise ConfigError("key_unreadable", "auth.signing_key", f"{path}: {error}") from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Never readable by others, not even for the moment before a chmod; and never over a key that is there.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "wb") as stream:
        stream.write(tokens.private_key_pem(tokens.new_private_key()))
