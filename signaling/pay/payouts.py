"""Payouts: all that is available of a host's share, sent to their verified account, once."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final

from signaling.pay.keyed import claimed, made
from signaling.pay.office import Office, Work
from signaling.pay.provider import (
    AccountState,
    MoveState,
    PayoutAccount,
    Provider,
    ProviderUnknown,
    Transfer,
    TransferResult,
)
from signaling.rules.payouts import (
    MoneyState,
    Payout,
    PayoutBooked,
    PayoutState,
    book_payout,
    book_payout_failed,
    book_payout_paid,
    held_back_minor,
    money_state,
    payout_due,
)
from signaling.rules.permissions import Refused
from signaling.rules.postings import host_account
from signaling.store import accounts, ledger, payouts, sales
from signaling.store.payouts import StoredAccount, StoredPayout

__all__ = [
    "Holdings",
    "holdings",
    "pay_out",
    "payout_account",
    "put_account_in",
    "send",
    "settle_payout",
    "settle_payout_in",
]

log = logging.getLogger(__name__)

ASK_FIRST_US: Final = 1_000_000
ASK_MOST_US: Final = 600_000_000
# What the provider has not carried out yet it is asked about again so much later.
PENDING_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a host has, without sandbox money: in all (below 0: owes), and what could be paid out now."""

    balance_minor: int
    available_minor: int


async def payout_account(office: Office, user: str) -> PayoutAccount:
    """Where the money of `user` goes, as the provider says, made there if there is none.

    Raises ProviderUnknown.
    """
    provider = office.provider
    async with office.store.transaction() as connection:
        known = await payouts.account_of(connection, user, provider.name)
    account = await provider.payout_account(user, "" if known is None else known.ref)

    async def act(work: Work) -> None:
        await put_account_in(office, work, account, work.now_us)

    await office.commit(act)
    return account


async def put_account_in(office: Office, work: Work, account: PayoutAccount, at_us: int) -> None:
    """Write down what the provider said at `at_us` of an account, if it is the latest word of it."""
    provider = office.provider.name
    known = await payouts.account_of(work.connection, account.user, provider)
    if known is not None and known.changed_us > at_us:
        return
    await accounts.ensure(work.connection, account.user, "", work.now_us)
    stored = StoredAccount(account.user, provider, account.ref, account.state.value, at_us)
    await payouts.put_account(work.connection, stored)


async def holdings(office: Office, host: str) -> Holdings:
    """What a host has, and how much of it is available."""
    async with office.store.transaction() as connection:
        work = Work(connection, office.wall_us())
        balance_minor, held_minor = await _balance(office, work, host)
    return Holdings(balance_minor, max(0, balance_minor - held_minor))


async def pay_out(office: Office, host: str, key: bytes) -> StoredPayout | Refused:
    """Send a host all that is available. The same key sends nothing more, and answers how far it is by now.

    Refused: payout_account_missing, payout_too_small, busy (one is under way), key_reused.
    """
    account = await _known_account(office, host)
    is_new = False

    async def act(work: Work) -> bytes | Refused:
        nonlocal is_new
        is_new = False
        known = await claimed(work, office.limits, host, key, "pay_out")
        if known is not None:
            return known
        balance_minor, held_minor = await _balance(office, work, host)
        is_verified = account is not None and account.state == AccountState.VERIFIED.value
        due = payout_due(balance_minor, held_minor, is_verified, office.limits)
        if isinstance(due, Refused):
            return due
        currency, provider = office.limits.currency.code, office.provider.name
        payout = Payout(office.new_id(), host, due, currency, provider, work.now_us)
        await payouts.add(work.connection, payout, "" if account is None else account.ref)
        booked = book_payout(payout)
        if booked.transaction is not None:
            await work.post(booked.transaction)
        await _mark(office, work, payout)
        await made(work, host, key, payout.payout)
        is_new = True
        return payout.payout

    decided = await office.decide(act)
    if isinstance(decided, Refused):
        return decided
    if is_new:
        await send(office, decided)
    async with office.store.transaction() as connection:
        stored = await payouts.get(connection, decided)
    if stored is None:
        raise KeyError(decided.hex())
    return stored


async def send(office: Office, payout_id: bytes, *, asks_first: bool = False) -> None:
    """Have the provider carry a payout out. `asks_first`: it may have done so already."""
    async with office.store.transaction() as connection:
        stored = await payouts.get(connection, payout_id)
    if stored is None or stored.payout.state is not PayoutState.SENT:
        return
    payout = stored.payout
    order = Transfer(
        payout_id, payout.amount_minor, payout.currency, stored.account, f"payout {payout_id.hex()}"
    )
    try:
        office.must_be_here(payout.provider)
        result = await _carried_out(office.provider, order, payout.at_us / 1_000_000, asks_first)
    except ProviderUnknown:
        await _put_off(office, stored)
        return
    await settle_payout(office, payout_id, result)


async def settle_payout(office: Office, payout_id: bytes, result: TransferResult) -> None:
    """Commit what the provider says of a payout."""

    async def act(work: Work) -> None:
        await settle_payout_in(work, payout_id, result)

    await office.commit(act)


async def settle_payout_in(work: Work, payout_id: bytes, result: TransferResult) -> None:
    """As `settle_payout`, within a transaction. After a failure the shares are available again."""
    stored = await payouts.get(work.connection, payout_id)
    if stored is None:
        log.warning("the provider told of payout %s, which is none of ours", payout_id.hex())
        return
    booked = PayoutBooked(stored.payout, None)
    if result.state is MoveState.SUCCEEDED:
        booked = book_payout_paid(stored.payout)
    elif result.state is MoveState.FAILED:
        log.error("the provider refuses payout %s: %s", payout_id.hex(), result.failure_code)
        booked = book_payout_failed(stored.payout)
    await payouts.save(work.connection, booked.payout, ref=result.ref, failure=result.failure_code)
    if booked.transaction is not None:
        await work.post(booked.transaction)
    if booked.payout.state is PayoutState.FAILED:
        for sale in await sales.of_payout(work.connection, payout_id):
            await work.save(sale, replace(sale, payout=b""))
    if booked.payout.state is PayoutState.SENT:
        await payouts.put_off(work.connection, payout_id, work.now_us + PENDING_US)


async def _balance(office: Office, work: Work, host: str) -> tuple[int, int]:
    """What the ledger owes the host, and how much of that is not available yet.

    Through the sandbox nothing is: what it paid out would be booked as paid, and be paid to nobody.
    """
    currency = office.limits.currency.code
    balance_minor = -await ledger.balance(work.connection, host_account(host), currency)
    unpaid = await sales.unpaid(work.connection, host)
    held_minor = sum(
        held_back_minor(sale, closed_us, work.now_us, office.limits) for sale, closed_us in unpaid
    )
    return balance_minor, balance_minor if office.provider.is_sandbox else held_minor


async def _mark(office: Office, work: Work, payout: Payout) -> None:
    """The shares that are available go into this payout."""
    for sale, closed_us in await sales.unpaid(work.connection, payout.host):
        if money_state(sale, closed_us, work.now_us, office.limits) is MoneyState.AVAILABLE:
            await work.save(sale, replace(sale, payout=payout.payout))


async def _known_account(office: Office, host: str) -> StoredAccount | None:
    """The host's account: the provider is asked where it is not known to be verified."""
    name = office.provider.name
    async with office.store.transaction() as connection:
        known = await payouts.account_of(connection, host, name)
    if known is not None and known.state == AccountState.VERIFIED.value:
        return known
    try:
        await payout_account(office, host)
    except ProviderUnknown:
        return known
    async with office.store.transaction() as connection:
        return await payouts.account_of(connection, host, name)


async def _carried_out(
    provider: Provider, order: Transfer, since_s: float, asks_first: bool
) -> TransferResult:
    """Raises ProviderUnknown where it is not known what became of it."""
    known = await provider.find_transfer(order.id, since_s=since_s) if asks_first else None
    if known is not None:
        return known
    try:
        return await provider.transfer(order)
    except ProviderUnknown:
        known = await provider.find_transfer(order.id, since_s=since_s)
        if known is None:
            raise
        return known


async def _put_off(office: Office, stored: StoredPayout) -> None:
    """Nothing could be learned: again later, with growing pauses."""

    async def act(work: Work) -> None:
        until_us = work.now_us + min(ASK_FIRST_US << min(stored.attempts, 20), ASK_MOST_US)
        await payouts.put_off(work.connection, stored.payout.payout, until_us)
        work.due_us.append(until_us)

    await office.commit(act)
