"""Webhooks: posts what waits in the outbox to its receivers, signed, until each has it or it is too old."""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from signaling.config import WebhooksConfig
from signaling.http.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from signaling.store import Store, StoreError, outbox
from signaling.store.outbox import Outgoing

__all__ = ["ANSWER_BYTES", "WebhookCounts", "Webhooks", "receiver_of"]

log = logging.getLogger(__name__)

ANSWER_BYTES = 16_384
"""So much of an answer is read, for the sake of the connection; it says nothing but its status."""

_SECOND_US = 1_000_000
_MS_US = 1_000
_STORE_PAUSE_S = 1.0
# After so many events of one Space others get their turn.
_TURN_EVENTS = 20
# An attempt further on does not double the pause any more: it is at its longest long before.
_DOUBLINGS_MAX = 20
_HUSHED: set[str] = set()


class WebhookCounts(Protocol):
    """Where it is counted what became of them."""

    webhooks_sent: int
    webhooks_failed: int
    webhooks_expired: int


def receiver_of(url: str) -> str:
    """The name of a receiver's outbox: it tells nothing of the URL, and stays the same over restarts."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


class Webhooks:
    """Sends from `start` to `close`. **In order within a Space: the next event waits for the one before.**

    At least once: an event leaves the outbox when a receiver has answered with a status of 2xx. Anything else
    is a failure, redirects and silence too, and tried again after a pause that doubles, with jitter from
    `random`, so that many Spaces do not come back at once. wall_s: seconds since the epoch.

    URLs, secret and bodies stand in no log line and no error.
    """

    def __init__(
        self,
        store: Store,
        config: WebhooksConfig,
        secret: bytes,
        counts: WebhookCounts,
        *,
        wall_s: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._config = config
        self._secret = secret
        self._counts = counts
        self._wall_s = wall_s
        self._random = random
        self._client: httpx.AsyncClient | None = None
        self._lines = [_Line(self, url) for url in config.urls]
        self._tasks: list[asyncio.Task[None]] = []
        self._posts: set[asyncio.Task[str | None]] = set()
        self._closing = asyncio.Event()

    @property
    def receivers(self) -> Sequence[str]:
        """The names of the outboxes that are emptied here."""
        return [line.receiver for line in self._lines]

    def start(self) -> None:
        """Send what waits, and what will."""
        _hush(self._config.urls)
        timeout_s = self._config.timeout_ms / 1_000
        # No redirects, no proxy from the environment: what is posted goes where the configuration says.
        self._client = httpx.AsyncClient(timeout=timeout_s, follow_redirects=False, trust_env=False)
        self._tasks = [asyncio.ensure_future(line.run()) for line in self._lines]

    def wake(self, space: bytes) -> None:
        """Something of this Space was put into the outbox."""
        for line in self._lines:
            line.wake(space)

    async def close(self) -> None:
        """Give up what is on its way, which is sent again at the next start, and end what is being recorded.

        No task is cancelled within a transaction: that would leave the database locked.
        """
        self._closing.set()
        for post in self._posts:
            post.cancel()
        for line in self._lines:
            line.stir()
        tasks, self._tasks = self._tasks, []
        if tasks:
            await asyncio.wait(tasks)
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    # For the lines

    @property
    def is_closing(self) -> bool:
        """Whether nothing more is to be sent."""
        return self._closing.is_set()

    async def pause(self, pause_s: float) -> None:
        """Wait for so long, or until there is nothing more to do."""
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._closing.wait()

    @property
    def at_once(self) -> int:
        """How many posts to one receiver may be under way."""
        return self._config.at_once

    def now_us(self) -> int:
        """Microseconds since the epoch."""
        return int(self._wall_s() * _SECOND_US)

    async def waiting(self, receiver: str) -> dict[bytes, int]:
        """The Spaces of which an earlier run left something, and when to send it."""
        async with self._store.transaction() as connection:
            return await outbox.waiting(connection, receiver=receiver)

    async def first(self, space: bytes, receiver: str) -> Outgoing | None:
        """The event of a Space that is next, or None."""
        async with self._store.transaction() as connection:
            return await outbox.first(connection, space, receiver=receiver)

    async def deliver(self, url: str, event: Outgoing) -> Outgoing | int | None:
        """One attempt, and the record of what came of it.

        Returns the next event of the Space, None where there is none, or when to come back (µs).
        """
        post = asyncio.ensure_future(self._post(url, event))
        self._posts.add(post)
        await asyncio.wait({post})
        self._posts.discard(post)
        if post.cancelled():
            return None
        failure = post.result()
        if failure is None:
            self._counts.webhooks_sent += 1
            return await self._done(event)
        self._counts.webhooks_failed += 1
        now_us = self.now_us()
        if now_us - event.made_us >= self._config.keep_s * _SECOND_US:
            self._counts.webhooks_expired += 1
            log.error("webhook %s to %s is given up: %s", event.event_id, _shown(url), failure)
            return await self._done(event)
        pause_us = self._pause_us(event.attempts)
        log.warning(
            "webhook %s to %s failed: %s; again in %.1f s",
            *(event.event_id, _shown(url), failure, pause_us / _SECOND_US),
        )
        async with self._store.transaction() as connection:
            await outbox.put_off(connection, event, now_us + pause_us)
        return now_us + pause_us

    async def _done(self, event: Outgoing) -> Outgoing | None:
        async with self._store.transaction() as connection:
            await outbox.acknowledge(connection, event)
            return await outbox.first(connection, event.space, receiver=event.receiver)

    def _pause_us(self, attempts: int) -> int:
        """Between half and all of a time that doubles with each attempt, up to the longest."""
        doubled_ms = self._config.retry_ms << min(attempts, _DOUBLINGS_MAX)
        return int(min(doubled_ms, self._config.retry_most_ms) * _MS_US * self._random.uniform(0.5, 1.0))

    async def _post(self, url: str, event: Outgoing) -> str | None:
        """None if the receiver has it, else what was wrong in words without secrets."""
        if self._client is None:
            return "the server stops"
        timestamp_s = int(self._wall_s())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "spacecore",
            ID_HEADER: event.event_id,
            TIMESTAMP_HEADER: str(timestamp_s),
            SIGNATURE_HEADER: sign(self._secret, event.event_id, timestamp_s, event.body),
        }
        try:
            # httpx bounds each step; this bounds them together: a receiver may drip bytes for ever.
            async with asyncio.timeout(self._config.timeout_ms / 1_000):
                request = self._client.stream("POST", url, content=event.body, headers=headers)
                async with request as response:
                    status = response.status_code
                    read = 0
                    async for chunk in response.aiter_raw():
                        read += len(chunk)
                        if read > ANSWER_BYTES:
                            break
        except TimeoutError:
            return f"no answer within {self._config.timeout_ms} ms"
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__  # its text may name the URL
        if 300 <= status < 400:
            return f"it answered {status}, a redirect, which is not followed; name the last address"
        return None if 200 <= status < 300 else f"it answered {status}"


class _Line:
    """The way to one receiver: as many posts at once as allowed, one at a time for each Space.

    Which Spaces wait, and until when, is known here from the start on; the outbox is asked for one Space at a
    time, so that a receiver who is far behind makes nobody's act dearer.
    """

    def __init__(self, webhooks: Webhooks, url: str) -> None:
        self.receiver = receiver_of(url)
        self._webhooks = webhooks
        self._url = url
        self._due: dict[bytes, int] = {}
        self._heap: list[tuple[int, bytes]] = []
        self._busy: dict[bytes, bool] = {}  # and whether more came meanwhile
        self._tasks: set[asyncio.Task[None]] = set()
        self._came = asyncio.Event()

    def wake(self, space: bytes) -> None:
        """There is more to send of a Space. One that is put off stays so: its first event comes first."""
        if space in self._busy:
            self._busy[space] = True
        elif space not in self._due:
            self._put(space, 0)

    def stir(self) -> None:
        """Look what there is to do."""
        self._came.set()

    async def run(self) -> None:
        """Send until all is closed. A store that fails is asked again after a while."""
        while not await self._is_restored():
            await self._webhooks.pause(_STORE_PAUSE_S)
        while not self._webhooks.is_closing:
            self._came.clear()
            pause_s = self._begin()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._came.wait()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _is_restored(self) -> bool:
        if self._webhooks.is_closing:
            return True
        try:
            found = await self._webhooks.waiting(self.receiver)
        except Exception as error:
            log.warning("webhooks wait for the store: %s", getattr(error, "code", type(error).__name__))
            return False
        for space, due_us in found.items():
            if space not in self._busy and space not in self._due:
                self._put(space, due_us)
        return True

    def _put(self, space: bytes, due_us: int) -> None:
        self._due[space] = due_us
        heapq.heappush(self._heap, (due_us, space))
        self._came.set()

    def _begin(self) -> float | None:
        """Begin what is due and has room; returns in how many seconds there is more, None: when woken."""
        now_us = self._webhooks.now_us()
        while self._heap and len(self._busy) < self._webhooks.at_once:
            due_us, space = self._heap[0]
            if due_us > now_us:
                return (due_us - now_us) / _SECOND_US
            heapq.heappop(self._heap)
            del self._due[space]
            self._busy[space] = False
            task = asyncio.ensure_future(self._send(space))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return None

    async def _send(self, space: bytes) -> None:
        again_us: int | None = self._webhooks.now_us()
        try:
            again_us = await self._send_some(space)
        except StoreError as error:
            log.warning("webhooks of Space %s wait for the store: %s", space.hex(), error.code)
            await self._webhooks.pause(_STORE_PAUSE_S)
        except Exception:
            log.exception("webhooks of Space %s failed", space.hex())
            await self._webhooks.pause(_STORE_PAUSE_S)
        finally:
            more_came = self._busy.pop(space)
            if again_us is None and more_came:
                again_us = 0
            if again_us is not None:
                self._put(space, again_us)
            self._came.set()

    async def _send_some(self, space: bytes) -> int | None:
        """Send events of one Space, one by one; returns when to go on, None where nothing is left."""
        event = await self._webhooks.first(space, self.receiver)
        for _ in range(_TURN_EVENTS):
            if event is None or self._webhooks.is_closing:
                return None
            following = await self._webhooks.deliver(self._url, event)
            if isinstance(following, int):
                return following
            event = following
        return None if event is None else self._webhooks.now_us()  # others wait for their turn


def _shown(url: str) -> str:
    """Who the receiver is, without the path, which may be secret."""
    return urlsplit(url).netloc


def _hush(urls: Sequence[str]) -> None:
    """httpx logs the URL of each request; ours are nobody's business. Those of others are left alone."""
    _HUSHED.update(str(httpx.URL(url)) for url in urls)
    logging.getLogger("httpx").addFilter(_is_not_ours)


def _is_not_ours(record: logging.LogRecord) -> bool:
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(str(each) in _HUSHED for each in arguments)
