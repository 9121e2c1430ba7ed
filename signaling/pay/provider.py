"""Provider: what a payment provider is asked and answers, whoever it is. Types only, no provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias

__all__ = [
    "WEBHOOK_TOLERANCE_S",
    "AccountState",
    "Charge",
    "ChargeChanged",
    "ChargeResult",
    "ChargeState",
    "Dispute",
    "DisputeState",
    "EventSubject",
    "MoveState",
    "PayoutAccount",
    "Provider",
    "ProviderError",
    "ProviderEvent",
    "ProviderUnknown",
    "RefundChanged",
    "RefundOrder",
    "RefundResult",
    "Transfer",
    "TransferChanged",
    "TransferResult",
    "WebhookRefused",
]

WEBHOOK_TOLERANCE_S = 300
"""A webhook that was signed longer ago, or so far in the future, is refused."""


class ProviderError(Exception):
    """The root of what a provider raises. Its text holds no key, no card and no body."""


class ProviderUnknown(ProviderError):  # noqa: N818  # a state of knowledge, no fault
    """What became of a call is not known: no answer in time, a cut connection, a status of 5xx.

    **The money may have moved. Ask by `find_charge`, `find_refund` or `find_transfer` until one answers;
    never call `charge`, `refund` or `transfer` under a new id for the same thing.**
    """


class WebhookRefused(ProviderError):  # noqa: N818  # it is the sender's fault
    """A webhook is not to be believed, or is no webhook: answer 400 and do nothing.

    `code`: header_missing, bad_timestamp, too_old, wrong_signature, wrong_mode, bad_body. All but the last
    two are decided before a byte of the body is parsed.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ChargeState(StrEnum):
    """What has become of a charge. SUCCEEDED and DECLINED are ends; an end never changes again.

    UNKNOWN is never answered by a provider: it is for records of a call that raised `ProviderUnknown`.
    """

    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    NEEDS_ACTION = "needs_action"
    PENDING = "pending"
    UNKNOWN = "unknown"


class MoveState(StrEnum):
    """What has become of a refund or transfer. What had succeeded may still fail."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    FAILED = "failed"
    UNKNOWN = "unknown"


class AccountState(StrEnum):
    """Whether money can be paid out to somebody. Only VERIFIED can."""

    NONE = "none"
    PENDING = "pending"
    VERIFIED = "verified"


class DisputeState(StrEnum):
    """A buyer's bank took money back (OPENED), and gave it back (WON) or kept it (LOST)."""

    OPENED = "opened"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Charge:
    """Money to take: `id` is ours, 16 bytes, and the provider's idempotency key.

    currency: three letters of ISO 4217, upper case. method: what the provider's client made of a card.
    """

    id: bytes
    amount_minor: int
    currency: str
    method: str = field(repr=False)
    description: str = ""


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """`ref` is the provider's name of the charge, needed to refund it: keep it with the sale.

    fee_minor: what the provider keeps, None until it says so; ask `find_charge` later. action_url: where the
    buyer goes on NEEDS_ACTION, empty where the provider's client knows. decline_code: its word for why.
    """

    state: ChargeState
    ref: str = ""
    fee_minor: int | None = None
    action_url: str = field(default="", repr=False)
    decline_code: str = ""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """Money to give back of a charge, all or a part. `charge_ref`: the `ref` of the charge's result."""

    id: bytes
    charge: bytes
    charge_ref: str
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class RefundResult:
    """fee_returned_minor: what of its fee the provider gave back; most keep it. failure_code on FAILED."""

    state: MoveState
    ref: str = ""
    fee_returned_minor: int = 0
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Money for a host. `account`: the `ref` of his verified payout account."""

    id: bytes
    amount_minor: int
    currency: str
    account: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class TransferResult:
    """What has become of a transfer. failure_code on FAILED: then no money has moved, or all came back."""

    state: MoveState
    ref: str = ""
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class PayoutAccount:
    """Where money of `user` goes. Keep `ref` with him. `link` finishes what is missing; it soon lapses."""

    user: str
    state: AccountState
    ref: str = ""
    link: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ChargeChanged:
    """`id` is ours. A fee of None says nothing of the fee, not that it is gone: it may be known by now."""

    id: bytes
    result: ChargeResult


@dataclass(frozen=True, slots=True)
class RefundChanged:
    """`id` is ours."""

    id: bytes
    result: RefundResult


@dataclass(frozen=True, slots=True)
class TransferChanged:
    """`id` is ours."""

    id: bytes
    result: TransferResult


@dataclass(frozen=True, slots=True)
class Dispute:
    """A chargeback. `ref` names the dispute, `charge_ref` the charge as `ChargeResult.ref` did.

    amount_minor and fee_minor are what the bank and the provider took; on WON what came back of each. Several
    events may tell of one dispute in one state.
    """

    ref: str
    charge_ref: str
    state: DisputeState
    amount_minor: int
    fee_minor: int = 0


EventSubject: TypeAlias = ChargeChanged | RefundChanged | TransferChanged | Dispute | PayoutAccount


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """Something the provider tells, once or often, in any order. `id` is the same each time: post it once.

    at_s: when it happened, seconds since the epoch by the provider's clock.
    """

    id: str
    at_s: int
    subject: EventSubject


class Provider(Protocol):
    """One payment provider, for one event loop. **Never call it within a transaction of the store.**

    Order: commit the intent, call with our id, commit the result. Every call raises `ProviderUnknown` where
    the outcome is not known and nothing else; what is known to have failed is a result that says so. Calls
    with one id are one act to the provider, however often they are made.

    The `find` verbs tell what the provider has seen of an id, None where it has never seen it, and raise
    `ProviderUnknown` where that cannot be said yet: ask again later. `ref` is the provider's own name where
    it is known; `since_s` is when the intent was made (seconds since the epoch), before which nothing is
    looked for: without it everything is. What arrives after a None is told by an event.
    """

    @property
    def name(self) -> str:
        """Of the ledger's accounts: `clearing:<name>`."""
        ...

    @property
    def is_sandbox(self) -> bool:
        """Whether no real money moves: its sales are marked and never paid out."""
        ...

    async def charge(self, charge: Charge) -> ChargeResult: ...

    async def find_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult | None: ...

    async def cancel_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult:
        """Give up a charge that has not ended: DECLINED then. What had succeeded says so: refund it."""
        ...

    async def refund(self, refund: RefundOrder) -> RefundResult: ...

    async def find_refund(
        self, refund_id: bytes, /, *, charge_ref: str = "", since_s: float = 0.0
    ) -> RefundResult | None:
        """`charge_ref`: of the charge that it is of; with it a refund is quick to find."""
        ...

    async def transfer(self, transfer: Transfer) -> TransferResult: ...

    async def find_transfer(
        self, transfer_id: bytes, /, *, since_s: float = 0.0
    ) -> TransferResult | None: ...

    async def payout_account(self, user: str, ref: str = "") -> PayoutAccount:
        """The payout account of somebody, made where he has none (`ref` empty), with a link to finish it."""
        ...

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> ProviderEvent | None:
        """What a webhook tells, or None where it concerns nothing of ours.

        headers: names in any case. body: raw. now_s: since the epoch. Raises WebhookRefused.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and files."""
        ...
