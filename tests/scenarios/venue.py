"""A venue for scenarios: the real server and client library, over a virtual network or over loopback."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop

from signaling import tokens
from signaling.client import Client, Space, connect
from signaling.config import AuthConfig, HostingConfig, ListenConfig, MediaConfig, ServerConfig, StoreConfig
from signaling.server import Server, signing_key
from tests import postgres
from tests.signals import RATE, Samples, frames
from tests.virtual.loop import run
from tests.virtual.network import Impairment, Network

SERVER = ("10.0.0.1", 4433)
NATIVE, AIOQUIC = "native", "aioquic"
_BEGAN_S = int(time.time()) - 1000  # a virtual clock begins at 1,000 s


class Venue:
    """A server, and the people who come to it. Every person has a host of their own: 10.0.1.1, 10.0.1.2, …"""

    def __init__(self, server: Server, address: str, network: Network | None) -> None:
        self.server = server
        self.network = network
        self.address = address
        self._people = 0

    @property
    def is_virtual(self) -> bool:
        """Whether time is."""
        return self.network is not None

    def wall_clock(self) -> float:
        """Seconds since the epoch; in virtual time it goes on from the moment the run began."""
        return time.time() if self.network is None else _wall_clock()

    def token(self, user: str, lifetime_s: int) -> str:
        """A token as the server's own key signs it."""
        config = self.server.config
        key = signing_key(config)
        assert key is not None
        return tokens.mint(
            key,
            tokens.key_id(key.public_key()),
            subject=user,
            name=user.title(),
            issuer=config.auth.issuer,
            audience=config.auth.audience,
            lifetime_s=lifetime_s,
            now_s=int(self.wall_clock()),
        )

    def clock(self) -> int:
        """Microseconds, of the loop in virtual time."""
        if self.is_virtual:
            return round(asyncio.get_running_loop().time() * 1_000_000)
        return time.monotonic_ns() // 1000

    async def enter(self, name: str, **options: Any) -> Client:
        """Somebody comes in."""
        self._people += 1
        if self.network is not None:
            options["open_transport"] = self.network.opener(f"10.0.1.{self._people}")
        return await connect(
            self.address,
            name=name,
            fingerprint=self.server.fingerprint,
            clock=self.clock,
            seed=self._people,
            **options,
        )


@asynccontextmanager
async def venue(
    directory: Path,
    network: Network | None = None,
    media: MediaConfig | None = None,
    plane: str = NATIVE,
    hosting: HostingConfig | None = None,
) -> AsyncIterator[Venue]:
    """A running server: on the given network, else on a free port of loopback; audio goes by this plane."""
    config = ServerConfig(
        listen=ListenConfig(host="127.0.0.1", port=0),
        auth=AuthConfig(development=True),
        # The same database for the same directory, as a file in it would be.
        store=StoreConfig(
            data_dir=directory, url=postgres.database(directory) if postgres.is_there() else None
        ),
        media=dataclasses.replace(media or MediaConfig(), plane=plane),
        hosting=hosting or HostingConfig(),
    )
    if network is None:
        server = Server(config)
    else:
        loop = asyncio.get_running_loop()

        async def bind(protocol: asyncio.DatagramProtocol) -> None:
            await network.open(lambda: protocol, local=SERVER)

        server = Server(config, clock=loop.time, wall_clock=_wall_clock, bind=bind)
        loop.external_busy = lambda: server.store.in_progress > 0  # type: ignore[attr-defined]
    await server.start()
    try:
        assert server.plane == plane, server.plane_note
        host, port = server.address[:2]
        yield Venue(server, f"{host}:{port}", network)
    finally:
        await server.stop()


def _wall_clock() -> float:
    """Near the real time, because certificates are judged by that, and moving with the virtual clock."""
    return _BEGAN_S + asyncio.get_running_loop().time()


Story = Callable[[Venue], Coroutine[Any, Any, None]]


VIRTUAL, LOOPBACK, UVLOOP = "virtual", "loopback", "uvloop"

on_both_planes = pytest.mark.parametrize("plane", [NATIVE, AIOQUIC])


def tell(
    story: Story,
    directory: Path,
    place: str,
    *,
    impairment: Impairment | None = None,
    media: MediaConfig | None = None,
    plane: str = NATIVE,
    hosting: HostingConfig | None = None,
) -> None:
    """Run a story in a venue: in a virtual network, or over loopback on asyncio's loop or on uvloop.

    Whatever the loop complains of fails it.
    """

    async def main() -> None:
        network = Network(1, impairment or Impairment(delay_s=0.01)) if place == VIRTUAL else None
        # Of real time on loopback: a story that hangs shall not last as long as the test's own limit.
        limit_s = 600 if network else 60
        async with asyncio.timeout(limit_s), venue(directory, network, media, plane, hosting) as found:
            await story(found)
        gc.collect()  # so that a future nobody asked is told of now

    if place == VIRTUAL:
        run(main(), limit_s=3600)
        return
    errors: list[dict[str, Any]] = []

    async def watched() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        await main()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if place == UVLOOP else None) as runner:
        runner.run(watched())
    assert errors == []


async def until(condition: Callable[[], bool], space: Space, within_s: float = 10) -> None:
    """Read events of a Space until something holds."""
    async with asyncio.timeout(within_s):
        while not condition():
            await anext(space.events())


async def on_stage(host: Space, space: Space) -> None:
    """Bring a listener on stage."""
    await space.ask()
    await host.admit(space.me)
    await until(lambda: space.seat is not None, space)


def loudness(sound: Samples) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(sound)))) if len(sound) else 0.0


class Ear:
    """Keeps all that is heard in a Space from now on."""

    def __init__(self, space: Space) -> None:
        self._heard: list[Samples] = []
        space.on_pcm = lambda frame: self._heard.append(np.array(frame.pcm, np.float32))

    @property
    def sound(self) -> Samples:
        """Everything so far."""
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.float32)


def likeness(heard: Samples, source: Samples) -> float:
    """How much of `source` is in `heard`, 0 to 1: the median over pieces of 0.5 s, each at its best place.

    In pieces, because a jitter buffer moves what it plays; a single correlation would fall apart with it.
    """
    piece = RATE // 2
    size = 1 << (len(heard) + piece).bit_length()
    spectrum = np.fft.rfft(heard.astype(np.float64), size)
    energy = np.concatenate([[0.0], np.cumsum(heard.astype(np.float64) ** 2)])
    around = np.maximum(energy[piece:] - energy[:-piece], 1e-3)
    found = []
    for at in range(0, len(source) - piece + 1, piece):
        wanted = source[at : at + piece].astype(np.float64)
        product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(wanted, size)), size)[: len(around)]
        found.append(float((product / np.sqrt(around * (wanted**2).sum())).max()))
    return float(np.median(found))


async def say(space: Space, sound: Samples) -> None:
    """Speak a sound at the pace of the room."""
    assert await space.play(frames(sound)) == len(frames(sound))
