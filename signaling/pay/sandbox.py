"""The sandbox: a provider that moves no money and does what the name of the card says."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from signaling.http.signature import (
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SignatureError,
    sign,
    verify,
)
from signaling.pay.provider import (
    WEBHOOK_TOLERANCE_S,
    AccountState,
    Charge,
    ChargeChanged,
    ChargeResult,
    ChargeState,
    Dispute,
    DisputeState,
    EventSubject,
    MoveState,
    PayoutAccount,
    ProviderEvent,
    ProviderUnknown,
    RefundOrder,
    RefundResult,
    Transfer,
    TransferResult,
    WebhookRefused,
)
from signaling.pay.sandbox_book import Entry, SandboxBook

__all__ = ["CARDS", "DISPUTE_FEE_MINOR", "SandboxProvider", "fee_of"]

DISPUTE_FEE_MINOR = 1_500
_REF = "sandbox_"
_FEE_PER_MILLE = 29
_FEE_FIXED_MINOR = 30


@dataclass(frozen=True, slots=True)
class _Card:
    """What a charge with it becomes; None: it never arrives. `answers` is whether the caller is told."""

    state: ChargeState | None
    answers: bool = True
    fee_at_once: bool = True


CARDS: Mapping[str, _Card] = {
    "card_ok": _Card(ChargeState.SUCCEEDED),
    "card_fee_late": _Card(ChargeState.SUCCEEDED, fee_at_once=False),
    "card_declined": _Card(ChargeState.DECLINED),
    "card_needs_action": _Card(ChargeState.NEEDS_ACTION),
    "card_times_out_charged": _Card(ChargeState.SUCCEEDED, answers=False),
    "card_times_out_not_charged": _Card(None, answers=False),
}
"""The methods there are; any other is declined with `no_such_method`."""


def fee_of(amount_minor: int) -> int:
    """What the sandbox keeps of a charge: 2.9 %, rounded down, and 30 minor units; never more than all."""
    return min(amount_minor, amount_minor * _FEE_PER_MILLE // 1_000 + _FEE_FIXED_MINOR)


class SandboxProvider:
    """Keeps its books in memory and, where `file` is named, there: who starts again finds every charge.

    wall_s: seconds since the epoch. deliver: takes the webhooks it sends, headers and body, as HTTP would.
    action_base: the URL below which a buyer goes on where a card asks for it, empty where there is none.
    unverified: users whose payout account stays unfinished; those of all others are verified at once.
    """

    name = "sandbox"
    is_sandbox = True

    def __init__(
        self,
        *,
        file: Path | None = None,
        wall_s: Callable[[], float] = time.time,
        deliver: Callable[[Mapping[str, str], bytes], Awaitable[None]] | None = None,
        action_base: str = "",
        unverified: frozenset[str] = frozenset(),
    ) -> None:
        self.deliver = deliver
        self.action_base = action_base
        self._book = SandboxBook(file)
        self._wall_s = wall_s
        self._unverified = unverified
        self._secret = secrets.token_bytes(32)

    # Charges

    async def charge(self, charge: Charge) -> ChargeResult:
        card = CARDS.get(charge.method)
        with self._book.writing() as book:
            entry = book.get("charge", charge.id)
            if entry is None and (card is None or card.state is not None):
                entry = book.put(_first_entry(charge, card))
        if entry is not None and (entry.amount_minor, entry.currency) != (
            *(charge.amount_minor, charge.currency),
        ):
            raise ProviderUnknown(
                f"charge {charge.id.hex()} was {entry.amount_minor} {entry.currency} before and is not now; "
                "one id is one charge"
            )
        if entry is None or (card is not None and not card.answers):
            raise ProviderUnknown(f"no answer about charge {charge.id.hex()}; ask by find_charge")
        return self._charge_result(entry, is_fee_known=card is not None and card.fee_at_once)

    async def find_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult | None:
        with self._book.reading() as book:
            entry = book.get("charge", charge_id)
        return None if entry is None else self._charge_result(entry)

    async def cancel_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult:
        with self._book.writing() as book:
            entry = book.get("charge", charge_id)
            if entry is None:  # kept, so that one that is still on its way is not carried out
                entry = book.put(
                    Entry("charge", charge_id.hex(), 0, "", ChargeState.DECLINED, code="cancelled")
                )
            elif entry.state not in (ChargeState.SUCCEEDED, ChargeState.DECLINED):
                entry = book.put(replace(entry, state=ChargeState.DECLINED, code="cancelled"))
        return self._charge_result(entry)

    def _charge_result(self, entry: Entry, *, is_fee_known: bool = True) -> ChargeResult:
        state = ChargeState(entry.state)
        needs_action = state is ChargeState.NEEDS_ACTION
        return ChargeResult(
            state,
            ref=_REF + entry.id,
            fee_minor=fee_of(entry.amount_minor) if is_fee_known and state is ChargeState.SUCCEEDED else None,
            action_url=f"{self.action_base}/{entry.id}" if needs_action and self.action_base else "",
            decline_code=entry.code,
        )

    # Refunds, transfers, accounts

    async def refund(self, refund: RefundOrder) -> RefundResult:
        with self._book.writing() as book:
            entry = book.get("refund", refund.id)
            if entry is None:
                charge = book.get("charge", refund.charge)
                code = ""
                if charge is None or charge.state != ChargeState.SUCCEEDED:
                    code = "no_such_charge"
                elif book.refunded_minor(charge.id) + refund.amount_minor > charge.amount_minor:
                    code = "refund_too_large"
                entry = book.put(
                    Entry(
                        "refund",
                        refund.id.hex(),
                        refund.amount_minor,
                        refund.currency,
                        MoveState.FAILED if code else MoveState.SUCCEEDED,
                        code=code,
                        of=refund.charge.hex(),
                    )
                )
        return _refund_result(entry)

    async def find_refund(
        self, refund_id: bytes, /, *, charge_ref: str = "", since_s: float = 0.0
    ) -> RefundResult | None:
        with self._book.reading() as book:
            entry = book.get("refund", refund_id)
        return None if entry is None else _refund_result(entry)

    async def transfer(self, transfer: Transfer) -> TransferResult:
        with self._book.writing() as book:
            entry = book.get("transfer", transfer.id)
            if entry is None:
                is_open = transfer.account.removeprefix(_REF) not in self._unverified
                entry = book.put(
                    Entry(
                        "transfer",
                        transfer.id.hex(),
                        transfer.amount_minor,
                        transfer.currency,
                        MoveState.SUCCEEDED if is_open else MoveState.FAILED,
                        code="" if is_open else "account_unverified",
                        of=transfer.account,
                    )
                )
        return _transfer_result(entry)

    async def find_transfer(self, transfer_id: bytes, /, *, since_s: float = 0.0) -> TransferResult | None:
        with self._book.reading() as book:
            entry = book.get("transfer", transfer_id)
        return None if entry is None else _transfer_result(entry)

    async def payout_account(self, user: str, ref: str = "") -> PayoutAccount:
        state = AccountState.PENDING if user in self._unverified else AccountState.VERIFIED
        return PayoutAccount(user, state, _REF + user)

    # What happens at the provider without us

    async def act(self, charge_id: bytes, approves: bool) -> bool:
        """The buyer answers what his card asks; a webhook tells. False where nothing is asked of him."""
        with self._book.writing() as book:
            entry = book.get("charge", charge_id)
            if entry is None or entry.state != ChargeState.NEEDS_ACTION:
                return False
            entry = book.put(
                replace(entry, state=ChargeState.SUCCEEDED)
                if approves
                else replace(entry, state=ChargeState.DECLINED, code="authentication_failed")
            )
        await self._send(
            f"charge-{entry.id}-{entry.state}",
            {"charge": entry.id, "state": entry.state, "code": entry.code, "amount": entry.amount_minor},
        )
        return True

    async def dispute(self, charge_id: bytes, state: DisputeState) -> None:
        """The buyer's bank takes a charge back, or what became of that; the fee is kept, also when it is won.

        KeyError for a charge there is not.
        """
        with self._book.reading() as book:
            entry = book.get("charge", charge_id)
        if entry is None or entry.state != ChargeState.SUCCEEDED:
            raise KeyError(charge_id.hex())
        await self._send(
            f"dispute-{entry.id}-{state}",
            {"dispute": entry.id, "state": state, "amount": entry.amount_minor},
        )

    def webhook(self, event_id: str, content: Mapping[str, object]) -> tuple[dict[str, str], bytes]:
        """Headers and body of a webhook as it is sent, signed now."""
        body = json.dumps(content, separators=(",", ":")).encode()
        now_s = int(self._wall_s())
        return {
            ID_HEADER: event_id,
            TIMESTAMP_HEADER: str(now_s),
            SIGNATURE_HEADER: sign(self._secret, event_id, now_s, body),
        }, body

    async def _send(self, event_id: str, content: Mapping[str, object]) -> None:
        if self.deliver is not None:
            await self.deliver(*self.webhook(event_id, content))

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> ProviderEvent | None:
        try:
            event_id = verify(self._secret, headers, body, now_s=now_s, tolerance_s=WEBHOOK_TOLERANCE_S)
        except SignatureError as error:
            raise WebhookRefused(error.code, str(error)) from None
        at_s = int({name.lower(): value for name, value in headers.items()}[TIMESTAMP_HEADER.lower()])
        try:
            content = json.loads(body)
            subject = self._subject({**content})
        except (ValueError, KeyError, TypeError) as error:
            raise WebhookRefused(
                "bad_body", f"the webhook is no event of the sandbox: {type(error).__name__}"
            ) from None
        return None if subject is None else ProviderEvent(event_id, at_s, subject)

    def _subject(self, content: Mapping[str, str]) -> EventSubject | None:
        if "charge" in content:
            entry = Entry(
                "charge", content["charge"], int(content["amount"]), "", content["state"], content["code"]
            )
            return ChargeChanged(bytes.fromhex(entry.id), self._charge_result(entry))
        if "dispute" in content:
            state = DisputeState(content["state"])
            return Dispute(
                ref=f"{_REF}dispute_{content['dispute']}",
                charge_ref=_REF + content["dispute"],
                state=state,
                amount_minor=int(content["amount"]),
                fee_minor=0 if state is DisputeState.WON else DISPUTE_FEE_MINOR,
            )
        return None

    async def close(self) -> None:
        self._book.close()


def _first_entry(charge: Charge, card: _Card | None) -> Entry:
    state = ChargeState.DECLINED if card is None or card.state is None else card.state
    code = "" if state is not ChargeState.DECLINED else "no_such_method" if card is None else "card_declined"
    return Entry("charge", charge.id.hex(), charge.amount_minor, charge.currency, state, code=code)


def _refund_result(entry: Entry) -> RefundResult:
    return RefundResult(MoveState(entry.state), _REF + entry.id, failure_code=entry.code)


def _transfer_result(entry: Entry) -> TransferResult:
    return TransferResult(MoveState(entry.state), _REF + entry.id, failure_code=entry.code)
