"""Our own receiver, datagrams in and sound out, over a trace in virtual time."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.quality.outcome import Outcome, outcome
from bench.quality.scores import lags_ms
from bench.quality.traces import FRAME_MS, Trace
from bench.quality.voices import Sound, monologue
from signaling.cli.sound.samples import FRAME_SAMPLES
from spacecore import Encoder, Receiver, level_of, pack_audio

FRAME_US = 20_000
_START_US = 1_000_000
_SAMPLES_PER_MS = 48
_WINDOW_FRAMES = 100  # 2 s: the fastest frame of these is where delay is counted from


@dataclass
class Run:
    """What came out: the figures, the sound of each pull, and what each was (`frame`, `concealed`, …)."""

    outcome: Outcome
    sound: Sound
    statuses: list[str]
    seqs: list[int | None]
    delays_ms: list[float]  # as the receiver says, at each pull that gave a frame
    targets_ms: list[float]
    scaled_at: list[int]  # pulls at which time scaling worked


def packets_of(sound: Sound, encoder: Encoder) -> list[tuple[bytes, int]]:
    """(packet, level) of each whole frame."""
    frames = np.ascontiguousarray(sound[: len(sound) // FRAME_SAMPLES * FRAME_SAMPLES]).reshape(
        -1, FRAME_SAMPLES
    )
    return [(encoder.encode(frame), level_of(frame)) for frame in frames]


def datagram(
    packets: Sequence[tuple[bytes, int]], i: int, copy_distance: int = 0, *, up: bool = False
) -> bytes:
    """Frame `i` as a server or a speaker sends it; with a distance, an earlier frame rides along."""
    packet, level = packets[i]
    redundant = [packets[i - copy_distance][0]] if 0 < copy_distance <= i else []
    return pack_audio(
        [packet],
        seq=i & 0xFFFF,
        timestamp=i * FRAME_SAMPLES & 0xFFFFFFFF,
        level=level,
        redundant=redundant,
        distance=max(copy_distance, 1),
        seats=None if up else [],
    )


@functools.cache
def spoken_datagrams(n_frames: int, bitrate_bps: int = 32_000) -> list[bytes]:
    """The monologue, encoded without DTX: a frame every 20 ms, so that a gap is always the network's."""
    encoder = Encoder(bitrate_bps=bitrate_bps, complexity=5, fec=False, dtx=False)
    packets = packets_of(monologue(n_frames), encoder)
    return [datagram(packets, i) for i in range(n_frames)]


@dataclass
class _Listening:
    """What is written down while a receiver runs."""

    receiver: Receiver = field(default_factory=Receiver)
    pcm: list[Sound] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    seqs: list[int | None] = field(default_factory=list)
    made_up: list[bool] = field(default_factory=list)
    delays_ms: list[float] = field(default_factory=list)
    targets_ms: list[float] = field(default_factory=list)
    scaled_at: list[int] = field(default_factory=list)
    _accelerated: int = 0
    _stretched: int = 0

    def pull(self, now_us: int) -> None:
        heard = self.receiver.pull(now_us)
        stats = self.receiver.stats
        stretched = stats.stretched_samples - self._stretched
        if stretched or stats.accelerated_samples != self._accelerated:
            self.scaled_at.append(len(self.statuses))
        self._stretched, self._accelerated = stats.stretched_samples, stats.accelerated_samples
        self.pcm.append(np.frombuffer(heard.pcm, np.float32))
        self.statuses.append(heard.status)
        self.seqs.append(heard.seq)
        # The sender never pauses: silence that is no stretching is a hole.
        self.made_up.append(heard.status == "concealed" or (heard.status == "silence" and not stretched))
        self.targets_ms.append(stats.target_ms)
        if heard.status == "frame":
            self.delays_ms.append(stats.delay_ms)


def ours(trace: Trace, datagrams: Sequence[bytes] | None = None) -> Run:
    """The whole trace through a Receiver that is pulled every 20 ms from the first arrival on."""
    sent = spoken_datagrams(len(trace.delay_ms)) if datagrams is None else datagrams
    listening = _Listening()
    for now_us, arrived in _ticks(trace):
        for came_us, number in arrived:
            listening.receiver.put(sent[number], came_us)
        if listening.receiver.stats.datagrams:
            listening.pull(now_us)
    stats = listening.receiver.stats
    first = next((i for i, each in enumerate(listening.statuses) if each != "silence"), 0)
    found = outcome(
        made_up=listening.made_up[first:],
        step_ms=FRAME_MS,
        # Of a pull in which what was held ran out only the rest is made up: the receiver counts that exactly.
        concealed_ms=(stats.concealed_samples + stats.interrupted_samples) / _SAMPLES_PER_MS,
        dropped_ms=stats.late * FRAME_MS + stats.dropped_samples / _SAMPLES_PER_MS,
        accelerated_ms=stats.accelerated_samples / _SAMPLES_PER_MS,
        stretched_ms=stats.stretched_samples / _SAMPLES_PER_MS,
        delays_ms=listening.delays_ms,
    )
    return Run(
        found,
        np.concatenate(listening.pcm),
        listening.statuses,
        listening.seqs,
        listening.delays_ms,
        listening.targets_ms,
        listening.scaled_at,
    )


def _ticks(trace: Trace) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """For each tick of 20 ms its time in µs, and (time, number) of what arrived since the one before."""
    arrivals = trace.arrivals()
    at = 0
    for now_ms in range(0, min(len(trace.delay_ms) * FRAME_MS, int(arrivals[-1][0])), FRAME_MS):
        arrived = []
        while at < len(arrivals) and arrivals[at][0] <= now_ms:
            came_ms, number = arrivals[at]
            arrived.append((_START_US + int(came_ms * 1000), number))
            at += 1
        yield _START_US + now_ms * 1000, arrived


def heard_delay_ms(trace: Trace, run: Run) -> float:
    """The mean delay above the fastest frame, found in the sound itself; the receiver is not asked."""
    first_pull = next(i for i, (_, arrived) in enumerate(_ticks(trace)) if arrived)
    source = monologue(len(trace.delay_ms))
    silence = np.zeros(first_pull * FRAME_SAMPLES, np.float32)
    marks = lags_ms(source, np.concatenate([silence, run.sound]))
    if not marks:
        return float("nan")
    base = running_least(trace.delay_ms, _WINDOW_FRAMES)
    frames = [min(int(at_s * 1000 / FRAME_MS), len(base) - 1) for at_s, _ in marks]
    return float(np.mean([lag - base[i] for (_, lag), i in zip(marks, frames, strict=True)]))


def running_least(values: np.ndarray, window: int) -> np.ndarray:
    """The least of each value and the `window` before it."""
    padded = np.concatenate([np.full(window, np.inf), values])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, window + 1).min(axis=1))
