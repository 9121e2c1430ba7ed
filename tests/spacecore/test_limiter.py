"""No input whatever makes the limiter wrap: samples stay within full scale, keep their sign, never grow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore import Limiter, Space, true_peak
from tests.people import TICK_US
from tests.signals import FRAME, Samples, voice

SHAPES = ("noise", "square", "impulse", "alternating", "constant", "voice")
EXTREMES = st.one_of(
    st.floats(0, 8, width=32),
    st.sampled_from([np.float32(x) for x in (1.0, 64.0, 65.0, 1e10, 3.4e38, 1e-38, 1.4e-45)]),
)


def shaped(shape: str, peak: np.float32, rng: np.random.Generator) -> Samples:
    """One frame."""
    if shape == "noise":
        unit = rng.uniform(-1, 1, FRAME)
    elif shape == "square":
        unit = np.sign(np.sin(2 * np.pi * rng.uniform(20, 20_000) * np.arange(FRAME) / 48_000 + 0.1))
    elif shape == "impulse":
        unit = np.zeros(FRAME)
        unit[rng.integers(0, FRAME, 3)] = rng.choice([-1, 1], 3)
    elif shape == "alternating":
        unit = np.tile([1.0, -1.0], FRAME // 2)
    elif shape == "constant":
        unit = np.ones(FRAME)
    else:
        unit = np.sin(2 * np.pi * 140 * np.arange(FRAME) / 48_000) * rng.uniform(0, 1)
    return unit.astype(np.float32) * np.float32(peak)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(SHAPES), EXTREMES), min_size=1, max_size=8), st.integers(0, 2**32 - 1)
)
def test_what_comes_out_is_what_went_in_made_smaller(parts: list[tuple[str, np.float32]], seed: int) -> None:
    """Frame after frame with the state of those before: |out| ≤ 1, |out| ≤ |in|, and the sign is kept."""
    rng = np.random.default_rng(seed)
    limiter = Limiter()
    for shape, peak in parts:
        before = shaped(shape, peak, rng)
        after = before.copy()
        limiter.apply(after)
        assert np.abs(after).max() <= 1.0
        assert np.all(np.abs(after) <= np.abs(before))
        assert np.all(after * np.sign(before) >= 0)
        in_16_bits = np.rint(after.astype(np.float64) * 32767)
        assert in_16_bits.min() >= -32767
        assert in_16_bits.max() <= 32767
        assert 0 <= limiter.gain <= 1


@pytest.mark.parametrize("voices", [2, 6, 13, 32])
def test_a_room_of_full_scale_squares_stays_within_full_scale(voices: int) -> None:
    """Also what each of them hears, and what a decoder makes of it is a number."""
    space = Space(complexity=0)
    for seat in range(voices):
        space.add_seat(seat, pcm=True, gain_db=20.0)
    tap = space.tap(seats=False)
    t = np.arange(FRAME)
    for i in range(6):
        for seat in range(voices):
            space.put_pcm(seat, np.sign(np.sin(t * (0.01 + 0.001 * seat) + i)).astype(np.float32))
        space.tick(i * TICK_US)
    peaks = [np.abs(np.array(taken.pcm)).max() for taken in tap.read()]
    assert len(peaks) == 6
    assert max(peaks) <= 1.0


def test_the_true_peak_of_six_loud_voices() -> None:
    """Each at −14 dBFS RMS: samples end at 0 dBFS, and between them the mix goes not far beyond."""
    limiter, out = Limiter(), []
    mix = np.zeros(2 * 48_000, np.float32)
    for seed in range(6):
        sound = voice(seed, 2.0)
        mix += sound * np.float32(10 ** (-14 / 20) / np.sqrt(np.mean(sound**2)))
    assert np.abs(mix).max() > 1.5
    for i in range(0, len(mix), FRAME):
        frame = mix[i : i + FRAME].copy()
        limiter.apply(frame)
        out.append(frame)
    limited = np.concatenate(out)
    assert np.abs(limited).max() <= 1.0
    assert np.abs(limited).max() > 0.99
    assert true_peak(limited) < 0.1  # dBTP
