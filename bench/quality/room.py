"""A room in virtual time: people who speak into its seats, and ears that hear what it sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.quality.ours import datagram, packets_of
from bench.quality.traces import FRAME_MS
from bench.quality.voices import Sound
from spacecore import FULL, Encoder, Receiver, Space

LISTENER = -1  # an ear that belongs to no seat
START_US = 1_000_000
_TRANSIT_MS = 5.0
_SETTLE_TICKS = 10  # after the last frame


@dataclass
class Ear:
    """What one person hears: a receiver fed with every datagram that is meant for them."""

    receiver: Receiver = field(default_factory=Receiver)
    pcm: list[Sound] = field(default_factory=list)

    def pull(self, now_us: int) -> None:
        self.pcm.append(np.frombuffer(self.receiver.pull(now_us).pcm, np.float32))

    @property
    def sound(self) -> Sound:
        return np.concatenate(self.pcm)


def speech_packets(
    sound: Sound, bitrate_bps: int, *, complexity: int = 9, dtx: bool = False
) -> list[tuple[bytes, int]]:
    """What a speaker's client sends."""
    encoder = Encoder(bitrate_bps=bitrate_bps, complexity=complexity, fec=False, dtx=dtx)
    return packets_of(sound, encoder)


def play(
    space: Space, said: Mapping[int, Sequence[tuple[bytes, int]]], *, ears: Sequence[int] = (LISTENER,)
) -> dict[int, Ear]:
    """Everybody in `said` talks from the first moment on; the ears of seats and of a listener hear it."""
    heard = {who: Ear() for who in ears}
    ready = {
        seat: [datagram(packets, i, up=True) for i in range(len(packets))] for seat, packets in said.items()
    }
    longest = max(len(each) for each in ready.values())
    for tick in range(longest + _SETTLE_TICKS):
        now_us = START_US + tick * FRAME_MS * 1000
        for seat, datagrams in ready.items():
            if tick < len(datagrams):
                space.put(seat, datagrams[tick], now_us + int(_TRANSIT_MS * 1000))
        done = space.tick(now_us + FRAME_MS * 500)
        for audience, packet in done.packets:
            for who, ear in heard.items():
                if audience == who or (audience == FULL and who not in done.excluded):
                    ear.receiver.put(packet, now_us + FRAME_MS * 500)
        for ear in heard.values():
            ear.pull(now_us + FRAME_MS * 600)
    return heard


def room(*seats: int, bitrate_bps: int, pass_through: bool = True, complexity: int = 9) -> Space:
    """A Space with these seats."""
    made = Space(bitrate_bps=bitrate_bps, complexity=complexity, pass_through=pass_through)
    for seat in seats:
        made.add_seat(seat)
    return made
