"""HTTP in: webhooks of the payment provider, in the server's process and loop. Off unless it has a port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Generator, Mapping
from typing import TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from signaling.config import ConfigError, HttpConfig

__all__ = ["SANDBOX_PATH", "WEBHOOK_PATH", "HttpDoor", "provider_app"]

WEBHOOK_PATH = "/pay/webhook"
"""Where the provider posts its events."""
SANDBOX_PATH = "/pay/sandbox"
"""Below it a buyer answers what a card of the sandbox asks."""

_GRACE_S = 2
_KEEP_ALIVE_S = 5

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


class _Quiet(uvicorn.Server):
    """uvicorn without hands on the signals of the process, which belong to the application."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpDoor:
    """Serves an application from `start` to `stop`, where the configuration names a port.

    At most `http.at_once` connections are served, others are answered 503. No access log is written:
    addresses and headers stand nowhere.
    """

    def __init__(self, app: Starlette, config: HttpConfig) -> None:
        self._app = app
        self._config = config
        self._socket: socket.socket | None = None
        self._server: _Quiet | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int | None:
        """The port that it listens on, None where it does not."""
        return None if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"http://{host}:{self.port}"

    async def start(self) -> None:
        """Listen, where a port is named. Raises ConfigError (`port_unusable`)."""
        config = self._config
        if config.port is None:
            return
        family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
        try:
            self._socket = socket.create_server((config.host, config.port), family=family)
        except OSError as error:
            raise ConfigError(
                "port_unusable",
                "http.port",
                f"{config.host} port {config.port} cannot be listened on: {error.strerror}; name another",
            ) from error
        self._server = _Quiet(
            uvicorn.Config(
                self._app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=config.at_once,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._task = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Answer what is under way, for two seconds, and close. Stopping twice does nothing."""
        task, self._task = self._task, None
        if self._server is None or task is None:
            return
        self._server.should_exit = True
        await asyncio.wait({task})
        if self._socket is not None:
            self._socket.close()
            self._socket = None
