"""Where what is heard goes: an .opus or .wav file, the loudspeaker."""

from __future__ import annotations

import threading
import wave
from collections import deque
from pathlib import Path
from typing import Any, Final, Protocol

import av
import numpy as np
from av.error import FFmpegError

from signaling.cli.failures import Failure, Misuse
from signaling.cli.sound.devices import sounddevice
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ, Samples

__all__ = ["PLAY_FRAMES_KEPT", "Loudspeaker", "Sink", "check_recording", "open_recording"]

PLAY_FRAMES_KEPT: Final = 10
"""So many frames (200 ms) wait for the loudspeaker; then the oldest is dropped."""


class Sink(Protocol):
    """Takes frames of 960 samples, and is closed once."""

    def write(self, pcm: Samples) -> None: ...
    def close(self) -> None: ...


def open_recording(path: Path) -> Sink:
    """A file by its ending, .opus or .wav; what was there is replaced.

    Misuse: recording_kind. Failure: recording_unwritable.
    """
    try:
        return _kind(path)(path)
    except (OSError, FFmpegError) as error:
        raise _unwritable(path, error) from error


def check_recording(path: Path) -> None:
    """Refuse what open_recording would refuse, and leave what is there as it is."""
    _kind(path)
    was_there = path.exists()
    try:
        path.open("ab").close()
        if not was_there:
            path.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error


def _kind(path: Path) -> type[_OpusFile] | type[_WavFile]:
    kinds: dict[str, type[_OpusFile] | type[_WavFile]] = {".opus": _OpusFile, ".wav": _WavFile}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        ending = f"ends in {path.suffix!r}" if path.suffix else "has no ending"
        raise Misuse(
            "recording_kind",
            f"{str(path)!r} {ending} and what is heard is written as .opus or .wav",
            "give it one of these endings",
        )
    return kind


def _unwritable(path: Path, error: Exception) -> Failure:
    reason = getattr(error, "strerror", None) or str(error)
    return Failure(
        "recording_unwritable", f"{path} cannot be written ({reason})", "name a file in a directory that can"
    )


class _OpusFile:
    """Ogg Opus (RFC 7845), encoded by FFmpeg's libopus."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._container: Any = av.open(f"file:{path}", "w", format="opus")
        # 64 kbit/s at complexity 5: better than the room's own sound, at half a millisecond a frame.
        self._stream = self._container.add_stream("libopus", rate=RATE_HZ, options={"compression_level": "5"})
        self._stream.bit_rate = 64_000
        self._stream.layout = "mono"
        self._container.start_encoding()  # the file is made now, or refused now
        self._samples = 0

    def write(self, pcm: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = RATE_HZ
        frame.pts = self._samples
        self._samples += len(pcm)
        self._mux(frame)

    def close(self) -> None:
        try:
            self._mux(None)
        finally:
            self._container.close()

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (OSError, FFmpegError) as error:
            raise _unwritable(self._path, error) from error


class _WavFile:
    """16-bit PCM."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Opened here: a Wave_write that could not open its file complains when it is thrown away.
        self._stream = path.open("wb")
        self._file = wave.open(self._stream, "wb")  # noqa: SIM115 - closed in close()
        self._file.setparams((1, 2, RATE_HZ, 0, "NONE", "not compressed"))

    def write(self, pcm: Samples) -> None:
        try:
            self._file.writeframes(np.rint(np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes())
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._stream.close()


class Loudspeaker:
    """The loudspeaker, through sounddevice. Its callback runs in a thread of PortAudio's.

    At most 10 frames wait; `dropped` counts those thrown away for newer ones, `starved` the times nothing
    was there to play. Failure: extra_missing, no_loudspeaker.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.starved = 0
        self._frames: deque[Samples] = deque()
        self._lock = threading.Lock()
        device = sounddevice("--play")
        try:
            self._stream = device.OutputStream(
                samplerate=RATE_HZ, channels=1, dtype="float32", blocksize=FRAME_SAMPLES, callback=self._fill
            )
            self._stream.start()
        except device.PortAudioError as error:
            raise Failure(
                "no_loudspeaker", f"no loudspeaker can be opened ({error})", "leave out --play and use --out"
            ) from error

    def write(self, pcm: Samples) -> None:
        with self._lock:
            if len(self._frames) >= PLAY_FRAMES_KEPT:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(pcm)

    def close(self) -> None:
        self._stream.stop()
        self._stream.close()

    def _fill(self, out: Any, n_samples: int, time: object, status: object) -> None:
        with self._lock:
            frame = self._frames.popleft() if self._frames else None
        if frame is None:
            self.starved += 1
            out[:] = 0
        else:
            out[:, 0] = frame
