"""Stripe's objects, as its API documents them, read into our words. Pure: no call is made here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from signaling.pay.provider import (
    AccountState,
    ChargeChanged,
    ChargeResult,
    ChargeState,
    Dispute,
    DisputeState,
    EventSubject,
    MoveState,
    PayoutAccount,
    RefundChanged,
    RefundResult,
    TransferChanged,
    TransferResult,
)

__all__ = [
    "CHARGE_KEY",
    "REFUND_KEY",
    "TRANSFER_KEY",
    "USER_KEY",
    "account_of",
    "charge_result",
    "is_named",
    "refund_result",
    "subject_of",
    "transfer_result",
]

log = logging.getLogger(__name__)

# The names under which our ids stand in the metadata of Stripe's objects.
CHARGE_KEY = "spaces_charge"
REFUND_KEY = "spaces_refund"
TRANSFER_KEY = "spaces_transfer"
USER_KEY = "spaces_user"
_ID_BYTES = 16

Shape = Mapping[str, Any]

_CHARGE_STATES: Mapping[str, ChargeState] = {
    "succeeded": ChargeState.SUCCEEDED,
    "processing": ChargeState.PENDING,
    "requires_capture": ChargeState.PENDING,
    "requires_confirmation": ChargeState.PENDING,
    "requires_action": ChargeState.NEEDS_ACTION,
    # It was confirmed when it was made: that it wants another method says that this one was declined.
    "requires_payment_method": ChargeState.DECLINED,
    "canceled": ChargeState.DECLINED,
}
_REFUND_STATES: Mapping[str, MoveState] = {
    "succeeded": MoveState.SUCCEEDED,
    "pending": MoveState.PENDING,
    "requires_action": MoveState.PENDING,
    "failed": MoveState.FAILED,
    "canceled": MoveState.FAILED,
}
# An inquiry (warning_…) moves no money, so it is no dispute to us.
_DISPUTE_STATES: Mapping[str, DisputeState] = {
    "needs_response": DisputeState.OPENED,
    "under_review": DisputeState.OPENED,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
}


def is_named(shape: Shape, key: str, name: bytes) -> bool:
    """Whether an object carries this id of ours."""
    return bool(_named(shape, key) == name)


def charge_result(intent: Shape) -> ChargeResult:
    """Of a payment intent. The fee is there where the transaction of its latest charge is expanded."""
    state = _CHARGE_STATES.get(intent["status"], ChargeState.PENDING)
    error = intent.get("last_payment_error") or {}
    code = ""
    if state is ChargeState.DECLINED:
        canceled = intent["status"] == "canceled"
        code = "cancelled" if canceled else error.get("decline_code") or error.get("code") or "declined"
    return ChargeResult(
        state,
        ref=intent["id"],
        fee_minor=_fee_of(intent) if state is ChargeState.SUCCEEDED else None,
        action_url=_action_url(intent) if state is ChargeState.NEEDS_ACTION else "",
        decline_code=code,
    )


def _fee_of(intent: Shape) -> int | None:
    charge = intent.get("latest_charge")
    booked = charge.get("balance_transaction") if isinstance(charge, Mapping) else None
    if not isinstance(booked, Mapping):
        return None
    if booked["currency"] != intent["currency"]:
        log.error("the fee of %s is in %s, not in the currency sold in", intent["id"], booked["currency"])
        return None
    return int(booked["fee"])


def _action_url(intent: Shape) -> str:
    action = intent.get("next_action") or {}
    return str((action.get("redirect_to_url") or {}).get("url") or "")


def refund_result(refund: Shape) -> RefundResult:
    """Of a refund; what came back of the fee is there where its transaction is expanded."""
    booked = refund.get("balance_transaction")
    fee_minor = int(booked["fee"]) if isinstance(booked, Mapping) else 0
    return RefundResult(
        _REFUND_STATES.get(refund["status"], MoveState.PENDING),
        ref=refund["id"],
        fee_returned_minor=max(0, -fee_minor),
        failure_code=refund.get("failure_reason") or "",
    )


def transfer_result(transfer: Shape) -> TransferResult:
    """Of a transfer: it is made at once or not at all, and may be reversed as a whole."""
    if transfer.get("reversed"):
        return TransferResult(MoveState.FAILED, ref=transfer["id"], failure_code="reversed")
    return TransferResult(MoveState.SUCCEEDED, ref=transfer["id"])


def account_of(account: Shape, user: str) -> PayoutAccount:
    """Of a connected account: verified once transfers reach it and its own payouts are enabled."""
    transfers = (account.get("capabilities") or {}).get("transfers")
    is_verified = transfers == "active" and bool(account.get("payouts_enabled"))
    state = AccountState.VERIFIED if is_verified else AccountState.PENDING
    return PayoutAccount(user, state, ref=account["id"])


# Events


def subject_of(kind: str, shape: Shape) -> EventSubject | None:
    """What an event of this type says of its object; None where it concerns nothing of ours.

    Raises KeyError, TypeError and ValueError for what has not the documented shape.
    """
    read = _READERS.get(kind)
    return None if read is None else read(shape)


def _of_intent(intent: Shape) -> EventSubject | None:
    name = _named(intent, CHARGE_KEY)
    return None if name is None else ChargeChanged(name, charge_result(intent))


def _of_charge(charge: Shape) -> EventSubject | None:
    # A charge carries the metadata of its intent; sent again once the fee is booked.
    name = _named(charge, CHARGE_KEY)
    if name is None or charge.get("status") != "succeeded" or not charge.get("payment_intent"):
        return None
    intent = {"id": charge["payment_intent"], "status": "succeeded", "currency": charge["currency"]}
    return ChargeChanged(name, charge_result({**intent, "latest_charge": charge}))


def _of_refund(refund: Shape) -> EventSubject | None:
    name = _named(refund, REFUND_KEY)
    if name is None:
        log.warning("refund %s was not made by this server; its money is not in the books", refund["id"])
        return None
    return RefundChanged(name, refund_result(refund))


def _of_transfer(transfer: Shape) -> EventSubject | None:
    name = _named(transfer, TRANSFER_KEY)
    return None if name is None else TransferChanged(name, transfer_result(transfer))


def _of_dispute(dispute: Shape) -> EventSubject | None:
    # Several events tell of one dispute, the first perhaps before its money has moved: it says nothing yet.
    state = _DISPUTE_STATES.get(dispute["status"])
    if state is None or not dispute.get("payment_intent"):
        return None
    sign = 1 if state is DisputeState.WON else -1
    moved = [each for each in dispute.get("balance_transactions") or () if each["amount"] * sign > 0]
    if not moved and state is not DisputeState.LOST:
        return None
    amount_minor = sum(abs(int(each["amount"])) for each in moved)
    fee_minor = sum(int(each["fee"]) for each in moved) * -sign
    return Dispute(
        ref=dispute["id"],
        charge_ref=dispute["payment_intent"],
        state=state,
        amount_minor=amount_minor or int(dispute["amount"]),
        fee_minor=max(0, fee_minor),
    )


def _of_account(account: Shape) -> EventSubject | None:
    user = (account.get("metadata") or {}).get(USER_KEY)
    return account_of(account, user) if user else None


_READERS: Mapping[str, Callable[[Shape], EventSubject | None]] = {
    **dict.fromkeys(
        (
            "payment_intent.succeeded",
            "payment_intent.payment_failed",
            "payment_intent.processing",
            "payment_intent.requires_action",
            "payment_intent.canceled",
        ),
        _of_intent,
    ),
    **dict.fromkeys(("charge.succeeded", "charge.updated"), _of_charge),
    **dict.fromkeys(
        ("refund.created", "refund.updated", "refund.failed", "charge.refund.updated"), _of_refund
    ),
    **dict.fromkeys(("transfer.created", "transfer.updated", "transfer.reversed"), _of_transfer),
    **dict.fromkeys(
        (
            "charge.dispute.created",
            "charge.dispute.updated",
            "charge.dispute.closed",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.funds_reinstated",
        ),
        _of_dispute,
    ),
    "account.updated": _of_account,
}


def _named(shape: Shape, key: str) -> bytes | None:
    """Our id, 16 bytes, or None where somebody else made the object."""
    text = (shape.get("metadata") or {}).get(key)
    try:
        name = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return name if len(name) == _ID_BYTES else None
