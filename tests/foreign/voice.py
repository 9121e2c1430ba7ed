"""The microphone and the loudspeaker of the client: paced by the loop's clock, without a sound card."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np

from tests.foreign.audio import FRAME_MS, Downlink, Uplink
from tests.foreign.opus import FRAME_SAMPLES, RATE, Encoder, Samples

MAX_LATE_MS = 200
MAX_KEPT_FRAMES = 3000


class Voice:
    """Sends what is given to `speak` as datagrams, and keeps what is heard."""

    def __init__(self, send: Callable[[bytes], None], *, redundancy: int = 0) -> None:
        self.heard: list[Samples] = []
        self.downlink = Downlink()
        self.uplink = Uplink(Encoder(), redundancy=redundancy)
        self._send = send

    def begin(self) -> None:
        """Another Space: another stream, with numbers of its own."""
        self.downlink = Downlink()

    def capture_clock(self) -> int:
        """The time of capture in samples; it goes on through silence and mute."""
        now_ms = int(asyncio.get_running_loop().time() * 1000)
        return now_ms // FRAME_MS * FRAME_SAMPLES

    def hush(self, timestamp: int | None = None) -> None:
        """Say that silence begins, if that was not said already."""
        datagram = self.uplink.hush(self.capture_clock() if timestamp is None else timestamp)
        if datagram is not None:
            self._send(datagram)

    async def speak(self, pcm: Samples, may_speak: Callable[[], bool]) -> int:
        """Send a sound at the pace of a microphone, then fall silent; the number of datagrams sent."""
        loop = asyncio.get_running_loop()
        begin_s, begin_samples, sent = loop.time(), self.capture_clock(), 0
        for at in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES):
            wait_s = begin_s + (at + FRAME_SAMPLES) / RATE - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            elif -wait_s * 1000 > MAX_LATE_MS:
                continue
            if not may_speak():
                return sent
            datagram = self.uplink.capture(pcm[at : at + FRAME_SAMPLES], begin_samples + at)
            if datagram is not None:
                self._send(datagram)
                sent += 1
        self.hush(begin_samples + len(pcm) // FRAME_SAMPLES * FRAME_SAMPLES)
        return sent

    async def hear(self, notify: Callable[[], None]) -> None:
        """Play 20 ms each 20 ms into `heard`, of which the newest minute is kept."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            due_s += FRAME_MS / 1000
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            self.heard.append(self.downlink.play())
            del self.heard[:-MAX_KEPT_FRAMES]
            notify()

    def pcm(self) -> Samples:
        """All that was kept, in one piece."""
        return np.concatenate(self.heard) if self.heard else np.zeros(0, dtype=np.float32)
