"""The microphone, through sounddevice, as frames for a Space."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

import numpy as np

from signaling.cli.failures import Failure
from signaling.cli.sound.devices import sounddevice
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ, Samples

__all__ = ["MIC_FRAMES_KEPT", "Microphone"]

MIC_FRAMES_KEPT: Final = 10
"""So many frames (200 ms) wait to be sent; then the oldest is dropped."""


class Microphone:
    """Iterate over `frames()`; `close` ends them. `dropped` counts frames that nobody took in time.

    Failure: extra_missing, no_microphone.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._loop = asyncio.get_running_loop()
        self._frames: asyncio.Queue[Samples | None] = asyncio.Queue()
        device = sounddevice("the microphone")
        try:
            self._stream = device.InputStream(
                samplerate=RATE_HZ, channels=1, dtype="float32", blocksize=FRAME_SAMPLES, callback=self._take
            )
            self._stream.start()
        except device.PortAudioError as error:
            raise Failure(
                "no_microphone", f"no microphone can be opened ({error})", "name a file with --audio instead"
            ) from error

    async def frames(self) -> AsyncIterator[Samples]:
        """What is said, as it is said."""
        while (frame := await self._frames.get()) is not None:
            yield frame

    def close(self) -> None:
        """Switch it off."""
        self._stream.stop()
        self._stream.close()
        self._frames.put_nowait(None)

    def _take(self, sound: Any, n_samples: int, time: object, status: object) -> None:
        # In PortAudio's thread, in a buffer of PortAudio's: copied, and handed over to the loop.
        self._loop.call_soon_threadsafe(self._put, np.array(sound[:, 0], np.float32))

    def _put(self, frame: Samples) -> None:
        if self._frames.qsize() >= MIC_FRAMES_KEPT:
            self._frames.get_nowait()
            self.dropped += 1
        self._frames.put_nowait(frame)
