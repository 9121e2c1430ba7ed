"""What localstripe lacks, against the shapes that Stripe documents: accounts, transfers, disputes, events."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.pay import (
    AccountState,
    ChargeChanged,
    ChargeState,
    Dispute,
    DisputeState,
    MoveState,
    PayoutAccount,
    ProviderUnknown,
    RefundChanged,
    Transfer,
    TransferChanged,
    WebhookRefused,
)
from signaling.pay.stripe import SETTLED_S, StripeProvider
from signaling.pay.stripe_objects import charge_result, refund_result, subject_of
from signaling.pay.stripe_webhooks import read_event
from tests.signaling.pay_world import (
    KEY,
    WALL_S,
    WEBHOOK_SECRET,
    Answer,
    FakeStripe,
    FaultProxy,
    Request,
    a_charge,
    a_dispute,
    a_transfer,
    an_account,
    an_event,
    an_id,
    an_intent,
    provider_at,
    serving,
    signed,
)

Story = Callable[[StripeProvider, FakeStripe], Awaitable[None]]
RETURN_URL = "https://spaces.example/back"
LONG_AGO_S = WALL_S - 2 * SETTLED_S


def tell(story: Story) -> None:
    async def told() -> None:
        fake = FakeStripe()
        async with (
            serving(fake) as url,
            provider_at(url, return_url=RETURN_URL, wall_s=lambda: WALL_S) as provider,
        ):
            await story(provider, fake)

    asyncio.run(told())


def a_payout(number: int = 1, amount_minor: int = 5_000) -> Transfer:
    return Transfer(an_id(number), amount_minor, "USD", "acct_0", "for October")


# Connect


def test_a_host_opens_an_account_finishes_it_and_is_paid() -> None:
    async def story(provider: StripeProvider, fake: FakeStripe) -> None:
        opened = await provider.payout_account("ann")
        assert opened == PayoutAccount(
            "ann", AccountState.PENDING, "acct_0", "https://connect.stripe.com/setup/acct_0"
        )
        assert await provider.payout_account("ann") == opened  # by its idempotency key the same account
        assert len(fake.accounts) == 1
        assert fake.seen[1].values["return_url"] == RETURN_URL
        fake.accounts["acct_0"] = an_account("acct_0", "ann", verified=True)
        assert await provider.payout_account("ann", opened.ref) == PayoutAccount(
            "ann", AccountState.VERIFIED, "acct_0"
        )
        paid = await provider.transfer(a_payout())
        assert (paid.state, paid.ref) == (MoveState.SUCCEEDED, "tr_0")
        sent = fake.seen[-1]
        assert (sent.key, sent.values["amount"], sent.values["destination"]) == (
            *(an_id(1).hex(), "5000", "acct_0"),
        )
        assert await provider.transfer(a_payout()) == paid
        assert await provider.find_transfer(an_id(1), since_s=LONG_AGO_S) == paid
        assert await provider.find_transfer(an_id(2), since_s=LONG_AGO_S) is None
        assert len(fake.transfers) == 1

    tell(story)


def test_a_transfer_that_was_made_but_not_told_is_found_and_made_once() -> None:
    async def told() -> None:
        fake = FakeStripe()
        async with serving(fake) as behind:
            proxy = FaultProxy(behind)
            async with serving(proxy) as url, provider_at(url) as provider:
                for fault in ("500", "cut"):
                    proxy.faults.append(fault)
                    with pytest.raises(ProviderUnknown):
                        await provider.transfer(a_payout())
                found = await provider.find_transfer(an_id(1), since_s=LONG_AGO_S)
                assert found is not None and found.state is MoveState.SUCCEEDED
                assert await provider.transfer(a_payout()) == found
        assert len(fake.transfers) == 1

    asyncio.run(told())


def test_what_stripe_refuses_has_failed_and_what_it_cannot_say_is_unknown() -> None:
    async def story(provider: StripeProvider, fake: FakeStripe) -> None:
        empty = {"type": "invalid_request_error", "code": "balance_insufficient", "message": "no money"}
        fake.refusals.append((400, empty))
        failed = await provider.transfer(a_payout())
        assert (failed.state, failed.failure_code) == (MoveState.FAILED, "balance_insufficient")
        unsure: list[tuple[int, dict[str, Any]]] = [
            (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
            (429, {"type": "invalid_request_error", "code": "lock_timeout"}),
            (429, {"type": "invalid_request_error", "code": "rate_limit"}),
            (500, {"type": "api_error"}),
            (503, {"type": "api_error"}),
        ]
        for number, refusal in enumerate(unsure, 2):
            fake.refusals.append(refusal)
            with pytest.raises(ProviderUnknown):
                await provider.transfer(a_payout(number))
        with pytest.raises(ProviderUnknown):  # other parameters under an id that was used
            await provider.transfer(a_payout(1, 6_000))

    tell(story)


def test_a_decline_tells_its_reason_and_its_intent() -> None:
    async def story(provider: StripeProvider, fake: FakeStripe) -> None:
        fake.refusals.append(
            (
                402,
                {
                    "type": "card_error",
                    "code": "card_declined",
                    "decline_code": "insufficient_funds",
                    "message": "Your card has insufficient funds.",
                    "payment_intent": an_intent(1, "requires_payment_method"),
                },
            )
        )
        result = await provider.charge(a_charge())
        assert (result.state, result.ref) == (ChargeState.DECLINED, "pi_1")
        assert result.decline_code == "insufficient_funds"

    tell(story)


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_charges_nothing_and_is_not_repeated(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(provider: StripeProvider, fake: FakeStripe) -> None:
        fake.refusals.append((status, {"type": "invalid_request_error", "message": f"Invalid key: {KEY}"}))
        result = await provider.charge(a_charge())
        assert result.state is ChargeState.DECLINED and KEY not in repr(result)

    tell(story)
    assert f"status {status}" in caplog.text and KEY not in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"no JSON", b"[]", b"{}", b'{"id": "pi_1", "object": "payment_intent"}']
)
def test_an_answer_without_the_documented_shape_leaves_it_unknown(body: bytes) -> None:
    async def handler(request: Request) -> Answer:
        return Answer(200, body)

    async def told() -> None:
        async with serving(handler) as url, provider_at(url) as provider:
            with pytest.raises(ProviderUnknown):
                await provider.charge(a_charge())
            with pytest.raises(ProviderUnknown):
                await provider.find_charge(an_id(1))

    asyncio.run(told())


# Objects


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", ChargeState.SUCCEEDED),
        ("processing", ChargeState.PENDING),
        ("requires_capture", ChargeState.PENDING),
        ("requires_confirmation", ChargeState.PENDING),
        ("requires_action", ChargeState.NEEDS_ACTION),
        ("requires_payment_method", ChargeState.DECLINED),
        ("canceled", ChargeState.DECLINED),
        ("a status of next year", ChargeState.PENDING),
    ],
)
def test_every_status_of_an_intent_means_something(status: str, state: ChargeState) -> None:
    assert charge_result(an_intent(1, status)).state is state


def with_fee(fee: int, currency: str = "usd") -> dict[str, Any]:
    booked = {"id": "txn_1", "object": "balance_transaction", "fee": fee, "currency": currency}
    return an_intent(1, latest_charge={"id": "ch_1", "object": "charge", "balance_transaction": booked})


def test_a_fee_is_known_once_it_is_booked_in_the_currency_sold_in(caplog: pytest.LogCaptureFixture) -> None:
    assert charge_result(with_fee(66)).fee_minor == 66
    assert charge_result(an_intent(1)).fee_minor is None
    unbooked = {"id": "ch_1", "object": "charge", "balance_transaction": None}
    assert charge_result(an_intent(1, latest_charge=unbooked)).fee_minor is None
    assert charge_result(with_fee(66, "eur")).fee_minor is None
    assert "in eur" in caplog.text


def test_where_the_buyer_goes_on_is_told_and_not_shown() -> None:
    url = "https://hooks.stripe.com/3d_secure?client_secret=pi_1_secret_x"
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": RETURN_URL}}
    result = charge_result(an_intent(1, "requires_action", next_action=action))
    assert result.action_url == url and "secret_x" not in repr(result)
    sdk = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
    assert charge_result(an_intent(1, "requires_action", next_action=sdk)).action_url == ""


def a_refund(status: str, **others: Any) -> dict[str, Any]:
    named = {"spaces_refund": an_id(11).hex(), "spaces_charge": an_id(1).hex()}
    return {"id": "re_1", "object": "refund", "amount": 5, "metadata": named, "status": status, **others}


def test_a_refund_may_wait_fail_and_give_some_of_the_fee_back() -> None:
    assert refund_result(a_refund("pending")).state is MoveState.PENDING
    failed = refund_result(a_refund("failed", failure_reason="lost_or_stolen_card"))
    assert (failed.state, failed.failure_code) == (MoveState.FAILED, "lost_or_stolen_card")
    booked = {"object": "balance_transaction", "amount": -5, "fee": -2}
    assert refund_result(a_refund("succeeded", balance_transaction=booked)).fee_returned_minor == 2
    assert refund_result(a_refund("succeeded", balance_transaction="txn_1")).fee_returned_minor == 0


# Events


def read(body: bytes, headers: Mapping[str, str] | None = None, now_s: float = WALL_S) -> Any:
    given = signed(body) if headers is None else headers
    return read_event(given, body, now_s, secret=WEBHOOK_SECRET, is_live=False)


def test_an_event_tells_what_became_of_a_charge() -> None:
    event = read(an_event("payment_intent.succeeded", an_intent(1)))
    assert (event.id, event.at_s) == ("evt_1", WALL_S)
    assert isinstance(event.subject, ChargeChanged) and event.subject.id == an_id(1)
    assert event.subject.result.state is ChargeState.SUCCEEDED and event.subject.result.fee_minor is None


def test_a_charge_event_with_its_booking_tells_the_fee() -> None:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "currency": "usd",
        "status": "succeeded",
        "payment_intent": "pi_1",
        "metadata": {"spaces_charge": an_id(1).hex()},
        "balance_transaction": {"fee": 66, "currency": "usd"},
    }
    subject = subject_of("charge.updated", charge)
    assert isinstance(subject, ChargeChanged)
    assert (subject.result.ref, subject.result.fee_minor) == ("pi_1", 66)
    assert subject_of("charge.updated", {**charge, "status": "failed"}) is None


def test_refunds_transfers_and_accounts_are_told() -> None:
    failed = subject_of("refund.failed", a_refund("failed"))
    assert isinstance(failed, RefundChanged)
    assert (failed.id, failed.result.state) == (an_id(11), MoveState.FAILED)
    values = {
        "amount": "5",
        "currency": "usd",
        "destination": "acct_0",
        "transfer_group": "x",
        "metadata[spaces_transfer]": an_id(1).hex(),
    }
    back = subject_of("transfer.reversed", {**a_transfer("tr_1", values), "reversed": True})
    assert isinstance(back, TransferChanged)
    assert (back.id, back.result.state, back.result.failure_code) == (an_id(1), MoveState.FAILED, "reversed")
    account = subject_of("account.updated", an_account("acct_0", "ann", verified=True))
    assert account == PayoutAccount("ann", AccountState.VERIFIED, "acct_0")


TAKEN = {"id": "txn_2", "object": "balance_transaction", "amount": -1_250, "fee": 1_500, "net": -2_750}
BACK = {"id": "txn_3", "object": "balance_transaction", "amount": 1_250, "fee": 0, "net": 1_250}
FEE_BACK = {**BACK, "fee": -1_500, "net": 2_750}


@pytest.mark.parametrize(
    ("status", "booked", "told"),
    [
        ("needs_response", [], None),
        ("needs_response", [TAKEN], (DisputeState.OPENED, 1_250, 1_500)),
        ("under_review", [TAKEN], (DisputeState.OPENED, 1_250, 1_500)),
        ("needs_response", [{**TAKEN, "amount": -900}], (DisputeState.OPENED, 900, 1_500)),
        ("lost", [TAKEN], (DisputeState.LOST, 1_250, 1_500)),
        ("lost", [], (DisputeState.LOST, 1_250, 0)),
        ("won", [TAKEN], None),
        ("won", [TAKEN, BACK], (DisputeState.WON, 1_250, 0)),
        ("won", [TAKEN, FEE_BACK], (DisputeState.WON, 1_250, 1_500)),
        ("warning_needs_response", [], None),
        ("warning_closed", [], None),
    ],
)
def test_a_dispute_is_told_once_money_has_moved(
    status: str, booked: list[dict[str, Any]], told: tuple[DisputeState, int, int] | None
) -> None:
    dispute = {**a_dispute(1, status), "balance_transactions": booked}
    wanted = None if told is None else Dispute("dp_1", "pi_1", *told)
    assert subject_of("charge.dispute.updated", dispute) == wanted


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("customer.created", {"id": "cus_1"}),
        ("a type of next year", {}),
        ("payment_intent.succeeded", an_intent(1, metadata={})),
        ("payment_intent.succeeded", an_intent(1, metadata={"spaces_charge": "not hex"})),
        ("payment_intent.succeeded", an_intent(1, metadata={"spaces_charge": "abcd"})),
        ("payment_intent.succeeded", an_intent(1, metadata={"spaces_charge": 5})),
        ("refund.created", a_refund("succeeded", metadata={})),
        ("account.updated", {"id": "acct_1", "metadata": {}}),
    ],
)
def test_what_is_not_ours_is_nothing(kind: str, shape: Mapping[str, Any]) -> None:
    assert read(an_event(kind, shape)) is None


# Signatures


ANOTHER = "whsec_of_somebody_else"
EVENT = an_event("payment_intent.succeeded", an_intent(1))


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "header_missing"),
        ({"Stripe-Signature": ""}, "header_missing"),
        ({"Stripe-Signature": "t=1,v1=é"}, "header_missing"),
        ({"Stripe-Signature": "nonsense"}, "wrong_signature"),
        ({"Stripe-Signature": "t=,v1=,"}, "wrong_signature"),
        ({"Stripe-Signature": f"t={'9' * 5_000},v1=00"}, "wrong_signature"),
        ({"Stripe-Signature": signed(EVENT)["Stripe-Signature"].replace("v1=", "v0=")}, "wrong_signature"),
        (signed(EVENT, WALL_S, ANOTHER), "wrong_signature"),
        (signed(EVENT + b" "), "wrong_signature"),
        (signed(EVENT, WALL_S - 301), "too_old"),
        (signed(EVENT, WALL_S + 301), "too_old"),
    ],
)
def test_a_forged_or_old_webhook_is_refused(headers: Mapping[str, str], code: str) -> None:
    with pytest.raises(WebhookRefused) as caught:
        read(EVENT, headers)
    assert caught.value.code == code
    assert WEBHOOK_SECRET not in str(caught.value)


@pytest.mark.parametrize("age_s", [-300, 0, 300])
def test_the_tolerance_is_300_s_on_either_side(age_s: int) -> None:
    assert read(EVENT, signed(EVENT, WALL_S - age_s)) is not None


def test_the_time_that_counts_is_the_one_that_was_signed() -> None:
    """Whoever replays a webhook can write what he likes around the signed number."""
    old = signed(EVENT, WALL_S - 301)["Stripe-Signature"]
    for header in (f"t={int(WALL_S)},{old}", f"{old},t={int(WALL_S)}", old.replace(",v1", f"={WALL_S},v1")):
        with pytest.raises(WebhookRefused):
            read(EVENT, {"Stripe-Signature": header})


def test_nothing_is_parsed_before_the_signature_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(text: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("signaling.pay.stripe_webhooks.json.loads", never)
    with pytest.raises(WebhookRefused):
        read(EVENT, signed(EVENT, WALL_S, ANOTHER))
    with pytest.raises(AssertionError, match="parsed"):
        read(EVENT)


def test_an_event_of_live_mode_says_nothing_to_a_test_key() -> None:
    with pytest.raises(WebhookRefused) as caught:
        read(an_event("payment_intent.succeeded", an_intent(1), livemode=True))
    assert caught.value.code == "wrong_mode"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{",
        b"5",
        b"[" * 100_000,
        b'{"livemode": false}',
        b'{"livemode": false, "type": [], "data": {"object": {}}}',
        b'{"livemode": false, "type": "payment_intent.succeeded", "data": {"object": []}}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused):
        read(body)


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from(
        [
            "payment_intent.succeeded",
            "charge.updated",
            "refund.failed",
            "account.updated",
            "charge.dispute.closed",
            "transfer.reversed",
        ]
    ),
    st.dictionaries(
        st.sampled_from(
            [
                "id",
                "status",
                "metadata",
                "amount",
                "latest_charge",
                "currency",
                "capabilities",
                "payment_intent",
                "balance_transactions",
            ]
        ),
        JSON
        | st.just(
            {
                "spaces_charge": "00" * 16,
                "spaces_refund": "00" * 16,
                "spaces_transfer": "00" * 16,
                "spaces_user": "ann",
            }
        ),
    ),
)
def test_whatever_an_object_holds_only_a_refusal_escapes(kind: str, shape: dict[str, Any]) -> None:
    logging.getLogger("signaling.pay.stripe_objects").setLevel(logging.CRITICAL)
    body = json.dumps(
        {"id": "evt_1", "created": 1, "type": kind, "livemode": False, "data": {"object": shape}}
    ).encode()
    try:
        read(body)
    except WebhookRefused as refused:
        assert refused.code == "bad_body"
