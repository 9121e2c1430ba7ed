"""Stripe, through its official library: payment intents, refunds, Connect transfers, signed webhooks."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qs

import stripe

from signaling.pay.provider import (
    Charge,
    ChargeResult,
    ChargeState,
    MoveState,
    PayoutAccount,
    ProviderError,
    ProviderEvent,
    ProviderUnknown,
    RefundOrder,
    RefundResult,
    Transfer,
    TransferResult,
)
from signaling.pay.stripe_objects import (
    CHARGE_KEY,
    REFUND_KEY,
    TRANSFER_KEY,
    USER_KEY,
    account_of,
    charge_result,
    is_named,
    refund_result,
    transfer_result,
)
from signaling.pay.stripe_webhooks import read_event

__all__ = ["FIND_MAX", "SETTLED_S", "StripeProvider"]

log = logging.getLogger(__name__)

FIND_MAX = 5_000
"""So many objects are looked through for one of ours; then what became of it is not known yet."""
SETTLED_S = 90
"""What was not seen so long after its intent was made is never seen: calls of ours end well before."""

_PAGE = 100
_SKEW_S = 300
_WITH_FEE = "latest_charge.balance_transaction"
_T = TypeVar("_T")
Shape = Mapping[str, Any]


class _Refused(ProviderError):  # noqa: N818  # it is an answer
    """Stripe said no: no money has moved. `code` is its word, `ref` the payment intent that failed."""

    def __init__(self, code: str, ref: str) -> None:
        super().__init__(f"Stripe refused: {code}")
        self.code = code
        self.ref = ref


class _HttpClient(stripe.HTTPXClient):
    """The library's, but giving httpx a form where it takes one: of text it warns at each call."""

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        form = parse_qs(post_data, keep_blank_values=True) if isinstance(post_data, str) else post_data
        return await super().request_async(method, url, headers, form)


class StripeProvider:
    """For one account of Stripe. Our ids are its idempotency keys and stand in its metadata.

    key: the secret or restricted key; whether it is a live one decides which webhooks are believed.
    return_url: where buyers and hosts are sent back to; empty: they are sent nowhere, so cards that ask for
    something have no `action_url`. api_base: another address than Stripe's, for tests. wall_s: seconds since
    the epoch. timeout_s bounds each call; nothing is repeated on its own, also not by the library.
    """

    name = "stripe"
    is_sandbox = False

    def __init__(
        self,
        key: str,
        webhook_secret: str,
        *,
        return_url: str = "",
        api_base: str = "",
        timeout_s: float = 30.0,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        # The library writes bodies of answers into its log, client secrets among them.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._http = _HttpClient(timeout=timeout_s)
        client = stripe.StripeClient(
            key,
            max_network_retries=0,
            http_client=self._http,
            base_addresses={"api": api_base} if api_base else {},
        )
        self._api = client.v1
        self._is_live = "_live_" in key
        self._webhook_secret = webhook_secret
        self._return_url = return_url
        self._timeout_s = timeout_s
        self._wall_s = wall_s

    def __repr__(self) -> str:
        return f"<StripeProvider {'live' if self._is_live else 'test'}>"

    async def default_currency(self) -> str:
        """The currency that the account settles in, three capitals: what is sold must be in it.

        Raises ProviderUnknown where Stripe cannot be reached, ProviderError where it refuses the key.
        """
        account = await self._call(self._api.accounts.retrieve_current_async())
        return _read(lambda shape: str(shape["default_currency"]).upper(), account)

    # Charges

    async def charge(self, charge: Charge) -> ChargeResult:
        params: dict[str, Any] = {
            "amount": charge.amount_minor,
            "currency": charge.currency.lower(),
            "payment_method": charge.method,
            "payment_method_types": ["card"],
            "capture_method": "automatic",
            "confirm": True,
            "metadata": {CHARGE_KEY: charge.id.hex(), "description": charge.description},
            "expand": [_WITH_FEE],
        }
        if self._return_url:
            params["return_url"] = self._return_url
        try:
            intent = await self._call(
                self._api.payment_intents.create_async(params, _once(charge.id))  # type: ignore[arg-type]
            )
        except _Refused as refusal:
            return ChargeResult(ChargeState.DECLINED, ref=refusal.ref, decline_code=refusal.code)
        return _read(charge_result, intent)

    async def find_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult | None:
        intent = await self._find_intent(charge_id, ref, since_s)
        return None if intent is None else _read(charge_result, intent)

    async def cancel_charge(
        self, charge_id: bytes, /, *, ref: str = "", since_s: float = 0.0
    ) -> ChargeResult:
        intent = await self._find_intent(charge_id, ref, since_s)
        if intent is None:
            return ChargeResult(ChargeState.DECLINED, decline_code="cancelled")
        if intent["status"] in ("succeeded", "canceled"):
            return _read(charge_result, intent)
        try:
            return _read(
                charge_result, await self._call(self._api.payment_intents.cancel_async(intent["id"]))
            )
        except _Refused:  # it ended meanwhile
            return _read(charge_result, await self._intent(intent["id"]))

    async def _find_intent(self, charge_id: bytes, ref: str, since_s: float) -> Shape | None:
        if not ref:
            return await self._find(
                *(self._api.payment_intents.list_async, CHARGE_KEY, charge_id, since_s),
                {"expand": [f"data.{_WITH_FEE}"]},
            )
        intent = await self._intent(ref)
        if not is_named(intent, CHARGE_KEY, charge_id):
            raise ProviderUnknown(f"{ref} is not charge {charge_id.hex()}; ask without it")
        return intent

    async def _intent(self, ref: str) -> Shape:
        try:
            return await self._call(self._api.payment_intents.retrieve_async(ref, {"expand": [_WITH_FEE]}))
        except _Refused as refusal:
            raise ProviderUnknown(f"Stripe does not show {ref}: {refusal.code}") from None

    # Refunds, transfers, accounts

    async def refund(self, refund: RefundOrder) -> RefundResult:
        try:
            made = await self._call(
                self._api.refunds.create_async(
                    {
                        "payment_intent": refund.charge_ref,
                        "amount": refund.amount_minor,
                        "metadata": {REFUND_KEY: refund.id.hex(), CHARGE_KEY: refund.charge.hex()},
                        "expand": ["balance_transaction"],
                    },
                    _once(refund.id),
                )
            )
        except _Refused as refusal:
            return RefundResult(MoveState.FAILED, failure_code=refusal.code)
        return _read(refund_result, made)

    async def find_refund(
        self, refund_id: bytes, /, *, charge_ref: str = "", since_s: float = 0.0
    ) -> RefundResult | None:
        of_charge = {"payment_intent": charge_ref} if charge_ref else {}
        found = await self._find(
            *(self._api.refunds.list_async, REFUND_KEY, refund_id, since_s),
            {"expand": ["data.balance_transaction"], **of_charge},
        )
        return None if found is None else _read(refund_result, found)

    async def transfer(self, transfer: Transfer) -> TransferResult:
        name = transfer.id.hex()
        try:
            made = await self._call(
                self._api.transfers.create_async(
                    {
                        "amount": transfer.amount_minor,
                        "currency": transfer.currency.lower(),
                        "destination": transfer.account,
                        "description": transfer.description,
                        "metadata": {TRANSFER_KEY: name},
                        "transfer_group": name,
                    },
                    _once(transfer.id),
                )
            )
        except _Refused as refusal:
            return TransferResult(MoveState.FAILED, failure_code=refusal.code)
        return _read(transfer_result, made)

    async def find_transfer(self, transfer_id: bytes, /, *, since_s: float = 0.0) -> TransferResult | None:
        found = await self._find(
            *(self._api.transfers.list_async, TRANSFER_KEY, transfer_id, since_s),
            {"transfer_group": transfer_id.hex()},
        )
        return None if found is None else _read(transfer_result, found)

    async def payout_account(self, user: str, ref: str = "") -> PayoutAccount:
        try:
            if ref:
                account = await self._call(self._api.accounts.retrieve_async(ref))
            else:
                once = "account-" + hashlib.sha256(user.encode()).hexdigest()
                account = await self._call(
                    self._api.accounts.create_async(
                        {
                            "type": "express",
                            "capabilities": {"transfers": {"requested": True}},
                            "metadata": {USER_KEY: user},
                        },
                        {"idempotency_key": once},
                    )
                )
            found = _read(lambda shape: account_of(shape, user), account)
            if not self._return_url or found.state == "verified":
                return found
            link = await self._call(
                self._api.account_links.create_async(
                    {
                        "account": found.ref,
                        "refresh_url": self._return_url,
                        "return_url": self._return_url,
                        "type": "account_onboarding",
                    }
                )
            )
        except _Refused as refusal:
            raise ProviderUnknown(f"Stripe tells nothing of the payout account: {refusal.code}") from None
        return replace(found, link=_read(lambda shape: str(shape["url"]), link))

    def read_webhook(self, headers: Mapping[str, str], body: bytes, now_s: float) -> ProviderEvent | None:
        return read_event(headers, body, now_s, secret=self._webhook_secret, is_live=self._is_live)

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call]  # theirs

    # Calls

    async def _call(self, call: Awaitable[Any]) -> Shape:
        """Await a call within the time there is. Raises _Refused or ProviderUnknown, both without secrets."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call
        except TimeoutError:
            raise ProviderUnknown(f"Stripe did not answer within {self._timeout_s} s") from None
        except stripe.StripeError as error:
            raise _meaning_of(error) from None
        return _read(_shape_of, answer)

    async def _find(
        self,
        listing: Callable[..., Awaitable[Any]],
        key: str,
        name: bytes,
        since_s: float,
        params: Mapping[str, Any],
    ) -> Shape | None:
        """The object that carries our id, or None once it is sure that there is none."""
        seen = 0
        async for shape in self._newest_first(listing, since_s, params):
            if is_named(shape, key, name):
                return shape
            seen += 1
            if seen >= FIND_MAX:
                raise ProviderUnknown(
                    f"{name.hex()} is not among {seen} of Stripe's, and {FIND_MAX} is the limit"
                )
        if self._wall_s() - since_s < SETTLED_S:
            raise ProviderUnknown(f"Stripe may see {name.hex()} yet; ask {SETTLED_S} s after it was made")
        return None

    async def _newest_first(
        self, listing: Callable[..., Awaitable[Any]], since_s: float, params: Mapping[str, Any]
    ) -> AsyncIterator[Shape]:
        params = {**params, "limit": _PAGE}
        while True:
            try:
                page = _read(_page_of, await self._call(listing(params)))
            except _Refused as refusal:
                raise ProviderUnknown(f"Stripe lists nothing: {refusal.code}") from None
            for shape in page.shapes:
                yield shape
            if not page.has_more or page.until_s < since_s - _SKEW_S:
                return
            params = {**params, "starting_after": page.last}


class _Page(NamedTuple):
    """Some of a list, the newest first; `last` and `until_s` are of its last one."""

    shapes: list[Shape]
    has_more: bool
    last: str
    until_s: int


def _page_of(page: Shape) -> _Page:
    shapes = page["data"]
    if not shapes:
        return _Page([], has_more=False, last="", until_s=0)
    return _Page(shapes, page["has_more"], shapes[-1]["id"], shapes[-1]["created"])


def _shape_of(answer: Any) -> Shape:
    shape: dict[str, Any] = answer.to_dict()
    return shape


def _read(reader: Callable[[Any], _T], shape: Any) -> _T:
    """What a reader makes of an answer. ProviderUnknown where it has not the documented shape."""
    try:
        return reader(shape)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProviderUnknown(
            f"Stripe's answer has not the documented shape: {type(error).__name__}"
        ) from None


def _once(name: bytes) -> stripe.RequestOptions:
    return {"idempotency_key": name.hex()}


def _meaning_of(error: stripe.StripeError) -> ProviderError:
    """Whether Stripe said no or nothing is known. Of its own text, which may name cards, nothing is kept."""
    status = error.http_status or 0
    # By the library these are 400 to 404. Its other kinds, of 409, 429 and 5xx among them, leave it open.
    said_no = (
        stripe.CardError | stripe.InvalidRequestError | stripe.AuthenticationError | stripe.PermissionError
    )
    if not isinstance(error, said_no):
        return ProviderUnknown(f"Stripe's answer is {type(error).__name__}, status {status}")
    body = error.json_body if isinstance(error.json_body, Mapping) else {}
    details = body.get("error")
    details = details if isinstance(details, Mapping) else {}
    code = details.get("decline_code") or details.get("code") or type(error).__name__
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        log.error("Stripe refuses the key of this server: status %d", status)
    intent = details.get("payment_intent")
    return _Refused(str(code), str(intent.get("id", "")) if isinstance(intent, Mapping) else "")
