"""One talker: Opus frames, one every 20 ms on an absolute grid, handed to whoever sends them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import cache

from spacecore import Encoder
from tests.signals import frames, voice

FRAME_MS = 20
FRAMES_PER_S = 1000 // FRAME_MS
BITRATE_BPS = 32_000
SOUND_S = 4.0


@cache
def speech() -> tuple[bytes, ...]:
    """Opus packets of `SOUND_S` of seeded voice."""
    encoder = Encoder(bitrate_bps=BITRATE_BPS, dtx=False)
    return tuple(encoder.encode(pcm) for pcm in frames(voice(1, SOUND_S)))


class Talker:
    """Calls `send(number, frame)` from a thread of its own until `close`, or until that fails: `failure`."""

    def __init__(self, send: Callable[[int, bytes], object]) -> None:
        self._send = send
        self.failure: OSError | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._talk, name="talker", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ends.set()
        self._thread.join()

    def _talk(self) -> None:
        sound = speech()
        began = time.monotonic()
        number = 0
        while not self._ends.is_set():
            try:
                self._send(number, sound[number % len(sound)])
            except OSError as error:
                self.failure = error
                return
            number += 1
            time.sleep(max(0.0, began + number * FRAME_MS / 1000 - time.monotonic()))
