"""A room of PCM seats in numpy, tick by tick: who is heard, and what the mix and each voice sound like."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from tests.oracles.mixer_reference import FRAME, Floats, LimiterReference, level, ramp

SILENCE = 127
OPEN_LEVEL, CLOSE_LEVEL, HANGOVER_FRAMES = 50, 60, 20
QUEUE_BOUND, QUEUE_ROOM = 25, 32


@dataclass
class Gate:
    """Heard from a level of -50 dBov on, until 20 frames in a row were quieter than -60."""

    audible: bool = False
    quiet: int = 0

    def update(self, dbov: int) -> bool:
        if dbov <= OPEN_LEVEL:
            self.audible, self.quiet = True, 0
        elif dbov > CLOSE_LEVEL:
            self.quiet += 1
            self.audible = self.audible and self.quiet < HANGOVER_FRAMES
        elif self.audible:
            self.quiet = 0
        return self.audible


@dataclass
class Seat:
    gain: float
    now: float
    muted: bool = False
    gate: Gate = field(default_factory=Gate)
    queue: deque[Floats] = field(default_factory=deque)

    @property
    def target(self) -> float:
        return 0.0 if self.muted else self.gain

    def voice(self) -> Floats | None:
        """What is heard of the seat in one tick; None where it is not in the mix."""
        while len(self.queue) > QUEUE_BOUND:
            self.queue.popleft()
        pcm = self.queue.popleft() if self.queue else None
        if self.muted and self.now == 0.0:
            self.gate = Gate()
            return None
        claimed = SILENCE if pcm is None else int(level(pcm)[0])
        audible = self.gate.update(claimed)
        before, self.now = self.now, self.target
        if not audible:
            return None
        spoken = np.zeros(FRAME) if pcm is None else pcm
        return ramp(spoken[None, :], np.array([before]), np.array([self.target]))[0]


class SpaceReference:
    """The same verbs as spacecore.Space, for seats that are fed PCM."""

    def __init__(self) -> None:
        self.seats: dict[int, Seat] = {}
        self.limiter = LimiterReference(1)

    def add_seat(self, seat: int, gain_db: float) -> None:
        linear = 10 ** (gain_db / 20)
        self.seats[seat] = Seat(linear, linear)

    def put_pcm(self, seat: int, pcm: Floats) -> bool:
        queue = self.seats[seat].queue
        if len(queue) >= QUEUE_ROOM:
            return False
        queue.append(pcm.astype(np.float64))
        return True

    def tick(self) -> tuple[dict[int, Floats], Floats | None]:
        """The voices in the mix by seat, and the mix, None in silence."""
        heard = {number: seat.voice() for number, seat in sorted(self.seats.items())}
        voices = {number: voice for number, voice in heard.items() if voice is not None}
        if not voices:
            return {}, None
        return voices, self.limiter.apply(np.sum(list(voices.values()), axis=0)[None, :])[0]
