"""A slow, readable loudness meter (ITU-R BS.1770-4, one channel at 48 kHz) and the gain that follows it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float64]
SLOT = 4800


def biquad(sound: Sound, b: tuple[float, float, float], a: tuple[float, float]) -> Sound:
    """The difference equation as the standard writes it, starting from silence."""
    out = np.zeros(len(sound))
    padded = np.concatenate([np.zeros(2), sound])
    y1 = y2 = 0.0
    for i in range(len(sound)):
        y = b[0] * padded[i + 2] + b[1] * padded[i + 1] + b[2] * padded[i] - a[0] * y1 - a[1] * y2
        out[i] = y
        y1, y2 = y, y1
    return out


def k_weighted(sound: Sound) -> Sound:
    """Tables 1 and 2."""
    shelf = biquad(
        sound,
        (1.53512485958697, -2.69169618940638, 1.19839281085285),
        (-1.69065929318241, 0.73248077421585),
    )
    return biquad(shelf, (1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621))


def lufs(mean_square: float) -> float:
    return -0.691 + 10 * float(np.log10(mean_square))


@dataclass
class Follower:
    """What spacecore/loudness.pxd does, block by block."""

    blocks: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    below: list[float] = field(default_factory=list)
    young: int = 0
    gain_db: float = 0.0

    @property
    def speech(self) -> float:
        if not self.blocks:
            return 0.0
        blocks = np.array(self.blocks)
        return float(blocks[blocks >= 0.1 * blocks.mean()].mean())

    def block(self, mean_square: float, newest_slot: float) -> None:
        if mean_square < 1.172e-5:
            return
        if mean_square < 0.1 * self.speech:
            self.below.append(newest_slot)
            if len(self.below) == 100:
                if max(self.below) > 10 * min(self.below):
                    self.blocks.clear()
                self.below = []
            return
        self.below = []
        self.blocks.append(mean_square)
        self._move(float(np.clip(-23 - lufs(self.speech), -12, 12)))
        self.young += 1

    def _move(self, wanted: float) -> None:
        up, down = 0.05, 0.1
        if self.young < 20:
            up = down = 1.2
        elif self.gain_db - wanted > 6:
            down = 0.6
        self.gain_db += float(np.clip(wanted - self.gain_db, -down, up))


def gains_db(sound: Sound) -> list[float]:
    """The gain after each 100 ms."""
    weighted = k_weighted(sound)
    slots = [float(np.mean(weighted[i : i + SLOT] ** 2)) for i in range(0, len(sound) - SLOT + 1, SLOT)]
    follower = Follower()
    out = []
    for i, slot in enumerate(slots):
        if i >= 3:
            follower.block(float(np.mean(slots[i - 3 : i + 1])), slot)
        out.append(follower.gain_db)
    return out
