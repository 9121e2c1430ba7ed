"""Who someone is: signed tokens (JWT, RFC 7519), EdDSA over Ed25519 (RFC 8037) and nothing else.

A token says who the bearer is, never what they may do in a Space. Its `scope` may say that the bearer is a
backend and no person; the server believes that only of those whom its configuration lists. Nothing here
writes a token or a key into an error, so that neither can end in a log.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from jwt.exceptions import InvalidSubjectError

from signaling.rules import Refused, display_name, user_id

ALGORITHM = "EdDSA"
LEEWAY_S = 30
MAX_LIFETIME_S = 24 * 3600
MAX_TOKEN_CHARS = 4096
SERVICE_SCOPE = "service"
_REQUIRED = ("exp", "iat", "iss", "aud", "sub")


class TokenError(Exception):
    """A token is not accepted. `code`: bad_token, token_expired or wrong_subject."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an accepted token names. `expires_s` is in seconds since the epoch, leeway not included.

    `is_service`: the token's scope has the word `service`. Whether the server takes that is its own affair.
    """

    subject: str
    name: str
    expires_s: int
    is_service: bool = False


class Verifier:
    """Accepts tokens signed by known keys for this audience, and says why not for all others.

    keys: the public keys by `kid`. A key belongs to one issuer: `issuer` is that of all keys, or a mapping
    from `kid` to issuer, so that one backend cannot sign in the name of another. Keys are rotated with
    `replace_keys` while running: add the new one, mint with it, and take the old one out when its last
    token has expired. ValueError for settings under which no token could be accepted.
    """

    def __init__(
        self,
        keys: Mapping[str, Ed25519PublicKey],
        issuer: str | Mapping[str, str],
        audience: str,
        *,
        leeway_s: int = LEEWAY_S,
        max_lifetime_s: int = MAX_LIFETIME_S,
    ) -> None:
        if not audience:
            raise ValueError("the audience of tokens is empty; set it to the name of this server")
        if not 0 <= leeway_s <= 300:
            raise ValueError(f"the leeway for clocks is {leeway_s} s; set it to 0 to 300")
        if max_lifetime_s < 1:
            raise ValueError(f"the longest lifetime of a token is {max_lifetime_s} s; set it to 1 or more")
        self._audience = audience
        self._leeway_s = leeway_s
        self._max_lifetime_s = max_lifetime_s
        self._keys: dict[str, tuple[Ed25519PublicKey, str]] = {}
        self.replace_keys(keys, issuer)

    @property
    def key_ids(self) -> frozenset[str]:
        """The `kid` of each key that is accepted now."""
        return frozenset(self._keys)

    def replace_keys(self, keys: Mapping[str, Ed25519PublicKey], issuer: str | Mapping[str, str]) -> None:
        """Accept these keys and no others from now on. On ValueError the old ones stay."""
        known: dict[str, tuple[Ed25519PublicKey, str]] = {}
        for kid, key in keys.items():
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError(f"the key {kid!r} is a {type(key).__name__}; give an Ed25519 public key")
            whose = issuer if isinstance(issuer, str) else issuer.get(kid, "")
            if not whose:
                raise ValueError(f"the key {kid!r} has no issuer; name the one whose tokens it signs")
            known[kid] = (key, whose)
        self._keys = known

    def verify(self, token: str, now_s: float, *, subject: str | None = None) -> Identity:
        """Return whom `token` names at `now_s` (seconds since the epoch).

        With `subject`, the token must name that one: a renewal on a live connection. TokenError:
        token_expired, wrong_subject, and bad_token for everything else that is not as it has to be.
        """
        claims = self._claims(token)
        expires_s = self._check_times(claims, now_s)
        who = user_id(claims["sub"])
        if isinstance(who, Refused):
            raise TokenError("bad_token", f"The token's subject cannot be an account: {who.message}")
        if subject is not None and who != subject:
            raise TokenError(
                "wrong_subject",
                f"The token is for {who!r} and this connection belongs to {subject!r}; renew with a token "
                "for the same subject, or connect anew.",
            )
        given = claims.get("name", "")
        name = display_name(given, who) if isinstance(given, str) else Refused("bad_value", "It is no text.")
        if isinstance(name, Refused):
            raise TokenError("bad_token", f"The token's name cannot be shown: {name.message}")
        return Identity(who, name, expires_s, SERVICE_SCOPE in _scopes(claims))

    def _claims(self, token: str) -> dict[str, Any]:
        """The claims of a token whose signature, issuer and audience are right, and which lacks none."""
        if len(token) > MAX_TOKEN_CHARS:
            raise TokenError(
                "bad_token",
                f"The token has {len(token)} characters, {MAX_TOKEN_CHARS} is the limit; mint a smaller one.",
            )
        if not token.isascii():
            raise TokenError("bad_token", "The token has characters beyond ASCII; send it as it was minted.")
        try:
            key, issuer = self._key_of(token)
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=self._audience,
                issuer=issuer,
                # Times are checked here, against `now_s` and not against PyJWT's own clock.
                options={
                    "require": list(_REQUIRED),
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.PyJWTError as error:
            raise _bad(error) from None
        except (RecursionError, ValueError):
            # Thousands of nested brackets fit into a token, and its header is read before any signature.
            raise TokenError("bad_token", "The token is not readable; send it as it was minted.") from None

    def _key_of(self, token: str) -> tuple[Ed25519PublicKey, str]:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm != ALGORITHM:
            raise TokenError(
                "bad_token", f"The token is signed with {_short(algorithm)}; only {ALGORITHM} is accepted."
            )
        kid = header.get("kid")
        known = self._keys.get(kid) if isinstance(kid, str) else None
        if known is None:
            raise TokenError(
                "bad_token",
                f"The token's key {_short(kid)} is not one of the {len(self._keys)} accepted; mint it with a "
                "key that this server knows.",
            )
        return known

    def _check_times(self, claims: dict[str, Any], now_s: float) -> int:
        exp, iat = _seconds(claims, "exp"), _seconds(claims, "iat")
        nbf = _seconds(claims, "nbf") if "nbf" in claims else iat
        lifetime_s = exp - iat
        if not 0 < lifetime_s <= self._max_lifetime_s:
            raise TokenError(
                "bad_token",
                f"The token is for {lifetime_s:.0f} s, 1 to {self._max_lifetime_s} is the limit; "
                "mint a shorter-lived one.",
            )
        ahead_s = max(iat, nbf) - now_s
        if ahead_s > self._leeway_s:
            raise TokenError(
                "bad_token",
                f"The token is valid only in {ahead_s:.0f} s, {self._leeway_s} s is the leeway; "
                "wait, or set the clocks.",
            )
        if now_s - exp >= self._leeway_s:
            raise TokenError(
                "token_expired",
                f"The token expired {now_s - exp:.0f} s ago, {self._leeway_s} s is the leeway; renew it.",
            )
        return int(exp)


def mint(
    private_key: Ed25519PrivateKey,
    kid: str,
    *,
    subject: str,
    name: str,
    issuer: str,
    audience: str,
    lifetime_s: int,
    now_s: int,
    is_service: bool = False,
) -> str:
    """Sign a token for `subject`, valid from `now_s` for `lifetime_s` seconds (1 to 24 hours).

    With `is_service` it is for an application's backend, which `auth.services` of the server must list.

    ValueError for a subject, name or lifetime that a Verifier would not accept.
    """
    for checked in (user_id(subject), display_name(name, subject)):
        if isinstance(checked, Refused):
            raise ValueError(checked.message)
    if not 1 <= lifetime_s <= MAX_LIFETIME_S:
        raise ValueError(f"the lifetime of a token is {lifetime_s} s; set it to 1 to {MAX_LIFETIME_S}")
    claims = {
        "sub": subject,
        "name": name,
        "iss": issuer,
        "aud": audience,
        "iat": now_s,
        "exp": now_s + lifetime_s,
        **({"scope": SERVICE_SCOPE} if is_service else {}),
    }
    return jwt.encode(claims, private_key, algorithm=ALGORITHM, headers={"kid": kid})


def new_private_key() -> Ed25519PrivateKey:
    """A fresh signing key."""
    return Ed25519PrivateKey.generate()


def key_id(public_key: Ed25519PublicKey) -> str:
    """A `kid` made from the key itself: 16 hex digits of its SHA-256."""
    raw = public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:16]


def private_key_pem(key: Ed25519PrivateKey) -> bytes:
    """The key as PKCS #8 PEM, not encrypted: write it to a file that only its owner reads."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_key_pem(key: Ed25519PublicKey) -> bytes:
    """The key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def read_private_key(pem: bytes) -> Ed25519PrivateKey:
    """Read what `private_key_pem` or `openssl genpkey -algorithm ed25519` wrote. ValueError for all else."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("this is no private key in PEM; give an Ed25519 one without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"the private key is a {type(key).__name__}; give an Ed25519 one")
    return key


def read_public_key(pem: bytes) -> Ed25519PublicKey:
    """Read a public key in PEM. ValueError for all that is not Ed25519."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("this is no public key in PEM; give an Ed25519 one") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"the public key is a {type(key).__name__}; give an Ed25519 one")
    return key


def _scopes(claims: dict[str, Any]) -> list[str]:
    """The words of the scope (RFC 8693 section 4.2); those that mean nothing here are for others."""
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise TokenError("bad_token", "The token's scope is no text; write words with spaces between them.")
    return scope.split(" ")


def _seconds(claims: dict[str, Any], claim: str) -> float:
    """A NumericDate (RFC 7519 section 2): JSON also lets NaN, infinity and true in."""
    value = claims[claim]
    # 2**53: beyond it a float no longer counts single seconds.
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    # Compared first: math.isfinite raises for a whole number that is too large for a float.
    if not usable or not 0 <= value < 2**53:
        raise TokenError("bad_token", f"The token's {claim} is no time in seconds since 1970; mint it anew.")
    return float(value)


# PyJWT's exceptions, the special ones before their bases.
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.MissingRequiredClaimError, f"The token lacks a claim; it needs {', '.join(_REQUIRED)}."),
    (jwt.InvalidSignatureError, "The token's signature is wrong; mint it with the key that its kid names."),
    (jwt.InvalidAudienceError, "The token is for another audience; mint it for this server's."),
    (jwt.InvalidIssuerError, "The token's issuer is not the one of its key; use the issuer's own key."),
    (InvalidSubjectError, "The token's subject is no text; give the account's id."),
    (jwt.InvalidAlgorithmError, f"The token is not signed with {ALGORITHM}; only that is accepted."),
)


def _bad(error: jwt.PyJWTError) -> TokenError:
    for kind, sentence in _REASONS:
        if isinstance(error, kind):
            return TokenError("bad_token", sentence)
    return TokenError("bad_token", "The token is not readable; send it as it was minted.")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
