"""A server's media side and its listeners: two planes back to back, keys set by hand, in virtual time."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np

from spacecore import AudioPacket, Space, parse_audio
from spacecore._media import Media, Room
from spacecore._plane import AES_128_GCM, DONE, RX, TX, Connection, Plane

TICK_US = 20_000
SERVER = ("192.0.2.1", 4433)
KEY_BYTES = 16

Packet = tuple[bytes, tuple[str, int]]


@dataclass
class Listener:
    """One client: its end of the connection, the server's end, and what it has heard."""

    near: Connection  # the server's end
    far: Connection
    address: tuple[str, int]
    cid: bytes  # the client's, which the server puts on its packets
    heard: list[AudioPacket] = field(default_factory=list)
    datagrams: list[bytes] = field(default_factory=list)
    acks: int = 0  # packets without a datagram

    @property
    def seqs(self) -> list[int]:
        """Numbers of the frames heard, in order."""
        return [(packet.seq + i) & 0xFFFF for packet in self.heard for i in range(len(packet.frames))]

    @property
    def sizes(self) -> list[int]:
        """Frames in each datagram."""
        return [len(packet.frames) for packet in self.heard]

    def accepts(self, largest_frame_bytes: int) -> None:
        """The client takes no larger DATAGRAM frame from now on."""
        self.near.set_peer(self.cid, self.address, largest_frame_bytes, 1_200)

    def take(self, packet: bytes, now_us: int) -> None:
        verdict, datagrams = self.far.receive(packet, SERVER, now_us)
        assert verdict == DONE, f"the listener's plane says {verdict} to {packet.hex()}"
        self.acks += not datagrams
        self.datagrams += datagrams
        self.heard += [parse_audio(datagram, True) for datagram in datagrams]


def join(
    server: Plane, clients: Plane, address: tuple[str, int], to: tuple[str, int], rng: random.Random
) -> Listener:
    """A connection as if a handshake had just been confirmed on both ends."""
    near, far = server.open(), clients.open(is_client=True)
    down, up = ([rng.randbytes(n) for n in (KEY_BYTES, 12, KEY_BYTES)] for _ in range(2))
    next_key, next_iv = rng.randbytes(KEY_BYTES), rng.randbytes(12)
    ids = rng.randbytes(8), rng.randbytes(8)
    for end, out, back, own, peer, where in (
        (near, down, up, ids[0], ids[1], address),
        (far, up, down, ids[1], ids[0], to),
    ):
        end.set_send_key(AES_128_GCM, *out, 0)
        end.set_receive_key(AES_128_GCM, *back, 0, next_key, next_iv)
        end.set_own_cid(own)
        end.set_peer(peer, where, 65_535, 1_200)
        end.set_others(window_bytes=1 << 20)
        end.flags = TX | RX
    return Listener(near, far, address, ids[1])


class World:
    """One Media in stepped mode and the clients of its rooms. Time moves only by `run`."""

    def __init__(self, *, connections: int = 64, seed: int = 1, **media: int) -> None:
        self.rng = random.Random(seed)
        self.now_us = 1_000_000
        self.server = Plane(connections=connections)
        self.clients = Plane(connections=connections)
        self.media = Media(self.server, **media)
        self.by_address: dict[tuple[str, int], Listener] = {}
        self.speakers: list[tuple[Space, int]] = []
        self._joined = 0

    def join(self) -> Listener:
        """Somebody with a connection, in no room."""
        self._joined += 1
        address = (f"10.0.{self._joined >> 8}.{self._joined & 255}", 5_000)
        listener = join(self.server, self.clients, address, SERVER, self.rng)
        self.by_address[address] = listener
        return listener

    def room(
        self, *speaking: int, bundle: int = 1, bundle_above: int = 200, silent: tuple[int, ...] = ()
    ) -> tuple[Space, Room]:
        """A room with people in these seats: those in `speaking` are heard as long as time moves."""
        space = Space(complexity=0, keep_alive_ms=0)
        for seat in (*speaking, *silent):
            space.add_seat(seat, pcm=True)
        self.speakers += [(space, seat) for seat in speaking]
        return space, self.media.add_room(space, bundle=bundle, bundle_above=bundle_above)

    def hush(self, space: Space) -> None:
        """Nobody in this room says anything more."""
        self.speakers = [each for each in self.speakers if each[0] is not space]

    def tick(self) -> None:
        """20 ms: those who speak do so, the media side steps, and what it sealed arrives."""
        for space, seat in self.speakers:
            space.put_pcm(seat, sound(seat, self.now_us))
        self.media.step(self.now_us)
        self.deliver()
        self.now_us += TICK_US

    def run(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick()

    def deliver(self) -> None:
        for packet, address in self.media.take_sent():
            self.by_address[address].take(packet, self.now_us)

    def send(self, listener: Listener, datagram: bytes) -> int:
        """One datagram up; the verdict of the server's plane."""
        packet = listener.far.seal(datagram, self.now_us)
        assert packet is not None, "the client's window is closed"
        return self.media.receive(packet, listener.address, self.now_us)


def sound(seat: int, now_us: int) -> np.ndarray:
    """20 ms of a buzz, loud enough to be heard, another one for each seat."""
    at = now_us // TICK_US * 960 + np.arange(960)
    pitch = 110 + 17 * seat
    return (0.1 * sum(np.sin(2 * np.pi * pitch * k * at / 48_000) / k for k in range(1, 8))).astype(
        np.float32
    )
