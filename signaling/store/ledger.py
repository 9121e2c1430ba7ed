"""Repository of the ledger: double entry, only ever added to, and looked at as a whole.

**The postings of an entry sum to 0**, so all of them do. Sandbox entries are no money: they are summed apart.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import payouts as payout_rules
from signaling.rules.postings import Transaction
from signaling.store import payouts, sales, sellers
from signaling.store.errors import StoreError
from signaling.store.tables import spaces
from signaling.store.tables_ledger import balances, ledger_transactions, postings
from signaling.store.tables_sales import offers

# Unbalanced entries and wrong balances that are named; one is already one too many.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class PostedLine:
    """One posting with the entry it is of: a row of an export."""

    posting: int
    entry: int
    account: str
    amount_minor: int
    currency: str
    kind: str
    ref: bytes
    space: bytes | None
    at_us: int
    sandbox: bool


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What the postings of one account sum to."""

    account: str
    currency: str
    sandbox: bool
    amount_minor: int


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The ledger as a whole. **`is_right` must hold at any moment.**

    `totals`: the sum over all accounts, by (currency, sandbox); each is 0. `unbalanced`: entries that do not
    sum to 0; `drifted`: accounts whose kept balance is not the sum of their postings.
    """

    entries: int
    postings: int
    totals: dict[tuple[str, bool], int]
    unbalanced: tuple[int, ...]
    drifted: tuple[str, ...]

    @property
    def total_minor(self) -> int:
        """The one number that must be 0: all imbalances, none against another."""
        return sum(abs(total) for total in self.totals.values())

    @property
    def is_right(self) -> bool:
        """Whether everything is 0 that must be, and every balance what its postings say."""
        return not (self.total_minor or self.unbalanced or self.drifted)


async def post(connection: AsyncConnection, posted: Transaction, space: bytes | None, now_us: int) -> int:
    """Write an entry whole; returns its number. `space`: of whose sales it is, None for a payout.

    StoreError inconsistent where it does not sum to 0, and nothing is written.
    """
    total = sum(posting.amount_minor for posting in posted.postings)
    if total or not posted.postings:
        raise StoreError(
            "inconsistent",
            f"The {len(posted.postings)} postings of a {posted.kind} sum to {total} and must to 0; "
            "post what it takes from where.",
        )
    head = insert(ledger_transactions).values(
        kind=posted.kind.value,
        ref=posted.ref,
        space=space,
        currency=posted.currency,
        sandbox=int(posted.sandbox),
        at_us=now_us,
    )
    (entry,) = (await connection.execute(head.returning(ledger_transactions.c.entry))).one()
    rows = [
        {"entry": entry, "account": line.account, "amount_minor": line.amount_minor, "kind": line.kind.value}
        for line in posted.postings
    ]
    await connection.execute(insert(postings), rows)
    moved: dict[str, int] = {}
    for line in posted.postings:
        moved[line.account] = moved.get(line.account, 0) + line.amount_minor
    for account, amount_minor in sorted(moved.items()):
        await _move(connection, account, posted.currency, posted.sandbox, amount_minor)
    return int(entry)


async def balance(connection: AsyncConnection, account: str, currency: str, *, sandbox: bool = False) -> int:
    """The sum of an account's postings: more than 0 is ours to have, less is owed."""
    query = select(balances.c.amount_minor).where(*_same(account, currency, sandbox))
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def accounts(connection: AsyncConnection) -> list[AccountBalance]:
    """All accounts with their balances, by name."""
    query = select(balances).order_by(balances.c.sandbox, balances.c.currency, balances.c.account)
    return [
        AccountBalance(row.account, row.currency, row.sandbox == 1, row.amount_minor)
        for row in await connection.execute(query)
    ]


async def currencies(connection: AsyncConnection) -> frozenset[str]:
    """In which currencies anything was booked, or is for sale now."""
    booked = select(balances.c.currency).distinct()
    on_sale = (
        select(offers.c.currency)
        .join(spaces, spaces.c.space == offers.c.space)
        .where(spaces.c.state.in_(("scheduled", "live")))
        .distinct()
    )
    return frozenset((await connection.execute(booked.union(on_sale))).scalars())


async def lifetime_net(connection: AsyncConnection, host: str, *, sandbox: bool = False) -> int:
    """What a host's sales brought in all, net of fees and refunds: what the tiers of the split go by."""
    return await sellers.lifetime_minor(connection, host, sandbox=sandbox)


async def statement(connection: AsyncConnection, space: bytes) -> payout_rules.Statement:
    """What one Space sold and what became of the money."""
    sold = await sales.of_space(connection, space)
    paid: frozenset[bytes] = frozenset()
    for host in {sale.host for sale in sold}:
        paid |= await payouts.paid_of(connection, host)
    return payout_rules.statement(sold, paid)


async def newest(connection: AsyncConnection) -> int:
    """The number of the latest entry, 0 where there is none."""
    return (await connection.execute(select(func.max(ledger_transactions.c.entry)))).scalar_one() or 0


async def page(
    connection: AsyncConnection, after: int = 0, limit: int = 1_000, *, account: str = ""
) -> list[PostedLine]:
    """Postings in the order of writing, behind the one of this number; of one account, or of all."""
    query = (
        select(
            postings,
            *(ledger_transactions.c[name] for name in ("ref", "space", "currency", "sandbox", "at_us")),
        )
        .join(ledger_transactions, ledger_transactions.c.entry == postings.c.entry)
        .where(postings.c.posting > after)
        .order_by(postings.c.posting)
        .limit(limit)
    )
    if account:
        query = query.where(postings.c.account == account)
    return [_line(row) for row in await connection.execute(query)]


async def lines(connection: AsyncConnection, *, account: str = "") -> AsyncIterator[PostedLine]:
    """All postings in the order of writing, read page by page."""
    after = 0
    while found := await page(connection, after, account=account):
        for line in found:
            yield line
        after = found[-1].posting


async def trial_balance(connection: AsyncConnection) -> TrialBalance:
    """Sum everything from the postings. In one transaction, or what is added meanwhile counts in parts."""
    entry, amount = ledger_transactions, func.sum(postings.c.amount_minor)
    joint = postings.join(entry, entry.c.entry == postings.c.entry)
    by_currency = (
        select(entry.c.currency, entry.c.sandbox, amount.label("total"))
        .select_from(joint)
        .group_by(entry.c.currency, entry.c.sandbox)
    )
    empty = select(entry.c.entry).where(
        ~select(literal_column("1")).where(postings.c.entry == entry.c.entry).correlate(entry).exists()
    )
    uneven = select(postings.c.entry).group_by(postings.c.entry).having(amount != 0)
    wrong = [int(one) for one in (await connection.execute(uneven.limit(SHOWN))).scalars()]
    wrong += [int(one) for one in (await connection.execute(empty.limit(SHOWN))).scalars()]
    return TrialBalance(
        int((await connection.execute(select(func.count()).select_from(entry))).scalar_one()),
        int((await connection.execute(select(func.count()).select_from(postings))).scalar_one()),
        {(row.currency, row.sandbox == 1): int(row.total) for row in await connection.execute(by_currency)},
        tuple(sorted(wrong)[:SHOWN]),
        tuple(await _drifted(connection))[:SHOWN],
    )


async def _drifted(connection: AsyncConnection) -> list[str]:
    entry, amount = ledger_transactions, func.sum(postings.c.amount_minor)
    summed = (
        select(postings.c.account, entry.c.currency, entry.c.sandbox, amount.label("total"))
        .select_from(postings.join(entry, entry.c.entry == postings.c.entry))
        .group_by(postings.c.account, entry.c.currency, entry.c.sandbox)
    )
    said = {
        (row.account, row.currency, row.sandbox): int(row.total) for row in await connection.execute(summed)
    }
    kept = {
        (row.account, row.currency, row.sandbox): int(row.amount_minor)
        for row in await connection.execute(select(balances))
    }
    return sorted(key[0] for key in said.keys() | kept.keys() if said.get(key, 0) != kept.get(key, 0))


async def _move(
    connection: AsyncConnection, account: str, currency: str, sandbox: bool, amount_minor: int
) -> None:
    same = _same(account, currency, sandbox)
    changed = await connection.execute(
        update(balances).where(*same).values(amount_minor=balances.c.amount_minor + amount_minor)
    )
    if changed.rowcount == 0:
        await connection.execute(
            insert(balances).values(
                account=account, currency=currency, sandbox=int(sandbox), amount_minor=amount_minor
            )
        )


def _same(account: str, currency: str, sandbox: bool) -> tuple[Any, ...]:
    return (
        balances.c.account == account,
        balances.c.currency == currency,
        balances.c.sandbox == int(sandbox),
    )


def _line(row: Row[Any]) -> PostedLine:
    return PostedLine(
        row.posting,
        row.entry,
        row.account,
        row.amount_minor,
        row.currency,
        row.kind,
        bytes(row.ref),
        None if row.space is None else bytes(row.space),
        row.at_us,
        row.sandbox == 1,
    )
