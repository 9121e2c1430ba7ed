"""Signatures of webhooks: HMAC-SHA256 (RFC 2104) over id, time and body, made and checked."""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Mapping

__all__ = [
    "ID_HEADER",
    "SIGNATURE_HEADER",
    "TIMESTAMP_HEADER",
    "TOLERANCE_S",
    "SignatureError",
    "sign",
    "verify",
]

ID_HEADER = "Spaces-Id"
TIMESTAMP_HEADER = "Spaces-Timestamp"
SIGNATURE_HEADER = "Spaces-Signature"
TOLERANCE_S = 300
_VERSION = "v1="
_WHOLE = re.compile(r"[0-9]{1,12}")


class SignatureError(ValueError):
    """A webhook is not to be believed: answer 400 and do nothing.

    `code`: header_missing, bad_timestamp, too_old, wrong_signature.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def sign(secret: bytes | str, event_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `Spaces-Signature`: `v1=` and 64 hex digits."""
    signed = f"{event_id}.{timestamp_s}.".encode() + body
    return _VERSION + hmac.new(_key(secret), signed, hashlib.sha256).hexdigest()


def verify(
    secret: bytes | str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_s: float | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """Check a webhook as it came in, before its body is parsed; returns its id.

    headers: of the request, names in any case. body: its raw bytes. now_s: since the epoch, the machine's
    clock by default. The same id comes again where an answer was lost: **act on each id once**.
    SignatureError for all that the holder of the secret did not send within `tolerance_s`.
    """
    given = {name.lower(): value for name, value in headers.items()}
    event_id, timestamp, signatures = (
        _header(given, name) for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    )
    if not _WHOLE.fullmatch(timestamp):
        raise SignatureError(
            "bad_timestamp", f"{TIMESTAMP_HEADER} is not 1 to 12 digits; send seconds since 1970."
        )
    wanted = sign(secret, event_id, int(timestamp), body)
    # Every version 1 is compared, so that a sender can sign with an old and a new secret for a time.
    matches = [hmac.compare_digest(each.strip().encode(), wanted.encode()) for each in signatures.split(",")]
    if not any(matches):
        raise SignatureError(
            "wrong_signature",
            f"{SIGNATURE_HEADER} does not match id, time and body; check the secret and verify raw bytes.",
        )
    age_s = (time.time() if now_s is None else now_s) - int(timestamp)
    if abs(age_s) > tolerance_s:
        raise SignatureError(
            "too_old",
            f"The webhook was signed {age_s:.0f} s ago and {tolerance_s:.0f} s is the limit; "
            "drop it, and set the clocks if it is new.",
        )
    return event_id


def _header(given: Mapping[str, str], name: str) -> str:
    value = given.get(name.lower(), "")
    if not value:
        raise SignatureError("header_missing", f"The header {name} is missing; only signed webhooks count.")
    return value


def _key(secret: bytes | str) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    if not key:
        raise ValueError("the secret of webhooks has 0 bytes; give the one that the server signs with")
    return key
