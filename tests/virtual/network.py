"""A network in memory: datagrams between addresses, with seeded loss, delay, jitter, reordering and cuts."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Address", "Burst", "Direction", "DirectionStats", "Impairment", "Network", "Transport"]

Address = tuple[str, int]


@dataclass(frozen=True)
class Burst:
    """Gilbert's two-state loss: from good to bad and back with these probabilities per datagram."""

    begin: float
    end: float
    loss: float = 1.0  # in the bad state; the good state loses nothing


@dataclass(frozen=True)
class Impairment:
    """What one direction does to datagrams. Jitter alone keeps the order, as a queue would."""

    delay_s: float = 0.01
    jitter_s: float = 0.0  # uniform, added to the delay
    loss: float = 0.0
    burst: Burst | None = None
    reorder: float = 0.0  # probability of `reorder_delay_s` more, while those behind pass
    reorder_delay_s: float = 0.03
    duplicate: float = 0.0
    mtu_bytes: int = 1472  # larger UDP payloads vanish


@dataclass
class DirectionStats:
    """Counters of one direction."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    duplicated: int = 0
    reordered: int = 0
    cut: int = 0
    too_large: int = 0
    nobody: int = 0


@dataclass
class Direction:
    """Datagrams from one host to another."""

    impairment: Impairment
    dice: random.Random
    is_cut: bool = False
    in_bad_state: bool = False
    last_arrival_s: float = 0.0
    stats: DirectionStats = field(default_factory=DirectionStats)

    def arrivals(self, size_bytes: int, now_s: float) -> list[float]:
        """When the copies of one datagram arrive; empty if none does."""
        rules, dice, stats = self.impairment, self.dice, self.stats
        stats.sent += 1
        if self.is_cut:
            stats.cut += 1
            return []
        if size_bytes > rules.mtu_bytes:
            stats.too_large += 1
            return []
        if self._is_lost():
            stats.lost += 1
            return []
        copies = 1
        if rules.duplicate and dice.random() < rules.duplicate:
            stats.duplicated += 1
            copies = 2
        return [self._arrival(now_s) for _ in range(copies)]

    def _is_lost(self) -> bool:
        rules, dice = self.impairment, self.dice
        if rules.burst is not None:
            change = rules.burst.end if self.in_bad_state else rules.burst.begin
            if dice.random() < change:
                self.in_bad_state = not self.in_bad_state
            if self.in_bad_state and dice.random() < rules.burst.loss:
                return True
        return bool(rules.loss) and dice.random() < rules.loss

    def _arrival(self, now_s: float) -> float:
        rules, dice = self.impairment, self.dice
        arrival = now_s + rules.delay_s + (dice.uniform(0, rules.jitter_s) if rules.jitter_s else 0.0)
        if rules.reorder and dice.random() < rules.reorder:
            self.stats.reordered += 1
            return arrival + rules.reorder_delay_s
        # A microsecond apart at least: the loop does not keep the order of timers of the same time.
        self.last_arrival_s = max(self.last_arrival_s + 1e-6, arrival)
        return self.last_arrival_s


class Network:
    """Hosts by IP address, joined pairwise; each direction has its own seeded dice: none disturbs another."""

    def __init__(self, seed: int = 0, impairment: Impairment | None = None) -> None:
        self.seed = seed
        self.default = impairment or Impairment()
        self._directions: dict[tuple[str, str], Direction] = {}
        self._sockets: dict[Address, Transport] = {}
        self._next_port = 49152

    def direction(self, source: str, destination: str) -> Direction:
        """The path from one host to another."""
        key = (source, destination)
        if key not in self._directions:
            dice = random.Random(f"{self.seed} {source} {destination}")
            self._directions[key] = Direction(self.default, dice)
        return self._directions[key]

    def impair(self, source: str, destination: str, impairment: Impairment) -> None:
        """Set what one direction does from now on."""
        self.direction(source, destination).impairment = impairment

    def cut(self, one: str, other: str) -> None:
        """Let nothing through between two hosts, in both directions. What is on its way arrives."""
        self.direction(one, other).is_cut = self.direction(other, one).is_cut = True

    def heal(self, one: str, other: str) -> None:
        """Undo a cut."""
        self.direction(one, other).is_cut = self.direction(other, one).is_cut = False

    async def open(
        self,
        factory: Callable[[], asyncio.DatagramProtocol],
        *,
        local: Address | str,
        remote: Address | None = None,
    ) -> tuple[Transport, asyncio.DatagramProtocol]:
        """A socket, as `loop.create_datagram_endpoint` gives it. `local` without a port takes a free one."""
        if isinstance(local, str):
            local, self._next_port = (local, self._next_port), self._next_port + 1
        if local in self._sockets:
            raise OSError(98, f"{local} is in use")
        protocol = factory()
        transport = Transport(self, protocol, local, remote)
        self._sockets[local] = transport
        protocol.connection_made(transport)
        return transport, protocol

    def opener(self, host: str) -> Callable[..., Any]:
        """For clients on `host`: opens a socket connected to the given address."""

        async def open_transport(
            factory: Callable[[], asyncio.DatagramProtocol], remote: Address
        ) -> Transport:
            transport, _ = await self.open(factory, local=host, remote=remote)
            return transport

        return open_transport

    def carry(self, sender: Transport, data: bytes, destination: Address) -> None:
        """Take one datagram of a transport; for transports."""
        source = sender.address
        direction = self.direction(source[0], destination[0])
        now_s = sender.loop.time()
        for arrival_s in direction.arrivals(len(data), now_s):
            sender.loop.call_at(arrival_s, self._deliver, direction, sender, data, source, destination)

    def move(self, transport: Transport, address: Address) -> None:
        """Give a socket another address, as a NAT that forgot it would."""
        del self._sockets[transport.address]
        transport.address = address
        self._sockets[address] = transport

    def forget(self, transport: Transport) -> None:
        """A socket was closed; for transports."""
        self._sockets.pop(transport.address, None)

    def _deliver(
        self, direction: Direction, sender: Transport, data: bytes, source: Address, destination: Address
    ) -> None:
        receiver = self._sockets.get(destination)
        if receiver is None:
            direction.stats.nobody += 1
            # What ICMP tells a connected socket.
            if sender.remote == destination and not sender.is_closing():
                sender.protocol.error_received(ConnectionRefusedError(111, "nobody listens there"))
        elif receiver.remote in (None, source):
            direction.stats.delivered += 1
            receiver.protocol.datagram_received(data, source)


class Transport(asyncio.DatagramTransport):
    """One socket of the network."""

    def __init__(
        self,
        network: Network,
        protocol: asyncio.DatagramProtocol,
        address: Address,
        remote: Address | None,
    ) -> None:
        super().__init__({"sockname": address, "peername": remote})
        self.loop = asyncio.get_running_loop()
        self.protocol = protocol
        self.address = address
        self.remote = remote
        self.sent: list[tuple[bytes, Address]] | None = None
        """Set it to a list to record what is sent."""
        self._network = network
        self._closing = False

    def sendto(self, data: Any, addr: Any = None) -> None:
        """Send one datagram."""
        destination = addr or self.remote
        if destination is None:
            raise ValueError("the socket is not connected, so an address is needed")
        if self._closing:
            return
        data = bytes(data)
        if self.sent is not None:
            self.sent.append((data, destination))
        self._network.carry(self, data, destination)

    def is_closing(self) -> bool:
        """Whether close was called."""
        return self._closing

    def close(self) -> None:
        """Close the socket; the protocol is told in the loop's next turn."""
        if not self._closing:
            self._closing = True
            self._network.forget(self)
            self.loop.call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        """The same as close: nothing is buffered."""
        self.close()
