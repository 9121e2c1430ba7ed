"""Tickets in the client library: what each verb sends and returns, keys, events, and doors that are shut."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from signaling.client import ConnectionClosed, RequestRefused, TicketRequired, TicketState, TimedOut
from signaling.protocol import ErrorCode
from signaling.protocol import messages as wire
from signaling.protocol.messages import Request
from tests.signaling.scripted_server import (
    HOLD,
    PAYOUT,
    SPACE,
    SUMS,
    TERMS,
    TICKET,
    TICKET_ID,
    Answer,
    Script,
    Session,
    Stage,
    answering_resume,
    keeping,
    kinds,
    refusing,
    room,
    silent_on,
    take,
    tell,
    until,
    usual,
)
from tests.signaling.test_client_verbs import NOON, NOON_MS, asked

KEY = b"k" * 16
HOUR = timedelta(hours=1)
TERMS_TOLD = (SPACE, "Tea", "Hana", 9, TERMS)

VERBS: list[tuple[Callable[[Any], Awaitable[object]], Request, object]] = [
    (lambda c: c.sell(SPACE, 1250, 100, HOUR), wire.Sell(1, SPACE, 1250, 100, 3_600_000), TERMS_TOLD),
    (
        lambda c: c.sell(SPACE, 1, 2, HOUR, sale_from=NOON, sale_until=NOON + HOUR, currency="USD"),
        wire.Sell(1, SPACE, 1, 2, 3_600_000, NOON_MS, NOON_MS + 3_600_000, "USD"),
        TERMS_TOLD,
    ),
    (lambda c: c.terms(SPACE.hex()), wire.GetTerms(1, SPACE), TERMS_TOLD),
    (
        lambda c: c.reserve(SPACE, key=KEY),
        wire.Reserve(1, SPACE, KEY),
        (HOLD, 300_000, 1250, "USD", 2),
    ),
    (lambda c: c.buy(HOLD.hex(), "card_ok", key=KEY), wire.Buy(1, HOLD, "card_ok", KEY), (TICKET_ID, 0, "")),
    (lambda c: c.release(HOLD), wire.Release(1, HOLD), None),
    (lambda c: c.tickets(7), wire.ListTickets(1, None, 7), [TICKET]),
    (lambda c: c.sold_tickets(SPACE, 7), wire.ListTickets(1, None, 7, SPACE), [TICKET]),
    (lambda c: c.paid(TICKET), wire.ListTickets(1, None, 100), TICKET),
    (
        lambda c: c.refund(TICKET, 417, "broke off", key=KEY),
        wire.Refund(1, TICKET_ID, 417, "broke off", KEY),
        (TICKET_ID, 417, 417, "USD", 2, 0),
    ),
    (lambda c: c.refund(TICKET_ID, key=KEY), wire.Refund(1, TICKET_ID, 0, "", KEY), None),
    (lambda c: c.statement(SPACE), wire.GetStatement(1, SPACE), (SPACE, "Tea", *SUMS, False)),
    (
        lambda c: c.payouts(),
        wire.ListPayouts(1, None, 100),
        ([PAYOUT], None, "USD", 2, 47_796, 42_796, 5_000),
    ),
    (lambda c: c.pay_out(key=KEY), wire.PayOut(1, KEY), PAYOUT),
    (lambda c: c.payout_account(), wire.GetPayoutAccount(1), (1, "https://pay.example/account/5")),
    (lambda c: c.wait(SPACE), wire.Wait(1, SPACE), 3),
    (lambda c: c.stop_waiting(SPACE), wire.StopWaiting(1, SPACE), None),
]


def told(answer: object) -> object:
    """The fields of a reply but its id; anything else as it is."""
    if isinstance(answer, wire.TicketRow | wire.PayoutRow) or not hasattr(answer, "__struct_fields__"):
        return answer
    fields = tuple(getattr(answer, name) for name in answer.__struct_fields__[1:])
    return fields[:5] if isinstance(answer, wire.SaleTerms) else fields


def answering(kind: type[Request], *answers: Callable[[Any], Answer]) -> Script:
    """A friendly server with these answers to one kind of request, the last for all that follow."""
    left = list(answers)

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, kind):
            return (left.pop(0) if len(left) > 1 else left[0])(request)
        return usual(session, request)

    return script


def offer(request: Any, place: int = 0) -> wire.TicketRequired:
    """What stands at a shut door."""
    return wire.TicketRequired(request.id, SPACE, "Tea", "Hana", 9, TERMS, place, "hana", 1)


# Verbs


def test_every_verb_is_sent_as_it_is_written_and_returns_what_was_answered() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        for verb, request, answer in VERBS:
            got = told(await verb(client))
            assert asked(stage.session) == request
            assert answer is None or got == answer

    tell(story)


def test_every_request_about_tickets_has_a_verb() -> None:
    tickets = {kind for kind in wire.REQUEST_TYPES if kind.__module__.endswith(".tickets")}
    assert {type(request) for _, request, _ in VERBS} == tickets


def test_lists_are_read_page_by_page() -> None:
    rows = [wire.TicketRow(bytes([at]) * 16, *told_row(TICKET)) for at in range(3)]

    def script(session: Session, request: Request) -> Answer:
        if isinstance(request, wire.ListTickets):
            at = 0 if request.after is None else request.after[0]
            return wire.Tickets(request.id, rows[at : at + 1], bytes([at + 1]) if at < 2 else None)
        if isinstance(request, wire.ListPayouts):
            more = None if request.after else b"x"
            return wire.Payouts(request.id, [PAYOUT], more, "USD", 2, 1, 1, 5_000)
        return usual(session, request)

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect()
        assert await client.tickets() == rows
        assert await client.sold_tickets(SPACE, 2) == rows[:2]
        payouts = await client.payouts()
        assert (payouts.payouts, payouts.balance_minor) == ([PAYOUT, PAYOUT], 1)

    tell(story)


def told_row(row: wire.TicketRow) -> list[Any]:
    """Its fields but the first."""
    return [getattr(row, name) for name in row.__struct_fields__[1:]]


@pytest.mark.parametrize("wrong", [b"", b"x" * 15, "zz", "00" * 17])
def test_what_is_no_id_is_not_sent(wrong: bytes | str) -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        for verb in (client.release, client.refund, client.paid, lambda each: client.buy(each, "card_ok")):
            with pytest.raises(RequestRefused) as caught:
                await verb(wrong)
            assert caught.value.code == "bad_value"
        assert kinds(stage.session.requests) == ["Hello"]

    tell(story)


def test_a_key_of_another_length_and_a_time_without_a_zone_are_not_sent() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        with pytest.raises(ValueError, match="key has 3 bytes; give 16"):
            await client.reserve(SPACE, key=b"abc")
        with pytest.raises(ValueError, match="sale_from"):
            await client.sell(SPACE, 1, 2, HOUR, sale_from=datetime(2030, 3, 17))
        assert kinds(stage.session.requests) == ["Hello"]

    tell(story)


# Keys


def test_an_answer_that_does_not_come_is_asked_for_with_the_same_key() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(
            answering(wire.Buy, lambda _: None, lambda _: None, lambda buy: wire.Bought(buy.id, TICKET_ID, 0))
        )
        client = await stage.connect()
        bought = await client.buy(HOLD, "card_ok")
        assert bought.ticket == TICKET_ID
        sent = [request for request in stage.session.requests if isinstance(request, wire.Buy)]
        assert len(sent) == 3
        assert len({request.key for request in sent}) == 1
        assert len({request.id for request in sent}) == 3

    tell(story)


def test_it_is_given_up_after_three_times() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(wire.PayOut))
        client = await stage.connect()
        with pytest.raises(TimedOut):
            await client.pay_out()
        assert kinds(stage.session.requests).count("PayOut") == 3

    tell(story)


def test_keys_differ_from_one_wish_to_the_next() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        await client.reserve(SPACE)
        await client.reserve(SPACE)
        first, second = [request for request in stage.session.requests if isinstance(request, wire.Reserve)]
        assert first.key != second.key

    tell(story)


def test_a_purchase_goes_on_over_another_connection() -> None:
    """The server dies with the purchase under way; the client comes back and asks with the same key."""

    async def story(stage: Stage) -> None:
        friendly = keeping()

        def script(session: Session, request: Request) -> Answer:
            if isinstance(request, wire.Buy) and len(stage.sessions) == 1:
                session.handle.close(8)
                return None
            return friendly(session, request)

        await stage.serve(script)
        client = await stage.connect()
        bought = await client.buy(HOLD, "card_ok")
        assert bought.ticket == TICKET_ID
        sent = [
            request.key
            for session in stage.sessions
            for request in session.requests
            if isinstance(request, wire.Buy)
        ]
        assert len(stage.sessions) == 2
        assert sent == [sent[0]] * 2

    tell(story)


def test_what_is_refused_is_not_asked_again() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(refusing(wire.Buy, ErrorCode.card_declined, "insufficient funds; another card"))
        client = await stage.connect()
        with pytest.raises(RequestRefused) as caught:
            await client.buy(HOLD, "card_declined")
        assert caught.value.code == "card_declined"
        assert kinds(stage.session.requests).count("Buy") == 1

    tell(story)


# Buying


def test_a_reserve_may_find_one_on_the_waiting_list() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering(wire.Reserve, lambda ask: wire.Waiting(ask.id, SPACE, 3)))
        client = await stage.connect()
        reply = await client.reserve(SPACE)
        assert isinstance(reply, wire.Waiting)
        assert reply.place == 3

    tell(story)


def test_paid_waits_until_the_payment_is_decided() -> None:
    def row(state: int) -> Callable[[Any], Answer]:
        changed = wire.TicketRow(TICKET_ID, SPACE, "Tea", state, *told_row(TICKET)[3:])
        return lambda ask: wire.Tickets(ask.id, [changed])

    async def story(stage: Stage) -> None:
        await stage.serve(answering(wire.ListTickets, row(3), row(3), row(4)))
        client = await stage.connect()
        assert (await client.paid(wire.Bought(1, TICKET_ID, 2))).state == TicketState.FAILED
        assert kinds(stage.session.requests).count("ListTickets") == 3
        with pytest.raises(RequestRefused, match="no ticket of mine"):
            await client.paid(b"x" * 16)

    tell(story)


def test_paid_asks_on_whatever_the_connection_does() -> None:
    friendly = keeping()
    answers: list[Any] = ["lost", "silence", "busy", "told"]

    def script(session: Session, request: Request) -> Answer:
        if not isinstance(request, wire.ListTickets):
            return friendly(session, request)
        match answers.pop(0):
            case "lost":
                session.handle.close(8)
            case "busy":
                return wire.Error(request.id, ErrorCode.busy, "wait")
            case "told":
                return wire.Tickets(request.id, [TICKET])
        return None

    async def story(stage: Stage) -> None:
        await stage.serve(script)
        client = await stage.connect()
        assert await client.paid(TICKET) == TICKET
        assert (answers, len(stage.sessions)) == ([], 2)

    tell(story)


def test_paid_ends_with_the_client() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(silent_on(wire.ListTickets))
        client = await stage.connect(resume=False)
        waiting = asyncio.ensure_future(client.paid(TICKET))
        await asyncio.sleep(1)
        stage.session.handle.close(8)
        with pytest.raises(ConnectionClosed):
            await waiting

    tell(story)


def test_offers_and_changes_are_told() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        offered = wire.SeatOffered(0, SPACE, HOLD, 600_000, "Tea")
        stage.session.tell(offered, wire.TicketChanged(0, TICKET))
        first, second = await take(client.ticket_events(), 2)
        assert (first, second) == (offered, wire.TicketChanged(0, TICKET))
        await client.buy(first, "card_ok")
        assert asked(stage.session).hold == HOLD
        await client.close()
        with pytest.raises(StopAsyncIteration):
            await anext(client.ticket_events())

    tell(story)


def test_of_news_nobody_reads_the_oldest_is_dropped() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve()
        client = await stage.connect()
        for at in range(101):
            stage.session.tell(wire.SeatOffered(0, SPACE, bytes([at]) * 16, 600_000, "Tea"))
        await asyncio.sleep(1)
        [first] = await take(client.ticket_events(), 1)
        assert first.hold == bytes([1]) * 16

    tell(story)


# Doors


def test_a_door_that_needs_a_ticket_says_what_it_costs() -> None:
    async def story(stage: Stage) -> None:
        def script(session: Session, request: Request) -> Answer:
            return (
                offer(request, 3) if isinstance(request, wire.Join | wire.Peek) else usual(session, request)
            )

        await stage.serve(script)
        client = await stage.connect()
        for door in (client.join, client.peek):
            with pytest.raises(TicketRequired, match="'Tea' is for holders of tickets") as caught:
                await door(SPACE)
            assert caught.value.code == "ticket_required"
            assert (caught.value.offer.terms, caught.value.offer.place) == (TERMS, 3)
        assert client.space is None
        await client.terms(SPACE)  # and the connection lives on

    tell(story)


def test_who_lost_the_ticket_while_away_does_not_come_back() -> None:
    async def story(stage: Stage) -> None:
        await stage.serve(answering_resume(offer))
        client = await stage.connect()
        space = await client.join(SPACE)
        stage.session.handle.close(8)
        await until(lambda: space.over is not None)
        assert space.over == "ended"
        assert client.space is None
        await until(lambda: client.is_connected)

    tell(story)


def test_removing_for_cause_says_so() -> None:
    async def story(stage: Stage) -> None:
        space = await room(stage)
        await space.remove("bo", refund=False)
        assert asked(stage.session) == wire.Remove(1, "bo", 1, False)

    tell(story)
