"""Repository of idempotency keys, and of the providers' events: what makes each happen once.

A key is written in the transaction of the act, so that the act and its key are there both or neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.store.errors import StoreError
from signaling.store.tables_ledger import keys, provider_events


@dataclass(frozen=True, slots=True)
class Remembered:
    """A request that was made before; `response` is None while its answer is not known."""

    response: bytes | None


async def claim(
    connection: AsyncConnection,
    account: str,
    key: bytes,
    request: bytes,
    now_us: int,
    *,
    forgotten_us: int = 0,
) -> Remembered | None:
    """None: the request is new, and its key is taken from now on. `request` is its SHA-256.

    A key taken before `forgotten_us` counts as new. StoreError key_reused: it was for another request.
    """
    same = (keys.c.account == account, keys.c.key == key)
    row = (await connection.execute(select(keys).where(*same))).one_or_none()
    if row is not None and row.made_us < forgotten_us:
        await connection.execute(delete(keys).where(*same))
        row = None
    if row is None:
        await connection.execute(
            insert(keys).values(account=account, key=key, request=request, made_us=now_us)
        )
        return None
    if bytes(row.request) != request:
        raise StoreError(
            "key_reused",
            f"The key {key.hex()} was for another request, and a key is for 1; make a new one for this.",
        )
    return Remembered(None if row.response is None else bytes(row.response))


async def answer(connection: AsyncConnection, account: str, key: bytes, response: bytes) -> None:
    """What the request is answered from now on. StoreError inconsistent: the key is not taken."""
    same = (keys.c.account == account, keys.c.key == key)
    done = await connection.execute(update(keys).where(*same).values(response=response))
    if done.rowcount != 1:
        raise StoreError(
            "inconsistent",
            f"The key {key.hex()} of {account!r} is not taken, and only one that is can be answered; "
            "claim it first.",
        )


async def forget(connection: AsyncConnection, before_us: int, limit: int = 1_000) -> int:
    """Delete keys that were taken before; returns how many. Ask again until there are none."""
    old = select(keys.c.account, keys.c.key).where(keys.c.made_us < before_us).limit(limit)
    found = (await connection.execute(old)).all()
    for account, key in found:
        await connection.execute(delete(keys).where(keys.c.account == account, keys.c.key == key))
    return len(found)


async def first_time(connection: AsyncConnection, provider: str, event: str, now_us: int) -> bool:
    """Whether this event of a provider is news: it is none from now on."""
    same = (provider_events.c.provider == provider, provider_events.c.event == event)
    if (await connection.execute(select(provider_events.c.at_us).where(*same))).first() is not None:
        return False
    await connection.execute(insert(provider_events).values(provider=provider, event=event, at_us=now_us))
    return True
