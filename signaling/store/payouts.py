"""Repository of payouts to hosts, and of the accounts they go to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules.payouts import Payout, PayoutState
from signaling.store.errors import StoreError
from signaling.store.tables_ledger import payout_accounts
from signaling.store.tables_ledger import payouts as table
from signaling.store.tables_sales import CODE_CHARS


@dataclass(frozen=True, slots=True)
class StoredPayout:
    """A payout, the provider's name of the account it goes to, and what the provider says of it."""

    payout: Payout
    account: str = ""
    ref: str = ""
    failure: str = ""
    attempts: int = 0
    next_us: int = 0


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """A host's account at a provider; `state` is none, pending or verified."""

    user: str
    provider: str
    ref: str
    state: str
    changed_us: int


async def add(connection: AsyncConnection, payout: Payout, account: str) -> None:
    """Write the intent, with the transaction that books it. StoreError busy: another is under way."""
    under_way = select(table.c.payout).where(
        table.c.host == payout.host, table.c.state == PayoutState.SENT.value
    )
    if (await connection.execute(under_way)).first() is not None:
        raise StoreError(
            "busy", f"1 payout to {payout.host!r} is under way and 1 is the limit; wait for its outcome."
        )
    await connection.execute(
        insert(table).values(
            payout=payout.payout,
            host=payout.host,
            amount_minor=payout.amount_minor,
            currency=payout.currency,
            provider=payout.provider,
            at_us=payout.at_us,
            state=payout.state.value,
            account=account,
        )
    )


async def save(connection: AsyncConnection, payout: Payout, *, ref: str = "", failure: str = "") -> bool:
    """What became of it. The provider's name of it stays where none is given. False: no such payout."""
    values = {"state": payout.state.value, "failure": failure[:CODE_CHARS]} | ({"ref": ref} if ref else {})
    changed = await connection.execute(update(table).where(table.c.payout == payout.payout).values(values))
    return bool(changed.rowcount == 1)


async def put_off(connection: AsyncConnection, payout: bytes, until_us: int) -> None:
    """It was asked about in vain: again at `until_us`."""
    await connection.execute(
        update(table).where(table.c.payout == payout).values(attempts=table.c.attempts + 1, next_us=until_us)
    )


async def get(connection: AsyncConnection, payout: bytes) -> StoredPayout | None:
    """The payout of this id."""
    row = (await connection.execute(select(table).where(table.c.payout == payout))).one_or_none()
    return None if row is None else _payout(row)


async def under_way(connection: AsyncConnection, now_us: int, limit: int = 100) -> list[StoredPayout]:
    """Those without an outcome that are due to be asked about, the longest due first."""
    query = (
        select(table)
        .where(table.c.state == PayoutState.SENT.value, table.c.next_us <= now_us)
        .order_by(table.c.next_us, table.c.payout)
        .limit(limit)
    )
    return [_payout(row) for row in await connection.execute(query)]


async def paid_of(connection: AsyncConnection, host: str) -> frozenset[bytes]:
    """The payouts to a host that the provider confirmed."""
    query = select(table.c.payout).where(table.c.host == host, table.c.state == PayoutState.PAID.value)
    return frozenset(bytes(payout) for payout in (await connection.execute(query)).scalars())


async def page(
    connection: AsyncConnection, host: str, after: tuple[int, bytes] | None = None, limit: int = 100
) -> tuple[list[StoredPayout], tuple[int, bytes] | None]:
    """A host's payouts, the latest first; and where to go on: (`at_us`, `payout`) of the last row."""
    query = select(table).where(table.c.host == host)
    if after is not None:
        at_us, payout = after
        query = query.where(or_(table.c.at_us < at_us, and_(table.c.at_us == at_us, table.c.payout < payout)))
    query = query.order_by(table.c.at_us.desc(), table.c.payout.desc()).limit(limit + 1)
    found = [_payout(row) for row in await connection.execute(query)]
    if len(found) <= limit:
        return found, None
    last = found[limit - 1].payout
    return found[:limit], (last.at_us, last.payout)


async def account_of(connection: AsyncConnection, user: str, provider: str) -> StoredAccount | None:
    """Where the money of `user` goes; None where nothing is known."""
    query = select(payout_accounts).where(
        payout_accounts.c.user == user, payout_accounts.c.provider == provider
    )
    return _one_account((await connection.execute(query)).one_or_none())


async def account_by_ref(connection: AsyncConnection, provider: str, ref: str) -> StoredAccount | None:
    """The account that a provider calls so."""
    query = select(payout_accounts).where(
        payout_accounts.c.provider == provider, payout_accounts.c.ref == ref
    )
    return _one_account((await connection.execute(query)).one_or_none()) if ref else None


async def put_account(connection: AsyncConnection, account: StoredAccount) -> None:
    """Write what is known of it, whether it is new or not."""
    same = (payout_accounts.c.user == account.user, payout_accounts.c.provider == account.provider)
    values = {"ref": account.ref, "state": account.state, "changed_us": account.changed_us}
    changed = await connection.execute(update(payout_accounts).where(*same).values(values))
    if changed.rowcount == 0:
        await connection.execute(
            insert(payout_accounts).values(user=account.user, provider=account.provider, **values)
        )


def _one_account(row: Row[Any] | None) -> StoredAccount | None:
    return None if row is None else StoredAccount(row.user, row.provider, row.ref, row.state, row.changed_us)


def _payout(row: Row[Any]) -> StoredPayout:
    payout = Payout(
        bytes(row.payout),
        row.host,
        row.amount_minor,
        row.currency,
        row.provider,
        row.at_us,
        PayoutState(row.state),
    )
    return StoredPayout(payout, row.account, row.ref, row.failure, row.attempts, row.next_us)
