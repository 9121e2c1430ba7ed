"""Telling: all ways in which a server tells its application what happens, started and stopped together."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from signaling.config import ServerConfig, read_webhook_secret
from signaling.server.announcer import Announcer
from signaling.server.counts import Counts
from signaling.server.feed import Feed, OnEvent
from signaling.store import Store

if TYPE_CHECKING:
    from signaling.http.webhooks import Webhooks

__all__ = ["Telling"]

_SECOND_US: Final = 1_000_000
_SEED_BYTES: Final = 8


class Telling:
    """`on_event` and webhooks of one server. ConfigError for a secret that cannot be read.

    wall_clock: seconds since the epoch. `random_bytes` makes ids, and the seed of pauses between attempts.
    """

    def __init__(
        self,
        config: ServerConfig,
        store: Store,
        counts: Counts,
        *,
        wall_clock: Callable[[], float],
        random_bytes: Callable[[int], bytes],
        on_event: OnEvent | None,
    ) -> None:
        self._feed = None if on_event is None else Feed(on_event, counts)
        self._webhooks: Webhooks | None = None
        if config.webhooks.urls:
            # httpx takes a tenth of a second to import: only who sends webhooks waits for it.
            from signaling.http.webhooks import Webhooks  # noqa: PLC0415

            self._webhooks = Webhooks(
                store,
                config.webhooks,
                read_webhook_secret(config),
                counts,
                wall_s=wall_clock,
                random=Random(int.from_bytes(random_bytes(_SEED_BYTES))),  # noqa: S311 - pauses, no secrets
            )
        self.announcer = Announcer(
            counts,
            wall_us=lambda: int(wall_clock() * _SECOND_US),
            random_bytes=random_bytes,
            receivers=() if self._webhooks is None else self._webhooks.receivers,
            feed=self._feed,
            on_waiting=lambda space: None if self._webhooks is None else self._webhooks.wake(space),
        )

    def start(self) -> None:
        """Tell from now on, first what an earlier run could not."""
        if self._feed is not None:
            self._feed.start()
        if self._webhooks is not None:
            self._webhooks.start()

    async def close(self, within_s: float) -> None:
        """Let `on_event` finish for so long; what webhooks have not sent stays in the store."""
        if self._feed is not None:
            await self._feed.close(within_s)
        if self._webhooks is not None:
            await self._webhooks.close()
