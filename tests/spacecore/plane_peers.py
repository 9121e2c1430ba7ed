"""A native connection with its peer in plain Python: keys of both, and packets in both directions."""

from __future__ import annotations

import random
from collections.abc import Sequence

from spacecore._plane import RX, TX, Connection, Plane
from tests.oracles import plane_reference as reference
from tests.oracles.plane_reference import Keys, Opened

SERVER = ("192.0.2.1", 4433)
CLIENT = ("198.51.100.7", 50_000)
T0_US = 1_000_000


class Peer:
    """The reference at the other end of `connection`, which is the server's."""

    def __init__(
        self,
        plane: Plane | None = None,
        *,
        suite: int = 0,
        seed: int = 1,
        cid_bytes: int = 8,
        address: tuple = CLIENT,
        packet_bytes: int = 1200,
        frame_bytes: int = 65535,
    ) -> None:
        self.rng = random.Random(seed)
        self.plane = Plane(connections=8) if plane is None else plane  # an empty one is false
        self.connection: Connection = self.plane.open()
        self.address = address
        self.own_cid = self.rng.randbytes(8)  # of the native side
        self.cid = self.rng.randbytes(cid_bytes)  # of the reference
        self.down = Keys.random(suite, self.rng)
        self.up = Keys.random(suite, self.rng)
        self.up_next = Keys.random(suite, self.rng, self.up.hp)
        self.pn = 0
        self.expected = 0
        self.connection.set_send_key(suite, self.down.key, self.down.iv, self.down.hp, 0)
        self.install_receive(self.up, self.up_next, 0)
        self.connection.set_own_cid(self.own_cid)
        self.connection.set_peer(self.cid, address, frame_bytes, packet_bytes)
        self.connection.flags = TX | RX

    def install_receive(self, keys: Keys, following: Keys, phase: int) -> None:
        """What the other stack does at a key update."""
        self.connection.set_receive_key(
            keys.suite, keys.key, keys.iv, keys.hp, phase, following.key, following.iv
        )

    def packet(self, *frames: bytes, pn: int | None = None, keys: Keys | None = None, **fields: int) -> bytes:
        """A packet of the peer with these frames; without `pn` the next number."""
        if pn is None:
            pn, self.pn = self.pn, self.pn + 1
        plain = b"".join(frames)
        plain += bytes(max(0, 4 - fields.get("pn_bytes", 2) - len(plain)))
        return reference.seal(keys or self.up, self.own_cid, pn, plain, **fields)

    def give(self, packet: bytes, now_us: int = T0_US, address: tuple | None = None) -> tuple[int, list]:
        """Have the native side take it."""
        return self.connection.receive(packet, address or self.address, now_us)

    def read(self, packet: bytes | None) -> Opened:
        """Open a packet of the native side."""
        assert packet is not None
        found = reference.unseal(self.down, len(self.cid), self.expected, packet)
        assert found is not None, f"not authentic: {packet.hex()}"
        self.expected = max(self.expected, found.pn + 1)
        return found

    def acknowledge(self, ranges: Sequence[tuple[int, int]], now_us: int) -> int:
        """The verdict on an ACK of (first, last) ranges, newest first."""
        return self.give(self.packet(reference.ack(list(ranges))), now_us)[0]
