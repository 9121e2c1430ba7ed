"""The commands on tickets: what they send, what they say, and what is left to do when it goes wrong."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from signaling.cli import tickets
from signaling.cli.money import amount, given_back, heard, payout_word, ticket_word
from signaling.cli.selling import account_view
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Request
from tests.signaling.cli_world import World, run_command
from tests.signaling.scripted_server import (
    HOLD,
    PAYOUT,
    SPACE,
    SUMS,
    TERMS,
    TICKET,
    TICKET_ID,
    Answer,
    Session,
    Stage,
    refusing,
    usual,
)

ID = SPACE.hex()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def answering(kind: type[Request], *answers: Callable[[Any], Answer]) -> Callable[[Session, Request], Answer]:
    """A friendly server with these answers to one kind of request, the last for all that follow."""
    left = list(answers)

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, kind):
            return (left.pop(0) if len(left) > 1 else left[0])(request)
        return usual(session, request)

    return script


def ticket(**changes: Any) -> wire.TicketRow:
    """The usual one, but for this."""
    fields = {name: getattr(TICKET, name) for name in TICKET.__struct_fields__}
    return wire.TicketRow(**(fields | changes))


def sent(world: World, kind: type[Request]) -> list[Any]:
    """What the last command asked of this kind."""
    return [request for request in world.sent() if isinstance(request, kind)]


# Selling


def test_selling_at_a_price_as_people_write_it(world: World) -> None:
    said = world.spaces("sell", ID, "--price", "12.50", "--capacity", "100", "--length", "1h")
    assert sent(world, wire.Sell) == [wire.Sell(1, SPACE, 1250, 100, 3_600_000, 0, 0, "USD")]
    for part in (ID, "Tea", "Hana", "12.50 USD", "37 of 100 sold", "1 h"):
        assert part in said


def test_the_sale_begins_and_ends_when_it_is_said(world: World) -> None:
    terms = ("--price", "3", "--capacity", "2", "--length", "45m")
    world.spaces("sell", ID, *terms, "--from", "2030-03-17T18:30Z", "--until", "2030-03-18 12:00", "--json")
    [asked] = sent(world, wire.Sell)
    assert asked.sale_from_ms == 1_900_002_600_000
    assert asked.sale_until_ms == datetime(2030, 3, 18, 12).astimezone().timestamp() * 1000


def test_yen_have_no_decimals(world: World) -> None:
    world.script = answering(
        wire.ListPayouts, lambda ask: wire.Payouts(ask.id, [], None, "JPY", 0, 0, 0, 5_000)
    )
    world.spaces("sell", ID, "--price", "1500", "--capacity", "1", "--length", "1h")
    [asked] = sent(world, wire.Sell)
    assert (asked.price_minor, asked.currency) == (1500, "JPY")
    world.refused(2, "bad_price", "sell", ID, "--price", "15.00", "--capacity", "1", "--length", "1h")


@pytest.mark.parametrize("price", ["-1", "1,50", "1e3", "12.505", "12 EUR", "٣"])
def test_what_is_no_price_is_not_sent(world: World, price: str) -> None:
    world.refused(2, "bad_price", "sell", ID, f"--price={price}", "--capacity", "1", "--length", "1h")
    assert sent(world, wire.Sell) == []


def test_terms_are_shown_without_a_price(world: World) -> None:
    said = world.spaces("sell", ID)
    assert world.sent() == [wire.GetTerms(1, SPACE)]
    assert "12.50 USD" in said
    assert json.loads(world.spaces("sell", ID, "--json"))["terms"]["price_minor"] == 1250
    sold_out = wire.TermsRow(1250, "USD", 2, 100, 100, 5, 6, 3_600_000, True)
    world.script = answering(
        wire.GetTerms, lambda ask: wire.SaleTerms(ask.id, SPACE, "Tea", "Hana", 0, sold_out, 3)
    )
    said = world.spaces("sell", ID)
    assert "none is free now" in said
    assert "at place 3 of the waiting list" in said


def test_a_capacity_of_0_is_for_the_server_to_refuse(world: World) -> None:
    world.script = refusing(wire.Sell, ErrorCode.bad_value, "0 tickets are for sale and 1 is the least.")
    said = world.refused(2, "bad_value", "sell", ID, "--price", "5", "--capacity", "0", "--length", "1h")
    assert "0 tickets" in said
    assert sent(world, wire.Sell)[0].capacity == 0


def test_half_of_the_terms_are_misuse(world: World) -> None:
    world.refused(2, "terms_missing", "sell", ID, "--price", "12.50")
    world.refused(2, "terms_missing", "sell", ID, "--until", "2030-03-17 18:30")
    world.refused(2, "bad_time", "sell", ID, "--price", "1", "--capacity", "1", "--length", "soon")
    terms = ("--price", "1", "--capacity", "1", "--length", "1h")
    assert "--from is" in world.refused(2, "bad_time", "sell", ID, *terms, "--from", "noon")
    assert world.addresses == []


def test_who_may_not_sell_is_told_what_is_missing(world: World) -> None:
    needed = "Selling tickets needs 1000 followers (you have 12); come back with what is missing"
    world.script = refusing(wire.Sell, ErrorCode.not_eligible_to_sell, needed)
    terms = ("--price", "1", "--capacity", "1", "--length", "1h")
    assert needed in world.refused(1, "not_eligible_to_sell", "sell", ID, *terms)


# Buying


def test_buying_holds_a_seat_and_pays(world: World) -> None:
    said = world.spaces("buy", ID, "--card", "card_ok")
    assert [type(request) for request in world.sent()] == [wire.Reserve, wire.Buy, wire.ListTickets]
    [paid] = sent(world, wire.Buy)
    assert (paid.hold, paid.method) == (HOLD, "card_ok")
    assert said.splitlines() == [
        "A seat is held for 5 min. It costs 12.50 USD.",
        "You have a ticket for 'Tea', for 12.50 USD.",
        f"When it is live:  spaces join {ID}",
    ]


def test_each_step_of_a_purchase_is_a_line_of_json(world: World) -> None:
    world.script = answering(
        wire.Buy, lambda buy: wire.Bought(buy.id, TICKET_ID, 1, "https://bank.example/7")
    )
    held, action, bought = map(
        json.loads, world.spaces("buy", ID, "--card", "card_needs_action", "--json").splitlines()
    )
    assert (held["hold"], held["price_minor"]) == (HOLD.hex(), 1250)
    assert action["action_url"] == "https://bank.example/7"
    assert (bought["ticket"], bought["state"]) == (TICKET_ID.hex(), 0)


def test_a_bank_that_wants_to_hear_from_one_is_named_and_waited_for(world: World) -> None:
    rows = [ticket(state=3), ticket(state=3), ticket(state=0)]

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.Buy):
            return wire.Bought(request.id, TICKET_ID, 1, "https://bank.example/7")
        if isinstance(request, wire.ListTickets):
            return wire.Tickets(request.id, [rows.pop(0)])
        return usual(session, request)

    world.script = script
    said = world.spaces("buy", ID, "--card", "card_needs_action")
    assert "https://bank.example/7" in said
    assert "You have a ticket" in said
    assert rows == []


def test_an_outcome_that_is_not_known_yet_is_waited_for(world: World) -> None:
    world.script = answering(wire.Buy, lambda buy: wire.Bought(buy.id, TICKET_ID, 2))
    assert "not decided yet" in world.spaces("buy", ID, "--card", "card_times_out_charged")


def test_a_declined_card_leaves_the_seat(world: World) -> None:
    world.script = refusing(wire.Buy, ErrorCode.card_declined, "the card has no money")
    sentence = world.refused(1, "card_declined", "buy", ID, "--card", "card_declined")
    assert f"spaces buy {ID} --hold {HOLD.hex()}" in sentence
    world.script = usual
    world.spaces("buy", ID, "--hold", HOLD.hex(), "--card", "card_ok")
    assert [type(request) for request in world.sent()] == [wire.Buy, wire.ListTickets]


@pytest.mark.parametrize(("state", "code"), [(4, "card_declined"), (1, "sold_out")])
def test_a_payment_that_ends_otherwise(world: World, state: int, code: str) -> None:
    world.script = answering(wire.ListTickets, lambda ask: wire.Tickets(ask.id, [ticket(state=state)]))
    world.refused(1, code, "buy", ID, "--card", "card_ok")


def test_what_is_refused_otherwise_is_one_sentence(world: World) -> None:
    world.script = refusing(wire.Reserve, ErrorCode.hold_open, "You hold a seat already and 1 is the limit")
    world.refused(1, "hold_open", "buy", ID, "--card", "card_ok")
    world.script = refusing(wire.Buy, ErrorCode.hold_lapsed, "This hold lapsed 2 minutes ago; reserve anew")
    world.refused(1, "hold_lapsed", "buy", ID, "--card", "card_ok")


# In line


def test_sold_out_says_how_to_stand_in_line(world: World) -> None:
    world.script = refusing(wire.Reserve, ErrorCode.sold_out, "100 of 100 tickets are sold")
    assert "--wait" in world.refused(1, "sold_out", "buy", ID, "--card", "card_ok")
    assert sent(world, wire.Wait) == []


async def _offer(stage: Stage) -> None:
    stage.session.tell(wire.SeatOffered(0, bytes(16), b"o" * 16, 600_000, "Another"))
    stage.session.tell(wire.SeatOffered(0, SPACE, b"s" * 16, 600_000, "Tea"))
    await asyncio.sleep(5)


def test_a_seat_that_becomes_free_is_bought(world: World) -> None:
    world.script = refusing(wire.Reserve, ErrorCode.sold_out, "100 of 100 tickets are sold")
    world.during = _offer
    said = world.spaces("buy", ID, "--card", "card_ok", "--wait")
    [paid] = sent(world, wire.Buy)
    assert paid.hold == b"s" * 16
    assert said.splitlines()[:2] == [
        "You are at place 3 of the waiting list. Ctrl-C leaves it.",
        "A seat has become free and is held for 10 min.",
    ]
    assert sent(world, wire.StopWaiting) == []


def test_who_stands_in_line_already_goes_on_waiting(world: World) -> None:
    world.script = answering(wire.Reserve, lambda ask: wire.Waiting(ask.id, SPACE, 2))
    world.during = _offer
    assert "place 2" in world.spaces("buy", ID, "--card", "card_ok")
    assert sent(world, wire.Wait) == []


async def _nothing(stage: Stage) -> None:
    await asyncio.sleep(5)


def test_a_sale_that_ends_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "ASK_S", 0.01)
    places = iter([3, 0, 3, 0, 0])

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.GetTerms):
            return wire.SaleTerms(request.id, SPACE, "Tea", "Hana", 9, TERMS, next(places))
        return refusing(wire.Reserve, ErrorCode.sold_out, "1 of 1 tickets are sold")(session, request)

    world.script = script
    world.during = _nothing
    said = world.refused(1, "sale_closed", "buy", ID, "--card", "card_ok", "--wait")
    assert "the sale is over" in said
    assert len(sent(world, wire.GetTerms)) == 5


def test_who_goes_away_is_off_the_list(world: World) -> None:
    world.script = refusing(wire.Reserve, ErrorCode.sold_out, "100 of 100 tickets are sold")
    world.during = _nothing
    result = run_command("buy", ID, "--card", "card_ok", "--wait")
    assert result.exit_code == 130
    assert sent(world, wire.StopWaiting) == [wire.StopWaiting(1, SPACE)]


# Lists


def test_ones_tickets(world: World) -> None:
    row = ticket(
        refunded_minor=417, delivered_ms=2_400_000, on_air_ms=2_700_000, why="broke_off", note="Sorry"
    )
    world.script = answering(wire.ListTickets, lambda ask: wire.Tickets(ask.id, [row]))
    said = world.spaces("tickets", "--most", "5")
    assert world.sent() == [wire.ListTickets(1, None, 5)]
    for part in (
        TICKET_ID.hex(),
        "Tea",
        "valid",
        "12.50 USD",
        "4.17 USD",
        "40 min of 45 min on air",
        "1 h promised",
    ):
        assert part in said
    [shown] = json.loads(world.spaces("tickets", "--json"))
    assert (shown["ticket"], shown["paid_minor"]) == (TICKET_ID.hex(), 1250)
    assert (shown["why"], shown["note"]) == ("broke_off", "Sorry")
    assert given_back(row) == "4.17 USD (broke off: Sorry)"
    assert given_back(ticket(refunded_minor=417)) == "4.17 USD", "of a server that does not say"
    assert ticket_word(ticket(state=4, why="insufficient_funds")) == "payment failed: insufficient_funds"
    world.script = answering(wire.ListTickets, lambda ask: wire.Tickets(ask.id, []))
    assert "You have no tickets" in world.spaces("tickets")
    assert "No ticket is sold" in world.spaces("tickets", "--sold", ID)


def test_tickets_that_a_space_sold(world: World) -> None:
    row = ticket(user="zoe", name="Zoë")
    world.script = answering(wire.ListTickets, lambda ask: wire.Tickets(ask.id, [row]))
    assert "Zoë (zoe)" in world.spaces("tickets", "--sold", ID)
    assert world.sent() == [wire.ListTickets(1, None, 100, SPACE)]


def test_giving_back(world: World) -> None:
    said = world.spaces("refund", TICKET_ID.hex(), "--amount", "4.17", "--reason", "broke off")
    [asked] = sent(world, wire.Refund)
    assert (asked.ticket, asked.amount_minor, asked.reason) == (TICKET_ID, 417, "broke off")
    assert said == "4.17 USD is given back, 4.17 USD of this ticket in all.\n"
    world.script = answering(
        wire.Refund, lambda ask: wire.Refunded(ask.id, TICKET_ID, 1250, 1250, "USD", 2, 1)
    )
    assert "is on its way" in world.spaces("refund", TICKET_ID.hex())
    assert sent(world, wire.Refund)[0].amount_minor == 0
    assert json.loads(world.spaces("refund", TICKET_ID.hex(), "--json"))["refunded_minor"] == 1250
    world.refused(2, "bad_value", "refund", TICKET_ID.hex(), "--amount", "0")
    world.refused(2, "bad_price", "refund", TICKET_ID.hex(), "--amount=-1")
    world.refused(2, "bad_value", "refund", "zz")


def test_a_statement(world: World) -> None:
    said = world.spaces("statement", ID)
    assert world.sent() == [wire.GetStatement(1, SPACE)]
    for part in ("37", "462.50 USD", "4.17 USD", "17.13 USD", "427.96 USD", "13.24 USD", "59 min a ticket"):
        assert part in said
    assert "Charged back" not in said
    shown = json.loads(world.spaces("statement", ID, "--json"))
    assert (shown["host_minor"], shown["sandbox"]) == (42_796, False)
    world.script = answering(
        wire.GetStatement,
        lambda ask: wire.Statement(ask.id, SPACE, "Tea", *SUMS[:7], -66, *SUMS[8:], sandbox=True),
    )
    said = world.spaces("statement", ID)
    assert "-0.66 USD" in said
    assert "never paid out" in said


def test_payouts(world: World) -> None:
    said = world.spaces("payouts")
    assert world.sent() == [wire.ListPayouts(1, None, 100)]
    for part in (PAYOUT.payout.hex(), "60.00 USD", "paid", "477.96 USD", "427.96 USD", "--pay-out"):
        assert part in said
    assert json.loads(world.spaces("payouts", "--json"))["available_minor"] == 42_796
    world.script = answering(
        wire.ListPayouts, lambda ask: wire.Payouts(ask.id, [], None, "USD", 2, -417, 0, 5_000)
    )
    said = world.spaces("payouts")
    assert "-4.17 USD" in said
    assert "50.00 USD is the least" in said


def test_being_paid(world: World) -> None:
    assert world.spaces("payouts", "--pay-out").startswith("60.00 USD: paid.")
    assert len(sent(world, wire.PayOut)) == 1
    assert json.loads(world.spaces("payouts", "--pay-out", "--json"))["state"] == 1
    assert "https://pay.example/account/5" in world.spaces("payouts", "--account")
    assert json.loads(world.spaces("payouts", "--account", "--json"))["state"] == 1
    world.refused(2, "bad_value", "payouts", "--account", "--pay-out")
    world.script = refusing(wire.PayOut, ErrorCode.payout_too_small, "12.00 is available, 50.00 is the least")
    world.refused(1, "payout_too_small", "payouts", "--pay-out")


# Doors


def at_the_door(session: Session, request: Request) -> Answer:
    if isinstance(request, wire.Peek | wire.Join):
        return wire.TicketRequired(request.id, SPACE, "Tea", "Hana", 9, TERMS, 3, "hana", 0)
    return usual(session, request)


def test_a_look_at_a_ticketed_space_shows_what_it_costs(world: World) -> None:
    world.script = at_the_door
    said = world.spaces("peek", ID)
    for part in (
        "scheduled, for holders of tickets",
        "Hana (hana)",
        "12.50 USD",
        "place 3",
        f"spaces buy {ID}",
    ):
        assert part in said
    assert json.loads(world.spaces("peek", ID, "--json"))["terms"]["price_minor"] == 1250


def test_going_in_without_a_ticket_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.cli.join.run_loop", world._run)
    world.script = at_the_door
    assert "buy one first" in world.refused(1, "ticket_required", "join", ID)


# Words


def test_every_state_has_a_word() -> None:
    assert [ticket_word(ticket(state=state)) for state in range(6)] == [
        "valid", "refunded", "revoked", "payment under way", "payment failed", "in state 5",
    ]  # fmt: skip
    rows = [
        wire.PayoutRow(b"p" * 16, 1, "USD", 2, state, 5, reason)
        for state, reason in ((0, ""), (2, "closed"), (9, ""))
    ]
    assert [payout_word(row) for row in rows] == ["under way", "failed: closed", "in state 9"]
    words = [account_view(wire.PayoutAccount(1, state, "https://x")) for state in range(3)]
    assert [text.partition(".")[0] for text in words] == [
        "You have no account for payouts", "It is not finished", "Your account is verified: payouts go there",
    ]  # fmt: skip
    assert account_view(wire.PayoutAccount(1, 0)) == "You have no account for payouts."


def test_amounts_have_the_decimals_of_their_currency() -> None:
    assert [amount(-1500, "JPY", 0), amount(1, "KWD", 3), amount(1250, "USD", 2)] == [
        "-1500 JPY", "0.001 KWD", "12.50 USD",
    ]  # fmt: skip
    assert heard(TICKET) == ""
