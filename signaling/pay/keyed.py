"""What makes a request happen once: its key, written with what it made."""

from __future__ import annotations

import hashlib

from signaling.pay.office import Work
from signaling.rules.sale_limits import SaleLimits
from signaling.store import accounts, keys

__all__ = ["claimed", "made"]


async def claimed(
    work: Work, limits: SaleLimits, account: str, key: bytes, verb: str, *request: bytes
) -> bytes | None:
    """What the same request made before, or None: it is new, and `made` is to follow in this transaction.

    StoreError key_reused: the key was for another request.
    """
    digest = hashlib.sha256(verb.encode())
    for part in request:
        digest.update(len(part).to_bytes(4) + part)
    await accounts.ensure(work.connection, account, "", work.now_us)
    known = await keys.claim(
        work.connection,
        account,
        key,
        digest.digest(),
        work.now_us,
        forgotten_us=work.now_us - limits.keys_us,
    )
    return None if known is None else known.response


async def made(work: Work, account: str, key: bytes, response: bytes) -> None:
    """Remember what the request made."""
    await keys.answer(work.connection, account, key, response)
