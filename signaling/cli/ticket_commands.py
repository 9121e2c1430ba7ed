"""The commands on tickets, and their options."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from signaling.cli.launch import launch
from signaling.cli.options import Json, Most, Reach, Space, connected

__all__ = ["TICKET_COMMANDS"]


@connected
def sell(
    *,
    reach: Reach,
    space: Space,
    price: Annotated[
        str, typer.Option(metavar="AMOUNT", help="Of one ticket, in the server's currency: 12.50.")
    ] = "",
    capacity: Annotated[
        int | None, typer.Option(min=0, metavar="NUMBER", help="How many tickets there are.")
    ] = None,
    length: Annotated[
        str,
        typer.Option(
            metavar="DURATION", help="How long it will be on air: 45m, 1h30m. What is missing is given back."
        ),
    ] = "",
    from_: Annotated[
        str, typer.Option("--from", metavar="TIME", help="When the sale begins: 2030-03-17 18:30. Else: now.")
    ] = "",
    until: Annotated[
        str, typer.Option(metavar="TIME", help="When it ends. Else: when the promised length is over.")
    ] = "",
    json: Json = False,
) -> None:
    """Sell tickets for a Space that you have scheduled. Without a price: show what a ticket costs.

    Terms can be changed until the first ticket is sold. After that the Space can be cancelled, which gives
    everybody their money back, but not moved.
    """
    launch(
        "sell",
        lambda it: it.sell(reach(), space, price, capacity, length, from_, until, as_json=json),
        "selling",
    )


@connected
def buy(
    *,
    reach: Reach,
    space: Space,
    card: Annotated[
        str,
        typer.Option(
            metavar="CARD",
            help="What the payment provider calls your card; never its number. A development server takes "
            "card_ok.",
        ),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", metavar="", help="Where it is sold out, stand in line for a seat.")
    ] = False,
    hold: Annotated[
        str, typer.Option(metavar="HOLD", help="Pay for a seat that is held for you already.")
    ] = "",
    json: Json = False,
) -> None:
    """Buy a ticket: a seat is held for you while you pay.

    Where your bank wants to hear from you first, the page for that is named, and waited for.
    """
    launch("buy", lambda it: it.buy(reach(), space, card, hold=hold, in_line=wait, as_json=json), "tickets")


@connected
def tickets(
    *,
    reach: Reach,
    sold: Annotated[
        str,
        typer.Option(metavar="SPACE", help="Those that this Space of yours has sold, and who has them."),
    ] = "",
    most: Most = 100,
    json: Json = False,
) -> None:
    """List your tickets, the latest first: what they are worth, and how much of each you have heard."""
    launch("tickets", lambda it: it.list_tickets(reach(), sold, most=most, as_json=json))


@connected
def refund(
    *,
    reach: Reach,
    ticket: Annotated[
        str, typer.Argument(metavar="TICKET", help="Its id, as in the list: spaces tickets --sold SPACE.")
    ],
    amount: Annotated[
        str, typer.Option(metavar="AMOUNT", help="How much: 4.17. Else all that is left, and the seat too.")
    ] = "",
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why: you and the holder can read it in the list.")
    ] = "",
    json: Json = False,
) -> None:
    """Give somebody who bought a ticket from you money back."""
    launch("refund", lambda it: it.refund(reach(), ticket, amount, reason, as_json=json), "selling")


@connected
def statement(*, reach: Reach, space: Space, json: Json = False) -> None:
    """Show what a Space of yours has sold, and what became of the money."""
    launch("statement", lambda it: it.statement(reach(), space, as_json=json), "selling")


@connected
def payouts(
    *,
    reach: Reach,
    pay_out: Annotated[
        bool, typer.Option("--pay-out", metavar="", help="Have all that is available paid to you.")
    ] = False,
    account: Annotated[
        bool,
        typer.Option("--account", metavar="", help="Where your money goes, and the page to set that up."),
    ] = False,
    most: Most = 100,
    json: Json = False,
) -> None:
    """List what you were paid for tickets, your balance, and what is available."""
    launch(
        "payouts",
        lambda it: it.payouts(reach(), pay_out=pay_out, account=account, most=most, as_json=json),
        "selling",
    )


TICKET_COMMANDS: Final = (sell, buy, tickets, refund, statement, payouts)
