"""People for the engine's tests: talkers that send datagrams and ears that hear them, in virtual time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spacecore import Encoder, Receiver, Space, Tick, level_of, pack_audio
from tests.signals import FRAME, Samples, frames

TICK_US = 20_000
SILENT_LEVEL = 127


@dataclass
class Talker:
    """Encodes a sound frame by frame and packs it as a client would."""

    sound: Samples
    seq: int = 0
    timestamp: int = 0
    claimed_level: int | None = None
    encoder: Encoder = field(default_factory=lambda: Encoder(bitrate_bps=48000, dtx=False))

    def __post_init__(self) -> None:
        self._frames = iter(frames(self.sound))

    def datagram(self) -> bytes | None:
        """The next 20 ms, or None when the sound is over."""
        pcm = next(self._frames, None)
        if pcm is None:
            return None
        level = level_of(pcm) if self.claimed_level is None else self.claimed_level
        packed = pack_audio([self.encoder.encode(pcm)], seq=self.seq, timestamp=self.timestamp, level=level)
        self.seq = (self.seq + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
        return packed


@dataclass
class Ear:
    """Receives what a room sends and keeps all it hears."""

    receiver: Receiver = field(default_factory=Receiver)
    heard: list[Samples] = field(default_factory=list)
    arrived: int = 0

    def hear(self, datagrams: list[bytes], now_us: int) -> None:
        for datagram in datagrams:
            self.arrived += 1
            self.receiver.put(datagram, now_us)
        self.heard.append(np.array(self.receiver.pull(now_us + 1000).pcm))

    @property
    def sound(self) -> Samples:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.float32)


def for_seat(tick: Tick, seat: int | None) -> list[bytes]:
    """What a tick has for the person in `seat`, or for a listener (None): the audience rule, in one place."""
    own = [data for audience, data in tick.packets if audience == seat]
    full = [data for audience, data in tick.packets if audience == -1]
    return own + (full if seat is None or seat not in tick.excluded else [])


class Room:
    """A Space with talkers in its seats and ears for every one of them and for one listener."""

    def __init__(self, space: Space, sounds: dict[int, Samples]) -> None:
        self.space = space
        self.talkers = {seat: Talker(sound) for seat, sound in sounds.items()}
        self.ears: dict[int | None, Ear] = {seat: Ear() for seat in [*sounds, None]}
        self.now_us = 1_000_000
        self.ticks: list[Tick] = []
        for seat in sounds:
            space.add_seat(seat)

    def run(self, n_ticks: int) -> None:
        for _ in range(n_ticks):
            for seat, talker in self.talkers.items():
                datagram = talker.datagram()
                if datagram is not None:
                    self.space.put(seat, datagram, self.now_us)
            tick = self.space.tick(self.now_us + 5000)
            self.ticks.append(tick)
            for seat, ear in self.ears.items():
                ear.hear(for_seat(tick, seat), self.now_us + 6000)
            self.now_us += TICK_US
