"""HTTP in: webhooks of the payment provider, and the sandbox's own page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from signaling.config import HttpConfig

__all__ = ["SANDBOX_PATH", "WEBHOOK_PATH", "provider_app"]

WEBHOOK_PATH = "/pay/webhook"
"""Where the provider posts its events."""
SANDBOX_PATH = "/pay/sandbox"
"""Below it a buyer answers what a card of the sandbox asks."""

Take: TypeAlias = Callable[[Mapping[str, str], bytes], Awaitable[int]]
Act: TypeAlias = Callable[[bytes, bool], Awaitable[bool]]


def provider_app(take: Take, config: HttpConfig, *, act: Act | None = None) -> Starlette:
    """The application: `take` gets headers and raw body of a webhook and says the status to answer.

    Only the status is answered: 413 for a body that is too long, 408 for one that does not come in time.
    act: answers for a buyer what his card asks, on the sandbox's own page; for development.
    """

    async def webhook(request: Request) -> Response:
        try:
            async with asyncio.timeout(config.body_ms / 1_000):
                body = await _body(request, config.body_bytes)
        except TimeoutError:
            return Response(status_code=408, headers={"Connection": "close"})
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413, headers={"Connection": "close"})
        return Response(status_code=await take(request.headers, body))

    routes = [Route(WEBHOOK_PATH, webhook, methods=["POST"])]
    if act is not None:
        routes.append(Route(SANDBOX_PATH + "/{charge}", _page_of(act), methods=["GET", "POST"]))
    return Starlette(routes=routes)


async def _body(request: Request, most_bytes: int) -> bytes | None:
    """The body, or None where it is longer; nothing beyond is read."""
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > most_bytes:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


_PAGE = """<!doctype html><title>Sandbox</title><p>The sandbox asks: is this payment yours?
<form method=post><button formaction="?yes">Approve</button> <button formaction="?no">Refuse</button></form>
"""


def _page_of(act: Act) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        if request.method == "GET":
            return Response(_PAGE, media_type="text/html")
        try:
            charge = bytes.fromhex(request.path_params["charge"])
        except ValueError:
            return Response(status_code=404)
        is_answered = await act(charge, request.url.query == "yes")
        return Response("Done.\n" if is_answered else "Nothing is asked.\n", 200 if is_answered else 409)

    return page
