"""What an idle connection of a stock aioquic server costs in memory: the measure for a listener's.

`python -m bench.idle serve FOLDER` and `python -m bench.idle dial PORT COUNT` are its two processes: the
server takes connections and does nothing else, the other end opens them and stays.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, QuicEvent

from bench.children import Child
from signaling.quic.certificate import development_certificate

_ALPN = "idle"
_IDLE_TIMEOUT_S = 600.0
_DATAGRAM_FRAME_BYTES = 65535
_AT_ONCE = 16
_SETTLE_S = 2.0


def measure(connections: int, cores: tuple[int, int]) -> float:
    """KB of resident memory for each of so many idle connections."""
    with (
        tempfile.TemporaryDirectory(prefix="spaces-bench-") as folder,
        Child("stock aioquic server", ["-m", "bench.idle", "serve", folder], core=cores[0]) as server,
    ):
        port = server.wait_for("listening")["port"]
        before_kb = server.rss_kb
        dial = ["-m", "bench.idle", "dial", str(port), str(connections)]
        with Child("stock aioquic client", dial, core=cores[1]) as client:
            client.wait_for("connected", 30 + connections * 0.1)
            return (server.rss_kb - before_kb) / connections


class _Counting(QuicConnectionProtocol):
    established = 0

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            _Counting.established += 1


def _configuration(*, is_client: bool) -> QuicConfiguration:
    return QuicConfiguration(
        alpn_protocols=[_ALPN],
        is_client=is_client,
        idle_timeout=_IDLE_TIMEOUT_S,
        max_datagram_frame_size=_DATAGRAM_FRAME_BYTES,
        verify_mode=ssl.CERT_NONE,
    )


def _tell(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


async def _serve(folder: Path) -> None:
    certificate, _ = development_certificate(folder, datetime.now(UTC))
    configuration = _configuration(is_client=False)
    configuration.certificate = certificate.certificate
    configuration.private_key = certificate.private_key
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]  # the stock server does not tell which one it took
    await serve("127.0.0.1", port, configuration=configuration)
    _tell("listening", port=port)
    await asyncio.Event().wait()


async def _dial(port: int, count: int) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    async with AsyncExitStack() as held:

        async def one() -> None:
            async with turns:
                await held.enter_async_context(
                    connect(
                        "127.0.0.1",
                        port,
                        configuration=_configuration(is_client=True),
                        create_protocol=_Counting,
                    )
                )

        await asyncio.gather(*(one() for _ in range(count)))
        await asyncio.sleep(_SETTLE_S)  # the last frames of the handshakes are acknowledged
        _tell("connected", established=_Counting.established)
        await asyncio.Event().wait()


def main(arguments: list[str]) -> None:
    """Be one of the two."""
    match arguments:
        case ["serve", folder]:
            asyncio.run(_serve(Path(folder)))
        case ["dial", port, count]:
            asyncio.run(_dial(int(port), int(count)))
        case _:
            sys.exit("python -m bench.idle serve FOLDER | dial PORT COUNT")


if __name__ == "__main__":
    main(sys.argv[1:])
