"""The sandbox: each card does what its name says, its books survive, and its webhooks are signed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from signaling.pay import (
    AccountState,
    Charge,
    ChargeChanged,
    ChargeState,
    Dispute,
    DisputeState,
    MoveState,
    ProviderUnknown,
    RefundOrder,
    RefundResult,
    Transfer,
    WebhookRefused,
)
from signaling.pay.sandbox import CARDS, DISPUTE_FEE_MINOR, SandboxProvider, fee_of
from tests.signaling.pay_world import WALL_S, an_id

T = TypeVar("T")


def run(story: Coroutine[object, object, T]) -> T:
    return asyncio.run(story)


def sandbox(file: Path | None = None, **others: object) -> SandboxProvider:
    return SandboxProvider(file=file, wall_s=lambda: WALL_S, **others)  # type: ignore[arg-type]


def charge(method: str = "card_ok", number: int = 1, amount_minor: int = 1_000) -> Charge:
    return Charge(an_id(number), amount_minor, "USD", method)


def part(number: int, amount_minor: int, of: int = 1) -> RefundOrder:
    return RefundOrder(an_id(number), an_id(of), f"sandbox_{an_id(of).hex()}", amount_minor, "USD")


# Cards


@pytest.mark.parametrize("amount_minor", [1, 30, 31, 100, 999, 1_000, 99_900])
def test_a_fee_is_whole_and_never_more_than_the_amount(amount_minor: int) -> None:
    assert 0 < fee_of(amount_minor) <= amount_minor
    assert fee_of(1_000) == 59


@pytest.mark.parametrize(
    ("method", "state", "fee_minor", "code"),
    [
        ("card_ok", ChargeState.SUCCEEDED, 59, ""),
        ("card_fee_late", ChargeState.SUCCEEDED, None, ""),
        ("card_declined", ChargeState.DECLINED, None, "card_declined"),
        ("card_needs_action", ChargeState.NEEDS_ACTION, None, ""),
        ("card_of_nobody", ChargeState.DECLINED, None, "no_such_method"),
    ],
)
def test_a_card_does_what_its_name_says(
    method: str, state: ChargeState, fee_minor: int | None, code: str
) -> None:
    provider = sandbox()
    first = run(provider.charge(charge(method)))
    assert (first.state, first.fee_minor, first.decline_code) == (state, fee_minor, code)
    assert run(provider.charge(charge(method))) == first
    found = run(provider.find_charge(an_id(1)))
    assert found is not None
    assert (found.state, found.ref) == (state, first.ref)
    assert found.fee_minor == (59 if state is ChargeState.SUCCEEDED else None)


@pytest.mark.parametrize(("method", "is_charged"), [("charged", True), ("not_charged", False)])
def test_a_card_that_times_out_is_asked_about(method: str, is_charged: bool) -> None:
    provider = sandbox()
    for _ in range(2):
        with pytest.raises(ProviderUnknown, match="find_charge"):
            run(provider.charge(charge(f"card_times_out_{method}")))
    found = run(provider.find_charge(an_id(1)))
    assert (found is not None) == is_charged
    assert found is None or (found.state, found.fee_minor) == (ChargeState.SUCCEEDED, 59)


def test_an_id_is_one_charge() -> None:
    provider = sandbox()
    run(provider.charge(charge()))
    with pytest.raises(ProviderUnknown, match="one id is one charge"):
        run(provider.charge(charge(amount_minor=1_001)))


@pytest.mark.parametrize("method", ["card_needs_action", "card_times_out_not_charged"])
def test_a_charge_that_was_given_up_is_never_made(method: str) -> None:
    provider = sandbox()
    if method == "card_needs_action":
        run(provider.charge(charge(method)))
    cancelled = run(provider.cancel_charge(an_id(1)))
    assert (cancelled.state, cancelled.decline_code) == (ChargeState.DECLINED, "cancelled")
    assert not run(provider.act(an_id(1), approves=True))
    assert run(provider.find_charge(an_id(1))) == cancelled


def test_a_charge_that_succeeded_is_not_given_up() -> None:
    provider = sandbox()
    made = run(provider.charge(charge()))
    assert run(provider.cancel_charge(an_id(1))) == made


# Refunds, transfers, accounts


def test_refunds_never_exceed_the_charge() -> None:
    provider = sandbox()
    run(provider.charge(charge()))
    assert run(provider.refund(part(11, 600))).state is MoveState.SUCCEEDED
    assert run(provider.refund(part(11, 600))).state is MoveState.SUCCEEDED  # the same one
    too_large = run(provider.refund(part(12, 401)))
    assert (too_large.state, too_large.failure_code) == (MoveState.FAILED, "refund_too_large")
    assert run(provider.refund(part(13, 400))).state is MoveState.SUCCEEDED
    assert run(provider.find_refund(an_id(12))) == too_large
    assert run(provider.find_refund(an_id(14))) is None


@pytest.mark.parametrize("method", [None, "card_declined", "card_needs_action"])
def test_what_was_not_paid_is_not_refunded(method: str | None) -> None:
    provider = sandbox()
    if method is not None:
        run(provider.charge(charge(method)))
    result = run(provider.refund(part(11, 1)))
    assert (result.state, result.failure_code) == (MoveState.FAILED, "no_such_charge")


def test_transfers_reach_verified_accounts_only() -> None:
    provider = sandbox(unverified=frozenset({"bob"}))
    ann, bob = (run(provider.payout_account(user)) for user in ("ann", "bob"))
    assert (ann.state, bob.state) == (AccountState.VERIFIED, AccountState.PENDING)
    assert run(provider.transfer(Transfer(an_id(1), 5, "USD", ann.ref))).state is MoveState.SUCCEEDED
    failed = run(provider.transfer(Transfer(an_id(2), 5, "USD", bob.ref)))
    assert (failed.state, failed.failure_code) == (MoveState.FAILED, "account_unverified")
    assert run(provider.find_transfer(an_id(2))) == failed
    assert run(provider.find_transfer(an_id(3))) is None


# Books


def test_a_sandbox_that_starts_again_finds_its_charges(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.jsonl"
    first = sandbox(file)
    made = run(first.charge(charge()))
    run(first.refund(part(11, 600)))
    run(first.charge(charge("card_needs_action", 2)))
    run(first.act(an_id(2), approves=True))
    run(first.close())
    assert file.stat().st_mode & 0o777 == 0o600
    again = sandbox(file)
    assert run(again.find_charge(an_id(1))) == made
    assert run(again.refund(part(12, 401))).state is MoveState.FAILED
    approved = run(again.find_charge(an_id(2)))
    assert approved is not None and approved.state is ChargeState.SUCCEEDED
    run(again.close())


def test_servers_that_share_a_file_see_one_book(tmp_path: Path) -> None:
    one, other = (sandbox(tmp_path / "sandbox.jsonl") for _ in range(2))
    made = run(one.charge(charge()))
    assert run(other.find_charge(an_id(1))) == made
    assert run(other.charge(charge())) == made
    refunds: list[RefundResult] = [
        run(each.refund(part(20 + number, 300))) for number in range(2) for each in (one, other)
    ]
    assert [each.state for each in refunds] == [MoveState.SUCCEEDED] * 4
    assert run(one.refund(part(30, 401))).state is MoveState.FAILED
    lines = (tmp_path / "sandbox.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["charge", "refund", "refund", "refund"]
    for each in (one, other):
        run(each.close())


@pytest.mark.parametrize("seed", range(8))
def test_half_a_line_of_a_killed_server_is_as_if_it_was_never_written(tmp_path: Path, seed: int) -> None:
    file = tmp_path / "sandbox.jsonl"
    first = sandbox(file)
    run(first.charge(charge(number=1)))
    whole = file.stat().st_size
    run(first.charge(charge(number=2)))
    run(first.close())
    cut = Random(seed).randrange(whole + 1, file.stat().st_size)
    with file.open("r+b") as stream:
        stream.truncate(cut)
    again = sandbox(file)
    assert run(again.find_charge(an_id(2))) is None, f"seed {seed}"
    run(again.charge(charge(number=3)))
    run(again.close())
    last = sandbox(file)
    for number, is_there in ((1, True), (2, False), (3, True)):
        assert (run(last.find_charge(an_id(number))) is not None) == is_there, f"seed {seed}"
    run(last.close())


def test_a_full_book_answers_no_new_charge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signaling.pay.sandbox_book.ENTRIES_MAX", 2)
    provider = sandbox()
    for number in (1, 2):
        run(provider.charge(charge(number=number)))
    with pytest.raises(ProviderUnknown, match="2 is the limit"):
        run(provider.charge(charge(number=3)))
    assert run(provider.charge(charge(number=2))).state is ChargeState.SUCCEEDED


# Webhooks


class Letters:
    """Keeps what was delivered."""

    def __init__(self) -> None:
        self.kept: list[tuple[Mapping[str, str], bytes]] = []

    async def __call__(self, headers: Mapping[str, str], body: bytes) -> None:
        self.kept.append((headers, body))


@pytest.mark.parametrize("approves", [True, False])
def test_a_buyer_who_is_asked_answers_and_a_webhook_tells(approves: bool) -> None:
    letters = Letters()
    provider = sandbox(deliver=letters, action_base="http://127.0.0.1:8080/pay/sandbox")
    asked = run(provider.charge(charge("card_needs_action")))
    assert asked.action_url == f"http://127.0.0.1:8080/pay/sandbox/{an_id(1).hex()}"
    assert run(provider.act(an_id(1), approves=approves))
    assert not run(provider.act(an_id(1), approves=not approves))
    ((headers, body),) = letters.kept
    event = provider.read_webhook(headers, body, WALL_S)
    assert event is not None and isinstance(event.subject, ChargeChanged)
    assert (event.at_s, event.subject.id) == (WALL_S, an_id(1))
    found = run(provider.find_charge(an_id(1)))
    assert event.subject.result == found and found is not None
    wanted = (ChargeState.SUCCEEDED, "") if approves else (ChargeState.DECLINED, "authentication_failed")
    assert (found.state, found.decline_code) == wanted


def test_a_dispute_opens_and_ends() -> None:
    letters = Letters()
    provider = sandbox(deliver=letters)
    made = run(provider.charge(charge()))
    told = []
    for state in (DisputeState.OPENED, DisputeState.WON):
        run(provider.dispute(an_id(1), state))
        event = provider.read_webhook(*letters.kept[-1], WALL_S)
        assert event is not None
        told.append(event)
    assert len({event.id for event in told}) == 2
    first, last = (event.subject for event in told)
    assert isinstance(first, Dispute) and isinstance(last, Dispute)
    assert (first.ref, first.charge_ref) == (last.ref, made.ref)
    assert (first.amount_minor, first.fee_minor) == (1_000, DISPUTE_FEE_MINOR)
    assert (last.amount_minor, last.fee_minor) == (1_000, 0)
    assert (first.state, last.state) == (DisputeState.OPENED, DisputeState.WON)
    with pytest.raises(KeyError):
        run(provider.dispute(an_id(2), DisputeState.OPENED))


@pytest.mark.parametrize(("age_s", "code"), [(301, "too_old"), (-301, "too_old"), (0, "wrong_signature")])
def test_a_webhook_that_is_old_or_forged_is_refused(age_s: int, code: str) -> None:
    letters = Letters()
    provider = sandbox(deliver=letters)
    run(provider.charge(charge("card_needs_action")))
    run(provider.act(an_id(1), approves=True))
    headers, body = letters.kept[0]
    with pytest.raises(WebhookRefused) as caught:
        provider.read_webhook(headers, body if age_s else body + b" ", WALL_S + age_s)
    assert caught.value.code == code
    with pytest.raises(WebhookRefused):
        sandbox().read_webhook(headers, body, WALL_S)  # signed by another sandbox


@pytest.mark.parametrize("content", [[], {"charge": "x"}, {"dispute": 1, "amount": 1}, "text"])
def test_a_signed_webhook_without_shape_is_refused(content: object) -> None:
    provider = sandbox()
    headers, body = provider.webhook("e", content)  # type: ignore[arg-type]  # what it may be at worst
    with pytest.raises(WebhookRefused) as caught:
        provider.read_webhook(headers, body, WALL_S)
    assert caught.value.code == "bad_body"


def test_a_webhook_of_something_else_says_nothing() -> None:
    provider = sandbox()
    assert provider.read_webhook(*provider.webhook("e", {"weather": "fine"}), WALL_S) is None


def test_every_card_is_of_one_of_the_states() -> None:
    assert {card.state for card in CARDS.values()} == {
        *(ChargeState.SUCCEEDED, ChargeState.DECLINED, ChargeState.NEEDS_ACTION, None)
    }
