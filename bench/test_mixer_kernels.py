"""Each mixer kernel beside its numpy oracle on the same float32 input; one group a kernel.

Native figures include the call from Python (about 0.3 µs), which a room does not pay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spacecore._mixer import Limiter, Mixer, Ramp, level_of, minus_into, sum_into
from tests.oracles import mixer_reference as reference

FRAME = 960
SEATS = 5
Call = Callable[[], object]


def voices(seats: int, rms: float = 0.1) -> reference.Floats:
    """As many voices at −20 dBFS: the sum of five reaches the limiter's knee in most frames."""
    return (np.random.default_rng(2).standard_normal((seats, FRAME)) * rms).astype(np.float32)


def ramp_pair() -> tuple[Call, Call]:
    pcm, ramp = voices(1), Ramp(0.5)
    gain, target = np.full(1, 0.5, np.float32), np.full(1, 0.5, np.float32)
    scratch = pcm.copy()

    def native() -> None:
        scratch[:] = pcm  # in place: without this the samples would fade into denormals
        ramp.apply(scratch)

    return native, lambda: reference.ramp(pcm, gain, target)


def sum_pair() -> tuple[Call, Call]:
    rows, mix = voices(SEATS), np.empty(FRAME, np.float32)
    return lambda: sum_into(mix, rows), lambda: np.sum(rows, axis=0, out=mix)


def minus_pair() -> tuple[Call, Call]:
    (mix, own), out = voices(2), np.empty(FRAME, np.float32)
    return lambda: minus_into(out, mix, own), lambda: np.subtract(mix, own, out=out)


def limiter_pair(rms: float) -> tuple[Call, Call]:
    pcm, limiter, rival = voices(1, rms), Limiter(), reference.LimiterReference(1, np.float32)
    scratch = pcm.copy()

    def native() -> None:
        scratch[:] = pcm
        limiter.apply(scratch)

    return native, lambda: rival.apply(pcm)


def level_pair() -> tuple[Call, Call]:
    pcm = voices(1)
    return lambda: level_of(pcm), lambda: reference.level(pcm)


def mix_pair(seats: int = SEATS) -> tuple[Call, Call]:
    rows, mixer, rival = voices(seats), Mixer(seats), reference.MixerReference(seats, np.float32)
    return lambda: mixer.mix(rows), lambda: rival.mix(rows)


PAIRS: dict[str, Callable[[], tuple[Call, Call]]] = {
    "ramp": ramp_pair,
    "sum of 5": sum_pair,
    "minus": minus_pair,
    "limiter below the knee": lambda: limiter_pair(0.1),
    "limiter at work": lambda: limiter_pair(0.5),
    "level": level_pair,
    "mix of 1": lambda: mix_pair(1),
    "mix of 3": lambda: mix_pair(3),
    "mix of 5": lambda: mix_pair(5),
    "mix of 13": lambda: mix_pair(13),
}


@pytest.mark.parametrize("contender", ["native", "numpy"])
@pytest.mark.parametrize("kernel", PAIRS)
def test_kernel(kernel: str, contender: str, benchmark: Any) -> None:
    benchmark.group = kernel
    native, oracle = PAIRS[kernel]()
    benchmark.pedantic(
        native if contender == "native" else oracle, rounds=200, iterations=50, warmup_rounds=10
    )


def cpu_us(call: Call, repeats: int = 15, calls: int = 200) -> float:
    """CPU time of one call: the least of several runs, so that a busy machine does not decide."""
    runs = []
    for _ in range(repeats):
        start = time.thread_time_ns()
        for _ in range(calls):
            call()
        runs.append((time.thread_time_ns() - start) / calls / 1000)
    return min(runs)


def test_five_audible_seats_stay_within_the_budget() -> None:
    """The promise: at most 60 µs of CPU a tick, and at least 5 times faster than vectorised numpy."""
    native, oracle = mix_pair(5)
    native_us, oracle_us = cpu_us(native), cpu_us(oracle, repeats=7)
    assert native_us <= 60
    assert oracle_us >= 5 * native_us
