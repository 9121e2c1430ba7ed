"""What must hold for every mix: agreement with the numpy oracle, order, bounds, and no lasting harm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore._mixer import Gate, Limiter, Mixer, Ramp, level_of, loudest_of
from tests.oracles import mixer_reference as reference

FRAME = 960
LSB = 1 / 32768
quick = settings(deadline=None, max_examples=60, derandomize=True)

seeds = st.integers(0, 2**32 - 1)
seat_counts = st.integers(1, 13)
loudness = st.floats(0.001, 1.0)
gains = st.one_of(st.just(0.0), st.just(1.0), st.floats(0.0, 1.0))


def speech(rng: np.random.Generator, rows: int, loud: float) -> np.ndarray:
    """Bursts of noise and tones within ±1, some rows silent: nothing is known about it but the bounds."""
    pcm = rng.standard_normal((rows, FRAME)) * rng.choice([0, 0.2, 0.5, 1], (rows, 1))
    pcm += np.sin(np.arange(FRAME) * rng.uniform(0.001, 0.5, (rows, 1))) * rng.choice([0, 1], (rows, 1))
    pcm *= np.repeat(rng.choice([0.01, 0.3, 1], (rows, 20)), 48, axis=1)
    return np.clip(pcm * loud, -1, 1).astype(np.float32)


def any_floats(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Random bit patterns: NaN, infinities, denormals and huge numbers among them."""
    return np.frombuffer(rng.bytes(4 * rows * FRAME), np.float32).reshape(rows, FRAME)


@quick
@given(seeds, seat_counts, loudness, st.lists(gains, min_size=4, max_size=4))
def test_the_whole_mix_agrees_with_the_oracle(seed: int, seats: int, loud: float, wanted: list) -> None:
    rng = np.random.default_rng(seed)
    mixer, oracle = Mixer(seats), reference.MixerReference(seats)
    for gain in wanted:
        voices = speech(rng, seats, loud)
        frame_gains = [gain * rng.choice([0.5, 1]) for _ in range(seats)]
        full, minus = mixer.mix(voices, frame_gains)
        want_full, want_minus = oracle.mix(voices.astype(np.float64), frame_gains)
        np.testing.assert_allclose(full, want_full, atol=1e-5)
        np.testing.assert_allclose(minus, want_minus, atol=1e-5)
        # A level next to a rounding edge may fall on either side of it.
        assert np.abs(np.array(mixer.levels) - oracle.levels).max() <= 1


@quick
@given(seeds, seat_counts, loudness)
def test_the_order_of_the_seats_changes_at_most_one_step_of_int16(seed: int, seats: int, loud: float) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(seats)
    mixer, permuted = Mixer(seats), Mixer(seats)
    for _ in range(3):
        voices = speech(rng, seats, loud)
        full, minus = (np.asarray(part) for part in mixer.mix(voices))
        other_full, other_minus = (np.asarray(part) for part in permuted.mix(voices[order]))
        assert np.abs(full - other_full).max() <= LSB
        assert np.abs(minus[order] - other_minus).max() <= LSB


@quick
@given(seeds, seat_counts, st.floats(0, 64))
def test_whatever_comes_in_what_goes_out_is_within_full_scale_and_heals(
    seed: int, seats: int, gain: float
) -> None:
    rng = np.random.default_rng(seed)
    mixer = Mixer(seats)
    for _ in range(3):
        for part in mixer.mix(any_floats(rng, seats), [gain] * seats):
            assert np.abs(np.asarray(part)).max() <= 1  # false for NaN, too
    silence = np.zeros((seats, FRAME), np.float32)
    mixer.mix(silence, [1.0] * seats)
    for _ in range(38):
        mixer.mix(silence)
    voices = speech(rng, seats, 0.9 / seats)
    full, minus = mixer.mix(voices)
    want_full, want_minus = Mixer(seats).mix(voices)
    assert full.tobytes() == want_full.tobytes()
    assert minus.tobytes() == want_minus.tobytes()


@quick
@given(seeds, st.floats(0.01, 8.0), st.integers(1, 4))
def test_the_limiter_agrees_with_both_oracles(seed: int, loud: float, frames: int) -> None:
    rng = np.random.default_rng(seed)
    pcm = speech(rng, frames, 1.0) * np.float32(loud)
    limiter, vectorised = Limiter(), reference.LimiterReference(1)
    by_the_book = reference.limit_by_the_book(pcm.astype(np.float64).tolist())
    for row, want in zip(pcm, by_the_book, strict=True):
        np.testing.assert_allclose(vectorised.apply(row[None].astype(np.float64))[0], want, atol=1e-9)
        limiter.apply(row)
        np.testing.assert_allclose(row, want, atol=1e-5)
    assert limiter.envelope == pytest.approx(float(vectorised.envelope[0]), rel=1e-5)
    assert limiter.gain == pytest.approx(float(vectorised.gain[0]), rel=1e-5)


@quick
@given(seeds, st.floats(0, 4), st.floats(0, 4))
def test_a_ramp_agrees_with_the_oracle(seed: int, start: float, end: float) -> None:
    pcm = speech(np.random.default_rng(seed), 1, 1.0)
    want = reference.ramp(pcm.astype(np.float64), np.array([start]), np.array([end]))
    gain = Ramp(start)
    gain.target = end
    sounds = gain.apply(pcm)
    np.testing.assert_allclose(pcm, want, atol=2e-6)
    assert sounds is bool(np.float32(start) or np.float32(end))


@quick
@given(seeds, st.floats(-120, 0), st.integers(1, FRAME))
def test_levels_agree_with_the_book(seed: int, level_db: float, samples: int) -> None:
    pcm = speech(np.random.default_rng(seed), 1, 1.0)[0][:samples] * np.float32(10 ** (level_db / 20))
    exact = reference.level_by_the_book(pcm.astype(np.float64).tolist())
    assert abs(level_of(pcm) - min(127.0, max(0.0, exact))) <= 0.5 + 1e-4


@quick
@given(st.lists(st.integers(0, 127), max_size=200), st.integers(1, 30))
def test_the_gate_follows_its_definition(levels: list[int], hangover: int) -> None:
    gate = Gate(50, 60, hangover)
    for frame, level in enumerate(levels):
        opened = [index for index in range(frame + 1) if levels[index] <= 50]
        held = bool(opened) and not any(
            all(quiet > 60 for quiet in levels[start : start + hangover])
            for start in range(opened[-1], frame + 2 - hangover)
        )
        assert gate.update(level) is held


@quick
@given(st.dictionaries(st.integers(0, 255), st.integers(0, 127)), st.integers(0, 20))
def test_the_loudest_are_those_that_sorting_finds(levels: dict[int, int], count: int) -> None:
    assert loudest_of(levels, count) == tuple(sorted(levels, key=lambda seat: (levels[seat], seat)))[:count]
