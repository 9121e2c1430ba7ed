"""What a webhook of the provider meets: checked, posted, and only then confirmed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from signaling.pay.provider import Provider, ProviderError, ProviderEvent, WebhookRefused

__all__ = ["ProviderInbox", "ProviderInboxCounts"]

log = logging.getLogger(__name__)

_TAKEN = 200
_REFUSED = 400
_LATER = 503


class ProviderInboxCounts(Protocol):
    """Where it is counted what came."""

    provider_events: int
    provider_events_refused: int
    provider_events_failed: int


class ProviderInbox:
    """Takes webhooks, from HTTP or straight from the sandbox.

    on_event: posts an event and returns once that is committed; it is called with the same event as often
    as the provider sends it, in any order. wall_s: seconds since the epoch.
    """

    def __init__(
        self,
        provider: Provider,
        on_event: Callable[[ProviderEvent], Awaitable[None]],
        counts: ProviderInboxCounts,
        *,
        wall_s: Callable[[], float],
    ) -> None:
        self._provider = provider
        self._on_event = on_event
        self._counts = counts
        self._wall_s = wall_s

    async def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Returns the status of HTTP: 200 once it is posted, or is nothing of ours; 400 for what is not to be
        believed; 503 where it could not be posted: the provider sends it again."""
        try:
            event = self._provider.read_webhook(headers, body, self._wall_s())
        except WebhookRefused as error:
            self._counts.provider_events_refused += 1
            log.warning("a webhook of %s was refused: %s", self._provider.name, error.code)
            return _REFUSED
        if event is None:
            return _TAKEN
        try:
            await self._on_event(event)
        except ProviderError as error:
            self._counts.provider_events_failed += 1
            log.warning("event %s of %s comes too early: %s", event.id, self._provider.name, error)
            return _LATER
        except Exception:  # whatever it is, the provider must send it again
            self._counts.provider_events_failed += 1
            log.exception("event %s of %s was not posted", event.id, self._provider.name)
            return _LATER
        self._counts.provider_events += 1
        return _TAKEN

    async def deliver(self, headers: Mapping[str, str], body: bytes) -> None:
        """Take a webhook of the sandbox in this process, which does not send it again."""
        await self.take(headers, body)
