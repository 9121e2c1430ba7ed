"""HttpDoor: an HTTP port in the server's process and loop. Off unless its configuration names one."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from starlette.applications import Starlette

from signaling.config import AdminConfig, ConfigError, HttpConfig

__all__ = ["HttpDoor"]

_GRACE_S = 2
_KEEP_ALIVE_S = 5


class _Quiet(uvicorn.Server):
    """uvicorn without hands on the signals of the process, which belong to the application."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpDoor:
    """Serves an application from `start` to `stop`, where the configuration names a port.

    At most `at_once` connections are served, others are answered 503. No access log is written:
    addresses and headers stand nowhere.
    """

    def __init__(self, app: Starlette, config: HttpConfig | AdminConfig) -> None:
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
                f"{config.section}.port",
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
