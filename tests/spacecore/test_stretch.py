"""Time scaling: the splice is the oracle's, the lag is a period of the sound, and noise is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore._stretch import find_splice, lengthen, shorten
from tests.oracles import stretch_reference as reference


def tone(hz: float, n: int) -> reference.Samples:
    t = np.arange(n) / 48_000
    sound = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 6))
    return np.asarray(0.2 * sound, dtype=np.float32)


def noise(seed: int, n: int) -> reference.Samples:
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("hz", [80, 110, 173, 250, 390])
def test_the_lag_is_the_most_periods_that_fit(hz: int, forward: bool) -> None:
    pcm = tone(hz, 3000)
    found = find_splice(pcm, 1200, forward=forward)
    period = 48_000 / hz
    assert found.lag == pytest.approx(round(found.lag / period) * period, abs=2)
    assert found.lag > 960 - period - 12
    assert found.likeness > 0.98


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(60, 420), st.floats(0, 0.05), st.integers(120, 960), st.booleans())
def test_a_splice_that_is_found_is_as_alike_as_it_says(
    seed: int, hz: float, loud: float, most: int, forward: bool
) -> None:
    pcm = tone(hz, 2600) + noise(seed, 2600) * np.float32(loud * 10)
    found = find_splice(pcm, 1000, forward=forward, most=most)
    if found.lag:
        assert 120 <= found.lag <= most
        signed = found.lag if forward else -found.lag
        assert found.likeness >= 0.9
        assert found.likeness == pytest.approx(reference.likeness(pcm, 1000, signed), abs=1e-3)


def test_noise_and_a_beginning_are_not_spliced() -> None:
    beginning = np.concatenate([np.zeros(1200, np.float32), tone(200, 1800)])
    assert find_splice(noise(3, 3000), 1200).lag == 0
    assert find_splice(beginning, 1200, forward=False).lag == 0
    assert find_splice(np.zeros(3000, np.float32), 1200).lag >= 948  # silence is like itself


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(961, 2880), st.integers(1, 960), st.sampled_from([1, 2]))
def test_splices_are_the_oracles(seed: int, n: int, lag: int, channels: int) -> None:
    pcm = noise(seed, n)
    interleaved = np.repeat(pcm, channels)
    short = np.frombuffer(shorten(interleaved, lag, channels=channels), np.float32)
    long = np.frombuffer(lengthen(interleaved, 960, lag, channels=channels), np.float32)
    assert len(short) == (n - lag) * channels
    assert len(long) == (n + lag) * channels
    if channels == 1:
        np.testing.assert_allclose(short, reference.shorten(pcm, lag), atol=1e-6)
        np.testing.assert_allclose(long, reference.lengthen(pcm, 960, lag), atol=1e-6)
    assert np.abs(short).max() <= np.abs(pcm).max() * 1.0001


def test_a_tone_stays_a_tone() -> None:
    """A splice at its own period leaves a sine without a step."""
    pcm = np.sin(2 * np.pi * 200 * np.arange(2880) / 48_000).astype(np.float32)
    lag = find_splice(pcm, 960).lag
    step = np.abs(np.diff(pcm)).max()
    for spliced in (shorten(pcm[960:], lag), lengthen(pcm, 960, lag)):
        assert np.abs(np.diff(np.frombuffer(spliced, np.float32))).max() < 1.05 * step


@pytest.mark.parametrize(
    "arguments",
    [{"place": 2000}, {"place": 100, "forward": False}, {"most": 119}, {"most": 961}, {"channels": 3}],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        find_splice(np.zeros(3000, np.float32), **{"place": 1000, **arguments})
    for lag in (0, -1, 3001):
        with pytest.raises(ValueError, match=f"lag is {lag}"):
            shorten(np.zeros(3000, np.float32), lag)
    with pytest.raises(ValueError, match="lag is 961"):
        lengthen(np.zeros(3000, np.float32), 960, 961)
