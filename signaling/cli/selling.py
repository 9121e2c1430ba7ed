"""`spaces sell`, `refund`, `statement`, `payouts`: what a host does with tickets, and gets for them."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Misuse
from signaling.cli.money import amount, payout_word, read_amount
from signaling.cli.printing import duration, facts, listing, print_json, time_of
from signaling.cli.running import run_loop
from signaling.cli.schedule import clock_time, lasting
from signaling.client import (
    AccountState,
    Client,
    PayoutAccount,
    PayoutRow,
    Payouts,
    SaleTerms,
    Statement,
    TermsRow,
)

__all__ = [
    "account_view",
    "payouts",
    "refund",
    "sell",
    "statement",
    "statement_view",
    "terms_rows",
    "terms_view",
]


def sell(  # noqa: PLR0917 - the terms of sale
    options: ConnectionOptions,
    space: str,
    price: str,
    capacity: int | None,
    length: str,
    from_: str,
    until: str,
    *,
    as_json: bool,
) -> int:
    """Sell tickets at these terms, or show those there are; returns 0."""
    terms = (("--price", price or None), ("--capacity", capacity), ("--length", length or None))
    given = [name for name, term in terms if term is not None]
    if (given or from_ or until) and len(given) < 3:
        raise Misuse(
            "terms_missing",
            f"{len(given)} of --price, --capacity and --length given, and a sale has all 3",
            "give all of them; without any the terms are shown",
        )
    return run_loop(_sell(options, space, price, capacity, length, from_, until, as_json))


def refund(options: ConnectionOptions, ticket: str, text: str, reason: str, *, as_json: bool) -> int:
    """Give a holder money back; returns 0."""
    return run_loop(_refund(options, ticket, text, reason, as_json))


def statement(options: ConnectionOptions, space: str, *, as_json: bool) -> int:
    """What a Space sold; returns 0."""
    return run_loop(_statement(options, space, as_json))


def payouts(options: ConnectionOptions, *, pay_out: bool, account: bool, most: int, as_json: bool) -> int:
    """Payouts and balance, a payout more, or the account they go to; returns 0."""
    if pay_out and account:
        raise Misuse("bad_value", "--pay-out and --account are both given", "leave one out")
    if account:
        return run_loop(_account(options, as_json))
    return run_loop(_pay_out(options, as_json) if pay_out else _payouts(options, most, as_json))


async def _sell(  # noqa: PLR0917 - as sell
    options: ConnectionOptions,
    space: str,
    price: str,
    capacity: int | None,
    length: str,
    from_: str,
    until: str,
    as_json: bool,
) -> int:
    begins = clock_time("--from", from_) if from_ else None
    ends = clock_time("--until", until) if until else None
    promised = lasting("--length", length) if length else None
    options, where = place(options, space)
    async with await dial(options) as client:
        if promised is None:
            terms = await client.terms(where)
        else:
            code, exponent = await _currency(client)
            price_minor = read_amount("--price", price, code, exponent)
            terms = await client.sell(
                where, price_minor, capacity or 0, promised, sale_from=begins, sale_until=ends, currency=code
            )
    if as_json:
        print_json(terms)
    else:
        Console(highlight=False).print(terms_view(terms))
    return 0


async def _refund(options: ConnectionOptions, ticket: str, text: str, reason: str, as_json: bool) -> int:
    async with await dial(options) as client:
        code, exponent = await _currency(client)
        amount_minor = read_amount("--amount", text, code, exponent) if text else 0
        if text and not amount_minor:
            raise Misuse("bad_value", f"--amount is {text} and gives nothing back", "leave it out for all")
        done = await client.refund(ticket, amount_minor, reason)
    if as_json:
        print_json(done)
        return 0
    given, in_all = (amount(each, code, exponent) for each in (done.amount_minor, done.refunded_minor))
    words = "is on its way" if done.state else "is given back"
    Console(highlight=False).print(Text(f"{given} {words}, {in_all} of this ticket in all."), soft_wrap=True)
    return 0


async def _statement(options: ConnectionOptions, space: str, as_json: bool) -> int:
    options, where = place(options, space)
    async with await dial(options) as client:
        found = await client.statement(where)
    if as_json:
        print_json(found)
    else:
        Console(highlight=False).print(statement_view(found))
    return 0


async def _payouts(options: ConnectionOptions, most: int, as_json: bool) -> int:
    async with await dial(options) as client:
        found = await client.payouts(most)
    console = Console(highlight=False)
    if as_json:
        print_json(found, console)
        return 0
    if found.payouts:
        columns = ["Payout", "Amount", "State", "Asked for"]
        console.print(listing(columns, [_payout_row(row) for row in found.payouts], console.width))
        console.print()
    console.print(_balance_view(found))
    return 0


async def _pay_out(options: ConnectionOptions, as_json: bool) -> int:
    async with await dial(options) as client:
        row = await client.pay_out()
    if as_json:
        print_json(row)
    else:
        sum_ = amount(row.amount_minor, row.currency, row.exponent)
        words = f"{sum_}: {payout_word(row)}. Payout {row.payout.hex()}"
        Console(highlight=False).print(Text(words), soft_wrap=True)
    return 0


async def _account(options: ConnectionOptions, as_json: bool) -> int:
    async with await dial(options) as client:
        found = await client.payout_account()
    if as_json:
        print_json(found)
    else:
        Console(highlight=False).print(Text(account_view(found)), soft_wrap=True)
    return 0


async def _currency(client: Client) -> tuple[str, int]:
    """That of the server and its exponent, for amounts that people type."""
    found = await client.payouts(1)
    return found.currency, found.exponent


def terms_view(told: SaleTerms) -> Table:
    """What is for sale, one line a fact."""
    you = "you have a ticket, or need none" if told.has_ticket else ""
    return facts(
        [
            ("Space", told.space.hex()),
            ("Title", told.title),
            ("Host", told.host_name),
            ("Starts", time_of(told.starts_ms) if told.starts_ms else ""),
            *terms_rows(told.terms),
            ("You", f"at place {told.place} of the waiting list" if told.place else you),
        ]
    )


def terms_rows(terms: TermsRow) -> list[tuple[str, str]]:
    """Terms of sale, as facts."""
    sold = f"{terms.sold} of {terms.capacity} sold"
    return [
        ("Price", amount(terms.price_minor, terms.currency, terms.exponent)),
        ("Tickets", f"{sold}, none is free now" if terms.sold_out else sold),
        ("Promised", duration(terms.promised_ms / 1000)),
        ("Sale begins", time_of(terms.sale_from_ms) if terms.sale_from_ms else ""),
        ("Sale ends", time_of(terms.sale_until_ms) if terms.sale_until_ms else ""),
    ]


def statement_view(found: Statement) -> Table:
    """What a Space sold, one line a fact."""

    def money(minor: int) -> str:
        return amount(minor, found.currency, found.exponent) if minor else ""

    was = f"{duration(found.on_air_ms / 1000)} on air of {duration(found.promised_ms / 1000)} promised"
    rows = [
        ("Space", found.space.hex()),
        ("Title", found.title),
        ("Tickets", str(found.tickets)),
        ("Sold", amount(found.sold_minor, found.currency, found.exponent)),
        ("Given back", money(found.refunded_minor)),
        ("Charged back", money(found.charged_back_minor)),
        ("Provider's fees", money(found.fees_minor)),
        ("Not settled", money(found.unsettled_minor)),
        ("Platform's share", money(found.platform_minor)),
        ("Your share", amount(found.host_minor, found.currency, found.exponent)),
        ("Paid out", money(found.paid_out_minor)),
        ("Available", time_of(found.available_ms) if found.available_ms else ""),
        ("Length", was if found.on_air_ms else ""),
        ("Heard", f"{duration(found.delivered_ms / 1000)} a ticket" if found.on_air_ms else ""),
        ("Sandbox", "no money at all, never paid out" if found.sandbox else ""),
    ]
    return facts(rows)


def account_view(found: PayoutAccount) -> str:
    """What is to be done, if anything."""
    if found.state == AccountState.VERIFIED:
        return "Your account is verified: payouts go there."
    missing = (
        "You have no account for payouts." if found.state == AccountState.NONE else "It is not finished."
    )
    return f"{missing} Open this page:\n{found.link}" if found.link else missing


def _balance_view(found: Payouts) -> Table:
    balance, available, least = (
        amount(each, found.currency, found.exponent)
        for each in (found.balance_minor, found.available_minor, found.least_minor)
    )
    can = (
        "spaces payouts --pay-out" if found.available_minor >= found.least_minor else f"{least} is the least"
    )
    return facts([("Balance", balance), ("Available", f"{available}  ({can})")])


def _payout_row(row: PayoutRow) -> list[str]:
    sum_ = amount(row.amount_minor, row.currency, row.exponent)
    return [row.payout.hex(), sum_, payout_word(row), time_of(row.at_ms)]
