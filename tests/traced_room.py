"""A seeded room in virtual time whose trace is written down: three people talk over a bad network."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import lru_cache

from signaling.trace.file import Header, TraceFile
from signaling.trace.records import End, Record, parse
from spacecore import Encoder, Space, level_of, pack_audio
from tests.oracles.voice import voice

TICK_US = 20_000
SETTINGS = {
    **{"bitrate_bps": 32_000, "complexity": 0, "fec": True, "loss_pct": 0, "keep_alive_ms": 5_000},
    **{"loudness": True, "denoise": False, "pass_through": True},
}
MOST_FRAMES = 500


@lru_cache
def spoken() -> tuple[tuple[bytes, int], ...]:
    """10 s of speech, as packets with in-band FEC and their levels."""
    encoder = Encoder(bitrate_bps=32_000, complexity=0, fec=True, loss_pct=20)
    return tuple((encoder.encode(pcm), level_of(pcm)) for pcm in voice(MOST_FRAMES, seed=1))


@dataclass
class TracedRoom:
    """Runs `seconds`; `records` is its trace. Each seat talks in turns, now alone and now together."""

    seed: int
    seconds: float = 10.0
    audio: bool = False
    seats: tuple[int, ...] = (0, 1, 7)
    traced_from: int = 0
    records: list[Record] = field(default_factory=list)
    dropped: int = 0

    def __post_init__(self) -> None:
        self.space = Space(**SETTINGS)
        self._random = random.Random(self.seed)
        self._due: list[tuple[int, int, bytes]] = []
        self._run()

    @property
    def file(self) -> TraceFile:
        header = Header("00" * 16, 0, self.audio, SETTINGS)
        return TraceFile(header, (*self.records, End(-1, 0, "stopped", self.dropped)))

    def _run(self) -> None:
        n = int(self.seconds * 50)
        for seat in self.seats:
            self._send(seat, n)
        self._due.sort()
        trace = None
        for tick in range(n):
            if tick == self.traced_from:
                trace = self.space.trace(audio=self.audio)
            if tick == 2:
                for seat in self.seats:
                    self.space.add_seat(seat)
            self._act(tick, n)
            now_us = tick * TICK_US + 3_000
            while self._due and self._due[0][0] <= now_us:
                at_us, seat, datagram = self._due.pop(0)
                self.space.put(seat, datagram, at_us)
            self.space.tick(now_us)
            if trace is not None:
                self.records += [parse(data) for data in trace.read()]
        assert trace is not None
        trace.stop()
        self.space.tick(n * TICK_US + 3_000)
        self.records += [parse(data) for data in trace.read()]
        self.dropped = trace.dropped
        assert trace.is_over
        trace.close()

    def _act(self, tick: int, n: int) -> None:
        if tick == n // 3:
            self.space.mute(self.seats[1])
        if tick == n // 2:
            self.space.mute(self.seats[1], False)
            self.space.set_gain(self.seats[0], -6.0)
        if tick == 3 * n // 4:
            self.space.remove_seat(self.seats[-1])

    def _send(self, seat: int, n: int) -> None:
        """What the person in the seat sends, and when it arrives: late, twice, out of order or never."""
        turn, seq = seat % 3, 65_400 + seat
        offset_us = self._random.randrange(TICK_US)
        for frame in range(n):
            if (frame // 60 + turn) % 3 == 2:
                continue  # somebody else's turn
            opus, level = spoken()[(frame + 97 * seat) % MOST_FRAMES]
            datagram = pack_audio([opus], seq=seq & 0xFFFF, timestamp=frame * 960, level=level)
            seq += 1
            if self._random.random() < 0.04:
                continue
            spike_us = 150_000 if self._random.random() < 0.01 else 0
            at_us = offset_us + frame * TICK_US + int(self._random.expovariate(1 / 12_000)) + spike_us
            for _ in range(2 if self._random.random() < 0.01 else 1):
                self._due.append((at_us, seat, datagram))
