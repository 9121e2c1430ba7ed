"""`spaces buy` and `spaces tickets`: getting into a ticketed Space."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from rich.console import Console
from rich.text import Text

from signaling.cli.connecting import ConnectionOptions, dial, place
from signaling.cli.failures import Failure
from signaling.cli.money import amount, given_back, heard, ticket_word
from signaling.cli.printing import duration, listing, print_json, time_of
from signaling.cli.running import run_loop
from signaling.client import (
    Bought,
    BoughtState,
    Client,
    ConnectionClosed,
    RequestRefused,
    Reserved,
    SeatOffered,
    SpacesError,
    TicketRow,
    TicketState,
    TimedOut,
    Waiting,
)
from signaling.client.names import space_id

__all__ = ["ASK_S", "buy", "list_tickets"]

ASK_S: Final = 15.0
"""So often who waits for a seat asks whether they wait still: nobody tells them of the end of a sale."""

_ASKED_TWICE: Final = 2


def buy(options: ConnectionOptions, space: str, card: str, *, hold: str, in_line: bool, as_json: bool) -> int:
    """Hold a seat, pay for it, and say what is left to do meanwhile; returns 0 once the ticket is valid."""
    return run_loop(_Purchase(space, as_json).run(options, card, hold, in_line))


def list_tickets(options: ConnectionOptions, sold_for: str, *, most: int, as_json: bool) -> int:
    """My tickets, or those that a Space of mine sold; returns 0, also if there are none."""
    return run_loop(_list(options, sold_for, most, as_json))


class _Purchase:
    """One ticket on its way. As JSON each step is a line: what was reserved, what to do, the ticket."""

    def __init__(self, space: str, as_json: bool) -> None:
        self._space = space
        self._as_json = as_json
        self._console = Console(highlight=False)

    async def run(self, options: ConnectionOptions, card: str, hold: str, in_line: bool) -> int:
        options, where = place(options, self._space)
        async with await dial(options) as client:
            seat = hold or (await self._seat(client, where, in_line)).hold.hex()
            try:
                bought = await client.buy(seat, card)
            except RequestRefused as error:
                if error.code != "card_declined":
                    raise
                again = f"with another card the seat is still yours:  spaces buy {self._space} --hold {seat}"
                raise Failure(error.code, error.message, again) from error
            self._say_what_to_do(bought)
            ticket = await client.paid(bought)
        self._conclude(ticket)
        return 0

    async def _seat(self, client: Client, where: str, in_line: bool) -> Reserved | SeatOffered:
        try:
            held = await client.reserve(where)
        except RequestRefused as error:
            if error.code != "sold_out":
                raise
            if not in_line:
                raise Failure(error.code, error.message, "to stand in line add --wait") from error
            return await self._in_line(client, where, await client.wait(where))
        if isinstance(held, Waiting):
            return await self._in_line(client, where, held.place)
        price = amount(held.price_minor, held.currency, held.exponent)
        self._tell(held, f"A seat is held for {duration(held.expires_in_ms / 1000)}. It costs {price}.")
        return held

    async def _in_line(self, client: Client, where: str, number: int) -> SeatOffered:
        """Until it is one's turn. Whoever goes away before that is off the list."""
        self._tell({"place": number}, f"You are at place {number} of the waiting list. Ctrl-C leaves it.")
        offered = asyncio.ensure_future(_offer(client, space_id(where)))
        closed = asyncio.ensure_future(_off_the_list(client, where))
        try:
            await asyncio.wait((offered, closed), return_when=asyncio.FIRST_COMPLETED)
            if not offered.done():
                closed.result()
                raise Failure(
                    "sale_closed", "you are on the waiting list no more: the sale is over", "choose another"
                )
            seat = offered.result()
        finally:
            is_mine = offered.done() and not offered.cancelled() and offered.exception() is None
            for task in (offered, closed):
                task.cancel()
            await asyncio.gather(offered, closed, return_exceptions=True)
            if not is_mine:
                with contextlib.suppress(SpacesError):
                    await client.stop_waiting(where)
        left = duration(seat.expires_in_ms / 1000)
        self._tell(seat, f"A seat has become free and is held for {left}.")
        return seat

    def _say_what_to_do(self, bought: Bought) -> None:
        if bought.state == BoughtState.NEEDS_ACTION:
            where = bought.action_url or "the app of your bank"
            self._tell(bought, f"Your bank wants you to confirm it: {where}\nWaiting for that.")
        elif bought.state != BoughtState.SOLD:
            self._tell(bought, "The payment is not decided yet. Waiting for that.")

    def _conclude(self, ticket: TicketRow) -> None:
        if ticket.state == TicketState.FAILED:
            raise Failure("card_declined", "the payment failed and nothing was taken", "try another card")
        if ticket.state != TicketState.VALID:
            raise Failure(
                "sold_out",
                "the payment came too late for the seat and the money goes back",
                f"see it:  spaces tickets; try again:  spaces buy {self._space}",
            )
        paid = amount(ticket.paid_minor, ticket.currency, ticket.exponent)
        self._tell(
            ticket,
            f"You have a ticket for {ticket.title!r}, for {paid}.\n"
            f"When it is live:  spaces join {ticket.space.hex()}",
        )

    def _tell(self, what: object, words: str) -> None:
        if self._as_json:
            print_json(what, self._console)
        else:
            self._console.print(Text(words), soft_wrap=True)


async def _offer(client: Client, wanted: bytes) -> SeatOffered:
    """The next seat of this Space that is offered."""
    async for event in client.ticket_events():
        if isinstance(event, SeatOffered) and event.space == wanted:
            return event
    raise Failure("closed", "the connection ended before a seat became free", "start again")


async def _off_the_list(client: Client, where: str) -> None:
    """Returns once one waits no more. Asked twice: between them a seat that was offered is told."""
    asked = 0
    while asked < _ASKED_TWICE:
        await asyncio.sleep(ASK_S)
        with contextlib.suppress(TimedOut, ConnectionClosed):
            asked = 0 if (await client.terms(where)).place else asked + 1


async def _list(options: ConnectionOptions, sold_for: str, most: int, as_json: bool) -> int:
    options, where = place(options, sold_for)
    async with await dial(options) as client:
        found = await (client.sold_tickets(where, most) if where else client.tickets(most))
    console = Console(highlight=False)
    if as_json:
        print_json(found, console)
    elif found:
        columns = ["Ticket", "Holder" if where else "Space", "State", "Paid", "Given back", "Heard", "Bought"]
        console.print(listing(columns, [_row(each, bool(where)) for each in found], console.width))
    else:
        console.print("No ticket is sold yet." if where else "You have no tickets. Buy one:  spaces buy ID")
    return 0


def _row(row: TicketRow, sold: bool) -> list[str]:
    return [
        row.ticket.hex(),
        f"{row.name} ({row.user})" if sold else row.title,
        ticket_word(row),
        amount(row.paid_minor, row.currency, row.exponent) if row.paid_minor else "",
        given_back(row),
        heard(row),
        time_of(row.bought_ms) if row.bought_ms else "",
    ]
