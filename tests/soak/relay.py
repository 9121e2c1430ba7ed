"""A relay between one client and the server: it loses packets, doubles some, and moves to another port."""

from __future__ import annotations

import asyncio
import random
import socket
from typing import Any

__all__ = ["Relay"]

_PACKET_BYTES = 2_048


def _bound() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


class Relay:
    """Listens on a port of loopback for one client after the other; `address` is where to connect to.

    On bare sockets: uvloop's transports keep the last 2,048 addresses, which would look like a leak.
    """

    def __init__(self, server: tuple[str, int], dice: random.Random, *, loss: float, doubled: float) -> None:
        self.is_lossy = True
        self.lost = 0
        self._server = server
        self._dice = dice
        self._loss = loss
        self._doubled = doubled
        self._client: Any = None
        self._loop = asyncio.get_running_loop()
        self._near = _bound()
        self._far = _bound()
        host, port = self._near.getsockname()
        self.address = f"{host}:{port}"
        self._loop.add_reader(self._near, self._up)
        self._loop.add_reader(self._far, self._down)

    def move(self) -> None:
        """From now on the server sees the client at another port; what is under way to the old is lost."""
        self._loop.remove_reader(self._far)
        self._far.close()
        self._far = _bound()
        self._loop.add_reader(self._far, self._down)

    def close(self) -> None:
        """Close both sockets."""
        for each in (self._near, self._far):
            self._loop.remove_reader(each)
            each.close()

    def _up(self) -> None:
        for data, address in self._read(self._near):
            self._client = address
            self._pass_on(self._far, data, self._server)

    def _down(self) -> None:
        for data, _ in self._read(self._far):
            if self._client is not None:
                self._pass_on(self._near, data, self._client)

    @staticmethod
    def _read(end: socket.socket) -> list[tuple[bytes, Any]]:
        found = []
        try:
            while len(found) < 64:
                found.append(end.recvfrom(_PACKET_BYTES))
        except (BlockingIOError, ConnectionRefusedError):  # no more, or the client has gone
            return found
        return found

    def _pass_on(self, end: socket.socket, data: bytes, address: Any) -> None:
        chance = self._dice.random()
        if self.is_lossy and chance < self._loss:
            self.lost += 1
            return
        for _ in range(2 if chance > 1 - self._doubled else 1):
            try:
                end.sendto(data, address)
            except (BlockingIOError, ConnectionRefusedError):
                self.lost += 1
