"""Loudness: the meter against its oracle and libebur128, the gain that follows it, the room that holds it."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyebur128 import MeasurementMode, R128State, get_loudness_global, get_loudness_momentary, get_true_peak

from spacecore import Loudness, Space, true_peak
from tests.oracles import loudness_reference as reference
from tests.people import TICK_US
from tests.signals import FRAME, RATE, Samples, frames, tone, voice

TARGET_LUFS = -23.0


def measured(sound: Samples, mode: MeasurementMode = MeasurementMode.MODE_I) -> R128State:
    state = R128State(1, RATE, mode)
    state.add_frames(np.ascontiguousarray(sound), len(sound))
    return state


def lufs(sound: Samples) -> float:
    return float(get_loudness_global(measured(sound)))


@cache
def speech(pauses: bool) -> tuple[Samples, float]:
    """12 s, and how loud they are."""
    sound = voice(11, 12.0, pauses=pauses)
    return sound, lufs(sound)


def at(loudness_lufs: float, seconds: float = 12.0, *, pauses: bool = False) -> Samples:
    """Speech so loud, up to 12 s of it."""
    sound, own_lufs = speech(pauses)
    return sound[: int(seconds * RATE)] * np.float32(10 ** ((loudness_lufs - own_lufs) / 20))


def fed(sound: Samples) -> Loudness:
    loudness = Loudness()
    for frame in frames(sound):
        loudness.feed(frame)
    return loudness


def heard(space: Space, sound: Samples) -> Samples:
    """What a PCM seat of this room puts into the mix."""
    space.add_seat(1, pcm=True)
    tap = space.tap(mix=False)
    out = []
    for i, frame in enumerate(frames(sound)):
        space.put_pcm(1, frame)
        space.tick(i * TICK_US)
        out += [np.array(taken.pcm) for taken in tap.read()]
    return np.concatenate(out)


@pytest.mark.parametrize("frequency_hz", [25, 100, 997, 4000, 15000])
def test_the_meter_agrees_with_libebur128(frequency_hz: float) -> None:
    sound = tone(frequency_hz, 1.0, peak=0.1)
    momentary = fed(sound).momentary_lufs
    expected = get_loudness_momentary(measured(sound, MeasurementMode.MODE_M))
    assert momentary == pytest.approx(expected, abs=0.02)


def test_the_meter_of_speech_agrees_with_libebur128_within_its_gates() -> None:
    sound = at(-26, 8.0, pauses=True)
    assert fed(sound).lufs == pytest.approx(-26, abs=0.5)


def test_the_gain_follows_the_oracle() -> None:
    quiet, loud = at(-34, 1.3), at(-14, 1.0)
    sound = np.concatenate([quiet, np.zeros(RATE // 2, np.float32), loud, quiet])
    expected = reference.gains_db(sound.astype(np.float64))
    loudness = Loudness()
    for i, gain_db in enumerate(expected):
        loudness.feed(sound[i * 4800 : (i + 1) * 4800])
        assert loudness.gain_db == pytest.approx(gain_db, abs=1e-6), f"after {100 * (i + 1)} ms"
    assert len({round(g, 3) for g in expected}) > 20  # it did move


@pytest.mark.parametrize("cut", [1, 7, 960, 4800, 5000])
def test_how_the_samples_are_cut_changes_nothing(cut: int) -> None:
    sound = voice(8, 0.1 if cut == 1 else 1.0)
    whole, pieces = Loudness(), Loudness()
    whole.feed(sound)
    for i in range(0, len(sound), cut):
        pieces.feed(sound[i : i + cut])
    assert (whole.gain_db, whole.lufs, whole.momentary_lufs) == (
        pieces.gain_db,
        pieces.lufs,
        pieces.momentary_lufs,
    )


@pytest.mark.parametrize("spoken_lufs", [-35, -30, -23, -17, -12])
def test_a_room_brings_speech_to_the_target(spoken_lufs: float) -> None:
    sound = at(spoken_lufs, pauses=True)
    out = heard(Space(complexity=0), sound)
    assert lufs(out[5 * RATE :]) == pytest.approx(TARGET_LUFS, abs=1.5)


@pytest.mark.parametrize(("spoken_lufs", "gain_db"), [(-40, 12), (-10, -12)])
def test_the_gain_ends_at_12_db(spoken_lufs: float, gain_db: float) -> None:
    loudness = fed(at(spoken_lufs, 12.0))
    assert loudness.gain_db == pytest.approx(gain_db, abs=0.05 if spoken_lufs == -40 else 1.1)
    assert -12 <= loudness.gain_db <= 12


def test_two_people_of_different_loudness_are_heard_alike() -> None:
    loud = heard(Space(complexity=0), at(-14, 12.0))
    quiet = heard(Space(complexity=0), at(-33, 12.0))
    assert lufs(loud[6 * RATE :]) == pytest.approx(lufs(quiet[6 * RATE :]), abs=2)


def test_silence_and_faint_noise_move_nothing() -> None:
    """Not digital silence, nor the breath of a microphone, however long."""
    loudness = fed(at(-30, 4.0))
    loudness.feed(np.zeros(RATE // 2, np.float32))
    before = loudness.gain_db
    noise = np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    for _ in range(20):
        loudness.feed(noise * np.float32(10 ** (-55 / 20)))
        loudness.feed(np.zeros(RATE, np.float32))
    assert loudness.gain_db == before


def test_steady_noise_between_sentences_moves_nothing() -> None:
    """A fan above the absolute gate is not raised to the target while nobody speaks."""
    loudness = fed(at(-23, 4.0))
    fan = np.random.default_rng(2).standard_normal(RATE).astype(np.float32) * np.float32(10 ** (-42 / 20))
    loudness.feed(fan)
    before = loudness.gain_db
    for _ in range(40):
        loudness.feed(fan)
    assert loudness.gain_db == before


def test_who_turns_quiet_for_good_is_raised_after_a_while() -> None:
    loudness = fed(at(-16, 5.0))
    for _ in range(5):
        loudness.feed(at(-28, pauses=True))
    assert loudness.gain_db == pytest.approx(5, abs=1)


def test_the_gain_moves_slowly_once_it_is_settled() -> None:
    """Up by 0.5 dB a second, down by 1 dB; 6 dB a second only while it is far too loud."""
    steps = {}
    for first_lufs, now_lufs in ((-23, -28), (-23, -19), (-35, -13)):
        loudness = fed(at(first_lufs, 5.0))
        sound = at(now_lufs, 5.0)
        gains = [loudness.gain_db]
        for i in range(0, len(sound), 4800):
            loudness.feed(sound[i : i + 4800])
            gains.append(loudness.gain_db)
        steps[now_lufs] = np.diff(gains)
    assert steps[-28].max() == pytest.approx(0.05, abs=1e-9)
    assert steps[-19].min() == pytest.approx(-0.1, abs=1e-9)
    assert steps[-13].min() == pytest.approx(-0.6, abs=1e-9)


def test_speech_that_is_not_measured_moves_the_gain_on() -> None:
    """A seat whose packets are passed on is decoded for 400 ms in 4 s; the rest is told in samples."""
    loudness = fed(at(-23, 3.0))
    loudness.feed(at(-32))
    before = loudness.gain_db
    loudness.unmeasured(2 * RATE)
    assert loudness.gain_db - before == pytest.approx(1.0, abs=1e-6)
    fresh = Loudness()
    fresh.unmeasured(100 * RATE)
    assert fresh.gain_db == 0
    with pytest.raises(ValueError, match="fewer than 0"):
        fresh.unmeasured(-1)


def test_a_room_can_leave_loudness_alone() -> None:
    sound = at(-33, 3.0)
    assert np.array_equal(
        heard(Space(complexity=0, loudness=False), sound), sound[: len(sound) // FRAME * FRAME]
    )


def test_levels_are_those_that_were_measured_before_the_gain() -> None:
    """People see how loud somebody speaks, not how loud he was made."""
    space = Space(complexity=0)
    space.add_seat(1, pcm=True)
    levels = []
    for i, frame in enumerate(frames(tone(997, 4.0, peak=0.02))):
        space.put_pcm(1, frame)
        levels.append(space.tick(i * TICK_US).levels[1])
    assert set(levels) == {37}  # 20 log10(0.02 / √2)


def test_a_mute_holds_while_loudness_moves() -> None:
    space = Space(complexity=0)
    space.add_seat(1, pcm=True)
    tap = space.tap(seats=False)
    for i, frame in enumerate(frames(at(-33, 2.0))):
        if i == 30:
            space.mute(1)
        space.put_pcm(1, frame)
        space.tick(i * TICK_US)
    late = [np.array(taken.pcm) for taken in tap.read() if taken.timestamp > 40 * FRAME]
    assert not any(np.any(pcm) for pcm in late)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from([0.0, 1e-30, 1e-3, 0.1, 1.0, 4.0, 1e30, math.inf, -math.inf, math.nan]),
        min_size=1,
        max_size=40,
    )
)
def test_no_sound_makes_a_gain_that_is_none(peaks: list[float]) -> None:
    loudness = Loudness()
    for peak in peaks:
        loudness.feed(np.full(4800, peak, np.float32) * np.tile(np.float32([1, -1]), 2400))
        assert -12 <= loudness.gain_db <= 12
        assert math.isclose(loudness.gain, 10 ** (loudness.gain_db / 20), rel_tol=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_true_peak_agrees_with_libebur128(seed: int) -> None:
    sound = (
        voice(seed, 0.2, peak=0.9)
        if seed < 3
        else tone(11_987, 0.2, peak=1.0) * np.hanning(0.2 * RATE).astype(np.float32)
    )
    expected = 20 * math.log10(get_true_peak(measured(sound, MeasurementMode.MODE_TRUE_PEAK), 0))
    assert true_peak(sound) == pytest.approx(expected, abs=0.3)
    assert true_peak(sound) >= 20 * math.log10(np.abs(sound).max()) - 0.3


def test_the_true_peak_of_silence_and_between_samples() -> None:
    assert true_peak(np.zeros(960, np.float32)) == -math.inf
    between = np.sin(np.pi / 2 * np.arange(960) + np.pi / 4).astype(np.float32)  # samples at ±0.707
    assert true_peak(between) == pytest.approx(0, abs=0.6)
