"""`spaces serve`: a server until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from pathlib import Path

from rich.console import Console

from signaling import logs
from signaling.cli.failures import Misuse
from signaling.cli.running import run_loop, stop_signals
from signaling.config import ConfigError, ServerConfig, load_config
from signaling.server import Server, Statistics

__all__ = ["run", "who_may_host"]


def run(  # noqa: PLR0917 - as many as there are flags
    config_file: Path | None,
    host: str | None,
    port: int | None,
    data_dir: Path | None,
    development: bool | None,
    as_json: bool,
    stats_every_s: float | None = None,
) -> int:
    """Serve until a stop signal; returns 0. Misuse, ConfigError, CertificateError, ListenError, …."""
    if stats_every_s is not None and not as_json:
        raise Misuse(
            "stats_without_json", f"statistics every {stats_every_s:g} s are for programs", "add --json"
        )
    flags = {
        "listen.host": host,
        "listen.port": port,
        "store.data_dir": data_dir,
        "auth.development": development,
    }
    try:
        config = load_config(config_file, os.environ, flags)
    except ConfigError as error:
        if config_file is None and error.code in ("certificate_missing", "token_keys_missing"):
            raise Misuse(
                error.code,
                "nothing says yet how people can trust this server and how it knows them",
                "try it here with --dev, or name certificate and token keys in a file: --config FILE",
            ) from error
        raise
    logs.configure(config.log)
    return run_loop(_serve(config, _Lines() if as_json else _Words(), stats_every_s))


async def _serve(config: ServerConfig, teller: _Lines | _Words, stats_every_s: float | None) -> int:
    server = Server(config)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        # Replaces the handlers that cancel: for a server this is the usual way to end.
        loop.add_signal_handler(number, stopping.set)
    await server.start()
    try:
        teller.listening(server, config)
        if stats_every_s is None:
            await stopping.wait()
        else:
            await _tell_statistics(server, teller, stats_every_s, stopping)
        teller.stopping()
    finally:
        await server.stop()
    teller.stopped(server.statistics())
    return 0


async def _tell_statistics(
    server: Server, teller: _Lines | _Words, every_s: float, stopping: asyncio.Event
) -> None:
    """Tell them at fixed times from now on, until the server is to stop."""
    loop = asyncio.get_running_loop()
    at_s = loop.time()
    while not stopping.is_set():
        at_s = max(at_s + every_s, loop.time())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(at_s):
                await stopping.wait()
                return
        teller.statistics(server)


class _Lines:
    """One JSON object a line, for programs."""

    def listening(self, server: Server, config: ServerConfig) -> None:
        self._tell(
            "listening",
            address=_address(server),
            host=server.address[0],
            port=server.address[1],
            fingerprint=server.fingerprint,
            development=config.auth.development,
            data_dir=str(config.store.data_dir),
            min_followers=config.hosting.followers_needed("", development=config.auth.development),
            plane=server.plane,
            plane_note=server.plane_note,
            pid=os.getpid(),
            cpu_s=time.process_time(),
        )

    def statistics(self, server: Server) -> None:
        self._tell(
            "statistics",
            monotonic_s=time.monotonic(),
            statistics=server.statistics(),
            lateness_us=server.lateness(),
            cpu_s=time.process_time(),
        )

    def stopping(self) -> None:
        self._tell("stopping")

    def stopped(self, statistics: Statistics) -> None:
        self._tell("stopped", statistics=statistics, cpu_s=time.process_time())

    def _tell(self, event: str, **fields: object) -> None:
        sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
        sys.stdout.flush()


class _Words:
    """Sentences, for people."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def listening(self, server: Server, config: ServerConfig) -> None:
        say = self._console.print
        say(f"Listening on [bold]{_address(server)}[/bold] (QUIC over UDP).")
        say(f"Certificate  {server.fingerprint}")
        say(f"Hosting      {who_may_host(config)}")
        if config.auth.development:
            say(
                "[yellow]Development mode:[/yellow] anyone on this machine may register by giving a name; "
                "no token is asked for."
            )
            say("\nIn another terminal, in this directory:\n")
            where = "" if server.address[1] == 4433 else f" --server {_address(server)}"
            if config.store.data_dir != Path("spaces-data"):
                where += f" --data-dir {config.store.data_dir}"
            say(f"  spaces host --title 'Hello'{where}     speak   (--audio FILE says what)")
            say(f"  spaces join{where}                     listen  (--out FILE.opus keeps it)\n")
        say("Ctrl-C stops it.")

    def statistics(self, server: Server) -> None:
        """Nobody reads so many numbers."""

    def stopping(self) -> None:
        self._console.print("\nStopping: everybody is told.")

    def stopped(self, statistics: Statistics) -> None:
        self._console.print(
            f"Stopped after {statistics['spaces_opened']} Spaces and {statistics['joins']} joins; "
            f"{statistics['frames_in']} frames came in, {statistics['frames_out']} went out."
        )


def who_may_host(config: ServerConfig) -> str:
    """The gate of ordinary Spaces, in words."""
    hosting = config.hosting
    needed = hosting.followers_needed("", development=config.auth.development)
    gates = [f"who has {needed:,} followers" if needed else "everybody"]
    if hosting.min_account_age_s:
        gates.append(f"an account for {hosting.min_account_age_s:,} s")
    if hosting.allow:
        gates.append(f"is one of {len(hosting.allow)} named")
    if hosting.min_followers is None and not needed and len(gates) == 1:
        gates.append("as this is development mode; hosting.min_followers sets another number")
    return ", ".join(gates) + "."


def _address(server: Server) -> str:
    host, port = server.address[0], server.address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
