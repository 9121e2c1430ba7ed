"""Our native end against unmodified aioquic clients: each suite, version and id length, each byte checked.

In virtual time, so a run is the same every time. Those with ids of 8 and 20 bytes carry a megabyte each
way, the others 64 KiB: a megabyte both ways is a second of aioquic's work.
"""

from __future__ import annotations

import random

import pytest
from aioquic.quic.packet import QuicProtocolVersion
from aioquic.tls import CipherSuite

from tests.signaling.quic_wire import Wire

SUITES = [
    CipherSuite.AES_128_GCM_SHA256,
    CipherSuite.AES_256_GCM_SHA384,
    CipherSuite.CHACHA20_POLY1305_SHA256,
]
VERSIONS = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]
LARGE = 1_000_000
SMALL = 65_536


class Talk:
    """Numbered datagrams both ways, of changing length; each must arrive once, in order, as it was."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self.wire = wire
        self.dice = random.Random(seed)
        self.down: list[bytes] = []
        self.up: list[bytes] = []

    def exchange(self, ticks: int) -> None:
        for _ in range(ticks):
            number = len(self.down).to_bytes(4, "big")
            self.down.append(number + self.dice.randbytes(self.dice.randrange(400)))
            self.up.append(number + self.dice.randbytes(self.dice.randrange(400)))
            assert self.wire.fan_out(self.down[-1])
            self.wire.client.send_datagram_frame(self.up[-1])
            self.wire.run(0.02)

    def check(self) -> None:
        self.wire.settle()
        assert self.wire.audio_down() == self.down
        assert self.wire.audio_up() == self.up


def matrix() -> list[pytest.param]:  # type: ignore[valid-type]
    found = []
    for suite in SUITES:
        for version in VERSIONS:
            for cid_bytes in (0, 1, 8, 20):
                size = LARGE if cid_bytes >= 8 else SMALL
                name = f"{suite.name}-v{1 if version == VERSIONS[0] else 2}-cid{cid_bytes}"
                found.append(pytest.param(suite, version, cid_bytes, size, id=name))
    return found


@pytest.mark.parametrize(("suite", "version", "cid_bytes", "size"), matrix())
def test_interop_matrix(suite: CipherSuite, version: int, cid_bytes: int, size: int) -> None:
    wire = distinct(suite, version, cid_bytes)
    assert wire.is_native
    talk = Talk(wire, seed=cid_bytes)
    up, down = talk.dice.randbytes(size), talk.dice.randbytes(size)
    wire.client.send_stream_data(0, up)
    wire.run(0.1)
    assert wire.server.send_stream(down)
    talk.exchange(10)
    for change in (server_updates, client_updates, ids_change, rebinding, server_updates):
        change(wire, cid_bytes)
        talk.exchange(10)
    for _ in range(200):
        if len(wire.control_up()) == len(wire.control_down()) == size:
            break
        talk.exchange(1)
    talk.check()
    assert wire.control_up() == up
    assert wire.control_down() == down
    assert len({key for key, _ in wire.opened}) == 4
    assert len(set(wire.opened)) == len(wire.opened)
    assert wire.server.peer_address == wire.client_address
    stats = wire.connection.stats
    assert stats.key_updates == 3
    assert stats.datagrams_out == len(talk.down)  # all of it was sealed natively, none by aioquic
    assert stats.acked + stats.lost == len(talk.down)
    assert wire.server.closed is None


def distinct(suite: CipherSuite, version: int, cid_bytes: int) -> Wire:
    """aioquic draws its ids blindly: of eight with one byte two are the same in one of ten connections."""
    while True:
        wire = Wire(suite=suite, version=version, cid_bytes=cid_bytes)
        cids = [each.cid for each in wire.client._host_cids]
        if len(set(cids)) == len(cids):
            return wire


def server_updates(wire: Wire, cid_bytes: int) -> None:
    """Nothing is lost: the client's packets under way are opened with the key of before."""
    wire.quic.request_key_update()
    wire.server.ping()
    wire.flush()


def client_updates(wire: Wire, cid_bytes: int) -> None:
    """With nothing of ours under way: aioquic forgets the old key at once."""
    wire.run(0.1)
    wire.client.request_key_update()
    wire.client.send_ping(7)
    wire.run(0.1)


def ids_change(wire: Wire, cid_bytes: int) -> None:
    """Both ends put another id on their packets; an empty one cannot change."""
    before = wire.server.host_cid
    wire.client.change_connection_id()
    if cid_bytes:
        wire.quic.change_connection_id()
    wire.run(0.1)
    assert wire.server.host_cid != before
    assert wire.is_native


def rebinding(wire: Wire, cid_bytes: int) -> None:
    """The client's port changes; whatever was under way to the old one is lost, so nothing is."""
    wire.run(0.1)
    wire.client_address = ("10.0.0.2", 6000)
    wire.client.send_ping(8)
    wire.run(0.2)
    assert wire.is_native
