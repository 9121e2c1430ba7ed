"""What the admin port answers: is it alive, is it ready, metrics for Prometheus, the whole state as JSON."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final, TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from signaling.http.metrics import Metrics
from signaling.http.readings import Health, Reading

__all__ = ["READING_KEPT_S", "admin_app"]

READING_KEPT_S: Final = 0.5
"""So long one reading of the server is told to all who ask: who asks more often costs next to nothing."""

_HERE: Final = ("127.0.0.1", "localhost", "[::1]")

Page: TypeAlias = Callable[[Request], Awaitable[Response]]


def admin_app(
    look: Callable[[], Health],
    take: Callable[[], Reading],
    *,
    token: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """The application. `take` reads the server, `look` only how it is; by `clock` (seconds) readings age.

    With a token, `/metrics` and `/status` ask for it: 401. Without one, whoever asks must mean this machine
    by its address, so that no page in a browser here can ask in the name of its own host: 421.
    """
    pages = _Pages(look, take, clock)

    def guarded(page: Page, *, for_all: bool = False) -> Page:
        async def answer(request: Request) -> Response:
            if token and not for_all and not _has(token, request):
                return _sentence("the token of this port is needed", 401, {"WWW-Authenticate": "Bearer"})
            if not token and _host_of(request) not in _HERE:
                return _sentence("this port answers to 127.0.0.1 and localhost", 421)
            return await page(request)

        return answer

    return Starlette(
        routes=[
            Route("/healthz", guarded(pages.health, for_all=True)),
            Route("/readyz", guarded(pages.ready, for_all=True)),
            Route("/metrics", guarded(pages.metrics)),
            Route("/status", guarded(pages.status)),
        ]
    )


class _Pages:
    def __init__(
        self, look: Callable[[], Health], take: Callable[[], Reading], clock: Callable[[], float]
    ) -> None:
        self._look = look
        self._take = take
        self._clock = clock
        self._kept: tuple[float, Reading] | None = None
        self._metrics = Metrics()

    async def health(self, request: Request) -> Response:
        """Whether it does its work at all; if not, it should be started anew."""
        fault = self._look().fault
        return _sentence(fault or "alive", 503 if fault else 200)

    async def ready(self, request: Request) -> Response:
        """Whether people may be sent here."""
        health = self._look()
        return _sentence(health.why or "ready", 200 if health.ready else 503)

    async def metrics(self, request: Request) -> Response:
        """In the format that the scraper asks for."""
        body, content_type = self._metrics.page(self._reading(), request.headers.get("accept", ""))
        return Response(body, headers={"Content-Type": content_type})

    async def status(self, request: Request) -> Response:
        """Everything, for programs: `spaces top` is one."""
        reading = asdict(self._reading())
        health = reading.pop("health")
        return JSONResponse({"ready": self._look().ready, **health, **reading})

    def _reading(self) -> Reading:
        now_s = self._clock()
        if self._kept is None or not 0 <= now_s - self._kept[0] < READING_KEPT_S:
            self._kept = (now_s, self._take())
        return self._kept[1]


def _has(token: str, request: Request) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode())


def _host_of(request: Request) -> str:
    """The host that whoever asks means, without its port."""
    host = request.headers.get("host", "")
    return host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0].lower()


def _sentence(text: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text + "\n", status, headers)
