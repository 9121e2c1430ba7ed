"""Measuring by ear: known delays, gains, mixtures and silences must come out as they were put in."""

from __future__ import annotations

import numpy as np
import pytest

from signaling.cli.demo.measure import CONFIDENT, HEARD, LONGEST_MS, Track, find, heard_share, matches
from tests.signals import RATE, tone, voice

START_US = 5_000_000


def delayed(sound, delay_ms, *, seconds, gain=1.0):
    """What an ear hears that began to listen at START_US."""
    heard = np.zeros(int(seconds * RATE), np.float32)
    at = round(delay_ms * RATE / 1000)
    heard[at : at + len(sound)] = gain * sound[: len(heard) - at]
    return heard


@pytest.mark.parametrize("delay_ms", [0.0, 7.3, 60.0, 138.9, 500.0, 999.0])
def test_a_delay_is_found_within_a_tenth_of_a_millisecond(delay_ms):
    sound = voice(1, 3)
    found = matches(Track(sound, START_US), Track(delayed(sound, delay_ms, seconds=5), START_US))
    assert len(found) == 14
    assert max(abs(match.delay_ms - delay_ms) for match in found) < 0.1
    assert min(match.peak for match in found) > 0.95


def test_an_ear_that_began_earlier_or_later_is_on_the_same_clock():
    sound = voice(1, 3)
    heard = delayed(sound, 80, seconds=5)
    early = Track(np.concatenate([np.zeros(RATE, np.float32), heard]), START_US - 1_000_000)
    late = Track(heard[RATE:], START_US + 1_000_000)
    for ear in (early, late):
        found = matches(Track(sound, START_US), ear)
        assert found
        assert max(abs(match.delay_ms - 80) for match in found) < 0.1
    assert matches(Track(sound, START_US), late)[0].at_us >= START_US + 1_000_000


def test_loudness_does_not_matter():
    sound = voice(2, 2)
    quiet = matches(Track(sound, START_US), Track(delayed(sound, 50, seconds=4, gain=0.1), START_US))
    assert min(match.peak for match in quiet) > 0.95


def test_a_voice_is_found_under_another_and_in_noise():
    one, other = voice(1, 4), voice(2, 4)
    noise = np.random.default_rng(3).standard_normal(6 * RATE).astype(np.float32) * 0.002
    mix = delayed(one, 60, seconds=6) + delayed(other, 90, seconds=6) + noise
    for sound in (one, other):
        assert heard_share(matches(Track(sound, START_US), Track(mix, START_US))) > 0.9


@pytest.mark.parametrize("seed", range(2, 7))
def test_other_speech_is_not_taken_for_the_voice(seed):
    found = matches(Track(voice(1, 4), START_US), Track(voice(seed, 6), START_US))
    assert found
    assert heard_share(found) <= 0.06  # one window of 19: harmonics alone may be alike by chance
    assert max(match.peak for match in found) < CONFIDENT
    assert np.median([match.peak for match in found]) < 0.6 * HEARD


def test_silence_is_no_match():
    found = matches(Track(voice(1, 2), START_US), Track(np.zeros(4 * RATE, np.float32), START_US))
    assert found
    assert max(match.peak for match in found) < 0.01


def test_pauses_of_the_source_are_left_out():
    sound = voice(1, 3, pauses=True)  # its third second is silence
    found = matches(Track(sound, START_US), Track(delayed(sound, 40, seconds=5), START_US))
    assert max(match.at_us for match in found) < START_US + 2_000_000


def test_windows_are_limited_to_the_time_asked_for():
    sound = voice(1, 4)
    ear = Track(delayed(sound, 40, seconds=6), START_US)
    second = {"from_us": START_US + 1_000_000, "until_us": START_US + 2_000_000}
    found = matches(Track(sound, START_US), ear, **second)
    assert [match.at_us - START_US for match in found] == list(range(1_000_000, 2_000_000, 200_000))


def test_a_window_whose_answer_cannot_be_there_yet_is_left_out():
    sound = voice(1, 4)
    found = matches(Track(sound, START_US), Track(delayed(sound, 40, seconds=3), START_US))
    assert max(match.at_us for match in found) <= START_US + (3_000 - LONGEST_MS - 400) * 1_000


def test_find_agrees_with_numpy_correlate():
    rng = np.random.default_rng(7)
    sound = rng.standard_normal(2_000)
    window = sound[700:1_100] + 0.3 * rng.standard_normal(400)
    peak, lag = find(window, sound)
    pieces = [sound[at : at + 400] for at in range(1_601)]
    slow = np.array([window @ piece / np.sqrt((window @ window) * (piece @ piece)) for piece in pieces])
    assert abs(lag - slow.argmax()) < 0.5
    assert peak == pytest.approx(slow.max(), abs=1e-9)


@pytest.mark.parametrize("samples", [0, 1, 62, 100, 5_000])
def test_a_source_that_is_too_short_has_no_windows(samples):
    assert matches(Track(np.ones(samples, np.float32), START_US), Track(voice(1, 3), START_US)) == []
    assert heard_share([]) == 0


def test_an_empty_ear_has_heard_nothing():
    assert matches(Track(voice(1, 3), START_US), Track(np.zeros(0, np.float32), 0)) == []


def test_a_track_knows_its_end():
    assert Track(tone(440, 1.5), START_US).end_us == START_US + 1_500_000
