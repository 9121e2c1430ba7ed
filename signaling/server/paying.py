"""Paying: the payment provider of a server, and the door through which it tells what happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from signaling.config import ServerConfig
from signaling.pay import Provider, ProviderEvent
from signaling.pay.opening import open_provider
from signaling.pay.sandbox import SandboxProvider
from signaling.pay.webhooks import ProviderInbox, ProviderInboxCounts

if TYPE_CHECKING:
    from signaling.http.door import HttpDoor

__all__ = ["Paying"]


class Paying:
    """Open it with the server, let it listen once events can be posted, and close it with the server."""

    def __init__(self, config: ServerConfig, provider: Provider, wall_s: Callable[[], float]) -> None:
        self.provider = provider
        self._config = config
        self._wall_s = wall_s
        self._door: HttpDoor | None = None

    @classmethod
    async def open(cls, config: ServerConfig, wall_s: Callable[[], float]) -> Paying:
        """Raises ConfigError where the provider must not be used as configured. See `open_provider`."""
        return cls(config, await open_provider(config, wall_s=wall_s), wall_s)

    @property
    def port(self) -> int | None:
        """Where webhooks come in by HTTP, None where they do not."""
        return None if self._door is None else self._door.port

    async def listen(
        self, on_event: Callable[[ProviderEvent], Awaitable[None]], counts: ProviderInboxCounts
    ) -> None:
        """Hand what the provider tells to `on_event`, as `ProviderInbox` does; over HTTP if that has a port.

        Raises ConfigError: port_unusable.
        """
        provider = self.provider
        inbox = ProviderInbox(provider, on_event, counts, wall_s=self._wall_s)
        sandbox = provider if isinstance(provider, SandboxProvider) else None
        if sandbox is not None:
            sandbox.deliver = inbox.deliver
        config = self._config.http
        if config.port is None:
            return
        # Only who listens needs a web server in memory.
        from signaling.http.app import SANDBOX_PATH, provider_app  # noqa: PLC0415
        from signaling.http.door import HttpDoor  # noqa: PLC0415

        act = sandbox.act if sandbox is not None and self._config.auth.development else None
        self._door = HttpDoor(provider_app(inbox.take, config, act=act), config)
        await self._door.start()
        if sandbox is not None and act is not None:
            sandbox.action_base = self._door.url + SANDBOX_PATH

    async def close(self) -> None:
        """Answer the webhooks under way, listen no more, and let go of the provider."""
        if self._door is not None:
            await self._door.stop()
        await self.provider.close()
