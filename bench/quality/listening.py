"""The sound that a jitter buffer gave, judged where it was worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.quality.ours import Run, spoken_datagrams
from bench.quality.outcome import fastest_ms
from bench.quality.scores import lags_ms, pesq, visqol
from bench.quality.traces import FRAME_MS, Trace
from bench.quality.voices import Sound, monologue
from signaling.cli.sound.samples import FRAME_SAMPLES, RATE_HZ
from spacecore import Decoder, parse_audio

WINDOW_FRAMES = 200  # 4 s
_EDGE_FRAMES = 60  # nothing is searched for beyond the ends of the source


@dataclass(frozen=True)
class Heard:
    """A run's sound, its source, and what happened in each 20 ms of it."""

    source: Sound
    sound: Sound
    spoilt: np.ndarray  # bool for each frame of the sound
    scaled: np.ndarray


def heard_ours(trace: Trace, run: Run) -> Heard:
    spoilt = np.array([status == "concealed" for status in run.statuses])
    scaled = np.zeros(len(spoilt), bool)
    scaled[run.scaled_at] = True
    return Heard(monologue(len(trace.delay_ms)), run.sound, spoilt, scaled)


def heard_speexdsp(trace: Trace, played: Sequence[int | None]) -> Heard:
    return rendered(trace, played)


def heard_fixed(trace: Trace, delay_ms: float) -> Heard:
    """Each frame in its turn, or concealed."""
    late = trace.delay_ms - fastest_ms(trace.delay_ms[~trace.lost]) > delay_ms
    return rendered(trace, [None if late[i] or trace.lost[i] else i for i in range(len(late))])


def rendered(trace: Trace, played: Sequence[int | None]) -> Heard:
    """The frames as a decoder gives them, concealed where there is None; a jump counts as scaled."""
    decoder = Decoder()
    sent = spoken_datagrams(len(trace.delay_ms))
    pcm = [
        decoder.conceal() if i is None else decoder.decode(parse_audio(sent[i], down=True).frames[0])
        for i in played
    ]
    offsets = np.array([np.nan if i is None else i - place for place, i in enumerate(played)])
    known = np.flatnonzero(~np.isnan(offsets))
    jumped = np.zeros(len(played), bool)
    jumped[known[1:]] = np.diff(offsets[known]) != 0
    return Heard(
        monologue(len(trace.delay_ms)),
        np.concatenate([np.frombuffer(each, np.float32) for each in pcm]),
        np.array([i is None for i in played]),
        jumped,
    )


def judged(heard: Heard) -> dict[str, float | None]:
    """ViSQOL of the worst 4 s; PESQ too where nothing was scaled there."""
    first = worst_window(heard.spoilt | heard.scaled)
    window = slice(first, first + WINDOW_FRAMES)
    span = slice(first * FRAME_SAMPLES, (first + WINDOW_FRAMES) * FRAME_SAMPLES)
    lag_ms = _lag_ms(heard, first)
    if lag_ms is None:
        return {"visqol_worst": None, "pesq_worst": None}
    shift = round(lag_ms * RATE_HZ / 1000)
    reference, sound = heard.source[max(0, span.start - shift) : span.stop - shift], heard.sound[span]
    scaled = bool(heard.scaled[window].any())
    return {
        "visqol_worst": visqol(reference, sound),
        "pesq_worst": None if scaled else pesq(reference, sound),
    }


def worst_window(bad: np.ndarray) -> int:
    """Where the 4 s begin in which the most happened, away from both ends."""
    counts = np.convolve(bad[_EDGE_FRAMES:-_EDGE_FRAMES], np.ones(WINDOW_FRAMES), "valid")
    return _EDGE_FRAMES + int(counts.argmax())


def _lag_ms(heard: Heard, first: int) -> float | None:
    """How far the window lies behind the source, codec included."""
    near = [(abs(at_s * 1000 / FRAME_MS - first), lag) for at_s, lag in lags_ms(heard.source, heard.sound)]
    return min(near)[1] if near else None
