"""How tests of money begin: a Space on sale, and sales that the rules decided and the store wrote."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from signaling.rules import holds as hold_rules
from signaling.rules import postings as posting_rules
from signaling.rules import refunds as refund_rules
from signaling.rules.money import currency, default_tiers
from signaling.rules.permissions import Refused
from signaling.rules.sale import Sale
from signaling.rules.sale_limits import SaleLimits
from signaling.rules.sales import OnSale, Terms
from signaling.store import accounts, holds, ledger, offers, plans, refunds, sales

SPACE = bytes(range(16))
USD = currency("USD")
LIMITS = SaleLimits.for_currency(USD)
TIERS = default_tiers(USD)
HOUR_US = 3_600_000_000
TERMS = Terms(1_250, 3, HOUR_US, "USD", 1, 9 * HOUR_US)
PREFIX = "192.0.2.0/24"


def an_id(number: int, kind: int = 0) -> bytes:
    """16 bytes that say which."""
    return bytes([kind]) * 8 + number.to_bytes(8, "big")


async def put_on_sale(
    connection: AsyncConnection, capacity: int = 3, space: bytes = SPACE, host: str = "ann"
) -> None:
    """A planned Space of `host`, with terms of sale."""
    await plans.add(
        connection,
        space=space,
        title="Tea",
        host=host,
        host_name=host.title(),
        starts_us=8 * HOUR_US,
        now_us=1,
    )
    await offers.put(connection, space, host, replace(TERMS, capacity=capacity))


async def seen(connection: AsyncConnection, space: bytes = SPACE) -> OnSale:
    """The Space as the rules of sale see it."""
    found = await offers.get(connection, space)
    assert found is not None
    return found


async def held(
    connection: AsyncConnection,
    number: int,
    *,
    space: bytes = SPACE,
    now_us: int = 10,
    sandbox: bool = False,
) -> Sale | Refused:
    """A seat held for buyer `number` as the rules decide."""
    buyer = f"buyer{number}"
    await accounts.ensure(connection, buyer, "Buyer", 0)
    on_sale = await seen(connection, space)
    facts = await holds.facts(connection, space, buyer, PREFIX)
    sale = hold_rules.reserve(
        on_sale, an_id(number), buyer, facts, "sandbox" if sandbox else "stripe", sandbox, now_us, LIMITS
    )
    if isinstance(sale, Sale):
        await sales.add(connection, sale)
    return sale


async def sold(
    connection: AsyncConnection,
    number: int,
    *,
    fee_minor: int | None = 66,
    space: bytes = SPACE,
    sandbox: bool = False,
) -> Sale:
    """Held, paid and booked."""
    sale = await held(connection, number, space=space, sandbox=sandbox)
    assert isinstance(sale, Sale)
    on_sale = await seen(connection, space)
    paying = hold_rules.pay(sale, on_sale, sale.buyer, an_id(number, 1), 11, LIMITS)
    assert isinstance(paying, Sale)
    await sales.save(connection, sale, paying)
    captured = hold_rules.captured(paying, on_sale, False, 12)
    lifetime = await ledger.lifetime_net(connection, sale.host, sandbox=sandbox)
    return await book(
        connection, paying, posting_rules.book_capture(paying, captured, fee_minor, lifetime, TIERS), 12
    )


async def book(connection: AsyncConnection, before: Sale, booked: posting_rules.Booked, now_us: int) -> Sale:
    """Write what a rule booked."""
    await sales.save(connection, before, booked.sale)
    if booked.transaction is not None:
        await ledger.post(connection, booked.transaction, before.space, now_us)
    return booked.sale


async def refunded(connection: AsyncConnection, sale: Sale, amount_minor: int, number: int) -> Sale:
    """A refund that is decided, written and owed."""
    refund = refund_rules.Refund(
        an_id(number, 2), sale.sale, amount_minor, refund_rules.RefundReason.GIVEN, 20
    )
    after = await book(connection, sale, posting_rules.book_refund(sale, refund), 20)
    await refunds.add(connection, refund)
    return after
