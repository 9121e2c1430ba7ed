"""Ground: where an attack takes place, really or virtually, how fast it may go, and what it counts."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Attack", "Ground", "on_loopback"]

Open = Callable[[int, Callable[[], asyncio.DatagramProtocol]], Awaitable[Any]]
"""Opens a socket to the server from the host of this number; gives its transport."""

_PAUSE_S = 0.005
_HOSTS_OF_A_PREFIX = 250


@dataclass
class Ground:
    """A server with an honest room in it, and the means of an attacker.

    `scale` is how much of its rate an attack may use: in virtual time there is no need to be many. `tally`
    counts what was sent and what was seen; who repeats a seed sends the same.
    """

    server: tuple[str, int]
    space: bytes
    open: Open
    token: Callable[[str], str]
    seed: int
    seconds: float
    scale: float = 1.0
    tally: Counter[str] = field(default_factory=Counter)
    marks: dict[str, float] = field(default_factory=dict)
    """Figures that are no counts, the largest of each."""

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.seed}")
        self._hosts = self.dice.randrange(_HOSTS_OF_A_PREFIX)

    def host(self) -> int:
        """The number of an attacker's host that was not used before."""
        self._hosts += 1
        return self._hosts

    def mark(self, name: str, value: float) -> None:
        """Keep a figure, if it is larger than before."""
        self.marks[name] = max(value, self.marks.get(name, value))

    async def paced(self, per_s: float) -> AsyncIterator[int]:
        """0, 1, 2, … as fast as `per_s` times `scale`, until the time is over."""
        loop = asyncio.get_running_loop()
        begin_s, done = loop.time(), 0
        while (passed_s := loop.time() - begin_s) < self.seconds:
            due = int(passed_s * per_s * self.scale) + 1
            while done < due:
                yield done
                done += 1
            await asyncio.sleep(_PAUSE_S)


@dataclass(frozen=True)
class Attack:
    """One way to do harm. `what` is a sentence for people."""

    what: str
    run: Callable[[Ground], Awaitable[None]]


async def on_loopback(
    server: tuple[str, int], host: int, factory: Callable[[], asyncio.DatagramProtocol]
) -> asyncio.DatagramTransport:
    """A real socket that is connected to the server, from 127.200.x.y."""
    loop = asyncio.get_running_loop()
    local = f"127.200.{host // _HOSTS_OF_A_PREFIX % 250}.{1 + host % _HOSTS_OF_A_PREFIX}"
    transport, _ = await loop.create_datagram_endpoint(factory, local_addr=(local, 0), remote_addr=server)
    return transport
