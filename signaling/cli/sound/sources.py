"""Files to speak from: anything PyAV reads, as frames of 20 ms, decoded as they are needed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import av
import numpy as np
from av.error import FFmpegError

from signaling.cli.failures import Failure
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ, Samples

__all__ = ["AudioFile", "ahead", "load"]

_BATCH_FRAMES: Final = 50  # 1 s: decoded in a thread while the second before it is spoken


class AudioFile:
    """One opened file with sound in it. Iterate over it once; `with` closes it.

    `seconds` is how long the file says it is, or None. `broken` counts packets that could not be decoded and
    were passed over. Failure on opening: file_missing, file_unreadable, file_not_media, file_without_audio.
    While iterating: file_broken, if not one frame could be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.broken = 0
        self._container = _opened(path)
        try:
            if not self._container.streams.audio:
                raise Failure(
                    "file_without_audio",
                    f"{path} has {_streams(self._container)} and no sound",
                    "name a file with an audio track",
                )
            self._stream = self._container.streams.audio[0]
        except BaseException:
            self._container.close()
            raise

    @property
    def seconds(self) -> float | None:
        """How long the file says it is."""
        duration = self._container.duration
        return None if duration is None else duration / av.time_base

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; twice is harmless."""
        self._container.close()

    def __iter__(self) -> Iterator[Samples]:
        """Frames of 960 samples; the last one is filled up with silence."""
        rest = np.zeros(0, np.float32)
        found = False
        for piece in self._pieces():
            rest = np.concatenate([rest, piece]) if rest.size else piece
            whole = len(rest) // FRAME_SAMPLES * FRAME_SAMPLES
            for at in range(0, whole, FRAME_SAMPLES):
                found = True
                yield np.clip(rest[at : at + FRAME_SAMPLES], -1.0, 1.0)
            rest = rest[whole:]
        if rest.size:
            found = True
            yield np.clip(np.pad(rest, (0, FRAME_SAMPLES - len(rest))), -1.0, 1.0)
        if not found:
            raise Failure(
                "file_broken",
                f"{self.path} has an audio track, but no sound could be decoded from it",
                "check that the file is whole, or name another",
            )

    def _pieces(self) -> Iterator[Samples]:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
        for frame in self._decoded():
            for piece in resampler.resample(frame):
                yield piece.to_ndarray()[0]
        for piece in resampler.resample(None):
            yield piece.to_ndarray()[0]

    def _decoded(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from cast("list[Any]", packet.decode())
            except FFmpegError:
                # As players do: a damaged stretch is passed over. A demuxer that failed gives no more.
                self.broken += 1


async def ahead(frames: Iterator[Samples]) -> AsyncIterator[Samples]:
    """The same frames, taken in a thread a second ahead: the loop never waits on a disk or a decoder."""

    def take() -> list[Samples]:
        return list(itertools.islice(frames, _BATCH_FRAMES))

    coming = asyncio.create_task(asyncio.to_thread(take))
    try:
        while batch := await coming:
            coming = asyncio.create_task(asyncio.to_thread(take))
            for frame in batch:
                yield frame
    finally:
        if not coming.done():
            # The thread still holds the file: whoever closes it next must not do so under its hands.
            await asyncio.wait([coming])
        if not coming.cancelled():
            coming.exception()


def load(path: Path, most_s: float) -> Samples:
    """The first `most_s` seconds of a file. Failure as for AudioFile."""
    with AudioFile(path) as file:
        frames = list(itertools.islice(file, int(most_s * RATE_HZ / FRAME_SAMPLES)))
    return np.concatenate(frames)


def _opened(path: Path) -> Any:
    # PyAV would take a name with a scheme as an address on the network: only files are meant here.
    if not path.exists():
        raise Failure("file_missing", f"there is no file {path}", "check its name")
    if not path.is_file():
        raise Failure("file_unreadable", f"{path} is no file", "name one to speak from")
    try:
        return av.open(f"file:{path}", mode="r", metadata_errors="replace")
    except PermissionError as error:
        raise Failure("file_unreadable", f"{path} may not be read", "change its permissions") from error
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Failure(
            "file_not_media", f"{path} is no audio file that can be read ({reason})", "name another"
        ) from error


def _streams(container: Any) -> str:
    kinds = [stream.type for stream in container.streams]
    if not kinds:
        return "no streams"
    return ", ".join(f"{kinds.count(kind)} {kind} stream(s)" for kind in dict.fromkeys(kinds))
