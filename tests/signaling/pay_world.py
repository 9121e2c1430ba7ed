"""For tests of payment providers: localstripe in its own process, faults before it, a small fake Stripe."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from signaling.pay import Charge
from signaling.pay.stripe import StripeProvider

KEY = "sk_test_51KeyOfTheTests"
WEBHOOK_SECRET = "whsec_c2VjcmV0IG9mIHRoZSB0ZXN0cw"  # noqa: S105  # of nobody
WALL_S = 1_800_000_000.0
# What localstripe makes of these names is what Stripe documents of its test cards.
VISA, DECLINED = "pm_card_visa", "pm_card_chargeCustomerFail"


def an_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def a_charge(number: int = 1, method: str = VISA, amount_minor: int = 1_250) -> Charge:
    return Charge(an_id(number), amount_minor, "USD", method, "a ticket")


@contextmanager
def localstripe() -> Iterator[str]:
    """A real localstripe; yields its URL. It listens on all addresses, so a port is looked for first."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        if process.poll() is not None:
            break
        time.sleep(0.02)  # until another process listens
    raise RuntimeError(f"localstripe did not listen on port {port}; run it by hand to see why")


# Small servers of HTTP


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def values(self) -> dict[str, str]:
        """Query and form, flat: `metadata[spaces_charge]`."""
        return dict(parse_qsl(urlsplit(self.target).query) + parse_qsl(self.body.decode()))

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes


Handler = Callable[[Request], Awaitable[Answer | None]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Answers each request by `handler`, None: the connection is cut. Yields the URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await handler(await _read_request(reader))
            if answer is not None:
                head = f"HTTP/1.1 {answer.status} .\r\nContent-Length: {len(answer.body)}\r\n"
                writer.write(f"{head}Content-Type: application/json\r\nConnection: close\r\n\r\n".encode())
                writer.write(answer.body)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side had enough
        finally:
            writer.close()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(converse(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in set(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


@dataclass
class FaultProxy:
    """Before a provider: each POST takes the next of `faults`, in order; no fault is left alone.

    lost        never arrives, and is never answered
    refused     never arrives, and is answered 503
    500         arrives, and is answered 500
    silent      arrives, and is never answered
    cut         arrives, and the connection is cut
    twice       arrives twice, and the second answer is given

    Like Stripe, and unlike localstripe, it gives the same answer again for the same idempotency key.
    """

    behind: str
    faults: deque[str] = field(default_factory=deque)
    seen: list[Request] = field(default_factory=list)
    arrived: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))  # one each POST behind
    _answers: dict[str, Answer] = field(default_factory=dict)

    async def __call__(self, request: Request) -> Answer | None:
        self.seen.append(request)
        fault = self.faults.popleft() if self.faults and request.method == "POST" else ""
        if fault == "lost":
            await asyncio.Event().wait()
        if fault == "refused":
            return Answer(503, b"{}")
        answer = await self._forward(request)
        if fault == "twice":
            answer = await self._forward(request)
        if fault == "silent":
            await asyncio.Event().wait()
        if fault == "500":
            return Answer(500, b'{"error": {"type": "api_error", "message": "it happened nevertheless"}}')
        return None if fault == "cut" else answer

    async def _forward(self, request: Request) -> Answer:
        if request.key in self._answers:
            return self._answers[request.key]
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            wanted = ("authorization", "content-type")
            headers = {name: value for name, value in request.headers.items() if name in wanted}
            given = await client.request(
                request.method, self.behind + request.target, content=request.body, headers=headers
            )
        answer = Answer(given.status_code, given.content)
        if request.key:
            self._answers[request.key] = answer
            self.arrived.release()
        return answer


class FakeStripe:
    """What localstripe lacks, in the shapes that docs.stripe.com/api shows: accounts, links, transfers.

    `refusals`: what the next POSTs are answered with instead, as (status, error).
    """

    def __init__(self) -> None:
        self.seen: list[Request] = []
        self.refusals: deque[tuple[int, dict[str, Any]]] = deque()
        self.account: dict[str, Any] = {"id": "acct_platform", "object": "account", "default_currency": "usd"}
        self.account_refusal: tuple[int, dict[str, Any]] | None = None
        self.accounts: dict[str, dict[str, Any]] = {}
        self.transfers: list[dict[str, Any]] = []
        self._answers: dict[str, tuple[bytes, Answer]] = {}

    async def __call__(self, request: Request) -> Answer:
        self.seen.append(request)
        if request.key in self._answers:
            body, answer = self._answers[request.key]
            if body != request.body:
                return _answer(400, {"error": {"type": "idempotency_error", "message": "other parameters"}})
            return answer
        if request.method == "POST" and self.refusals:
            status, error = self.refusals.popleft()
            answer = _answer(status, {"error": error})
        else:
            answer = self._answer(request)
        if request.key and answer.status < 500:
            self._answers[request.key] = (request.body, answer)
        return answer

    def _answer(self, request: Request) -> Answer:
        if self.account_refusal and request.path == "/v1/account":
            return _answer(self.account_refusal[0], {"error": self.account_refusal[1]})
        shape = self._shape(request)
        if shape is None:
            return _answer(404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}})
        return _answer(200, shape)

    def _shape(self, request: Request) -> dict[str, Any] | None:
        values, shape = request.values, None
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", ["account"]:
                shape = self.account
            case "POST", ["accounts"]:
                shape = an_account(f"acct_{len(self.accounts)}", values["metadata[spaces_user]"])
                self.accounts[shape["id"]] = shape
            case "GET", ["accounts", name]:
                shape = self.accounts.get(name)
            case "POST", ["account_links"]:
                url = f"https://connect.stripe.com/setup/{values['account']}"
                shape = {"object": "account_link", "created": 1, "expires_at": 2, "url": url}
            case "POST", ["transfers"]:
                shape = a_transfer(f"tr_{len(self.transfers)}", values)
                self.transfers.insert(0, shape)
            case "GET", ["transfers"]:
                found = [
                    each for each in self.transfers if each["transfer_group"] == values["transfer_group"]
                ]
                shape = {"object": "list", "url": "/v1/transfers", "has_more": False, "data": found}
        return shape


def _answer(status: int, shape: Mapping[str, Any]) -> Answer:
    return Answer(status, json.dumps(shape).encode())


# Stripe's objects, as documented


def an_account(name: str, user: str, *, verified: bool = False) -> dict[str, Any]:
    return {
        "id": name,
        "object": "account",
        "type": "express",
        "capabilities": {"transfers": "active" if verified else "inactive"},
        "charges_enabled": False,
        "payouts_enabled": verified,
        "details_submitted": verified,
        "default_currency": "usd",
        "metadata": {"spaces_user": user},
    }


def a_transfer(name: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": name,
        "object": "transfer",
        "amount": int(values["amount"]),
        "amount_reversed": 0,
        "balance_transaction": "txn_1",
        "created": int(WALL_S),
        "currency": values["currency"],
        "destination": values["destination"],
        "livemode": False,
        "metadata": {"spaces_transfer": values["metadata[spaces_transfer]"]},
        "reversed": False,
        "transfer_group": values["transfer_group"],
    }


def an_intent(number: int, status: str = "succeeded", **others: Any) -> dict[str, Any]:
    return {
        "id": f"pi_{number}",
        "object": "payment_intent",
        "amount": 1_250,
        "created": int(WALL_S),
        "currency": "usd",
        "latest_charge": f"ch_{number}",
        "last_payment_error": None,
        "livemode": False,
        "metadata": {"spaces_charge": an_id(number).hex()},
        "next_action": None,
        "status": status,
        **others,
    }


def a_dispute(number: int, status: str) -> dict[str, Any]:
    return {
        "id": f"dp_{number}",
        "object": "dispute",
        "amount": 1_250,
        "balance_transactions": [
            {"id": "txn_2", "object": "balance_transaction", "amount": -1_250, "fee": 1_500, "net": -2_750}
        ],
        "charge": f"ch_{number}",
        "currency": "usd",
        "livemode": False,
        "payment_intent": f"pi_{number}",
        "reason": "fraudulent",
        "status": status,
    }


def an_event(kind: str, shape: Mapping[str, Any], number: int = 1, *, livemode: bool = False) -> bytes:
    event = {
        "id": f"evt_{number}",
        "object": "event",
        "api_version": "2026-01-01",
        "created": int(WALL_S),
        "data": {"object": shape},
        "livemode": livemode,
        "type": kind,
    }
    return json.dumps(event).encode()


def signed(body: bytes, at_s: float = WALL_S, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    """The header as docs.stripe.com/webhooks describes it, computed without Stripe's library."""
    mac = hmac.new(secret.encode(), f"{int(at_s)}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={int(at_s)},v1={mac},v0={'0' * 64}"}


@asynccontextmanager
async def provider_at(
    url: str, *, timeout_s: float = 20.0, return_url: str = "", wall_s: Callable[[], float] = time.time
) -> AsyncIterator[StripeProvider]:
    provider = StripeProvider(
        KEY, WEBHOOK_SECRET, api_base=url, timeout_s=timeout_s, return_url=return_url, wall_s=wall_s
    )
    try:
        yield provider
    finally:
        await provider.close()
