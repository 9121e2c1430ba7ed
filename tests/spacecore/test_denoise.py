"""Noise suppression: what it takes away and what it leaves, in a room too, and how its absence is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spacecore import Denoiser, Space
from tests.people import TICK_US
from tests.signals import FRAME, Samples, frames, voice


def noise(seconds: float, rms: float) -> Samples:
    return (rms * np.random.default_rng(5).standard_normal(int(48_000 * seconds))).astype(np.float32)


def cleaned(sound: Samples) -> Samples:
    denoiser = Denoiser()
    out = [frame.copy() for frame in frames(sound)]
    for frame in out:
        assert 0 <= denoiser.apply(frame) <= 1
    return np.concatenate(out)


def test_steady_noise_is_taken_away() -> None:
    sound = noise(2.0, 0.02)
    kept = cleaned(sound)[48_000:]
    assert np.sqrt(np.mean(kept**2)) < 0.1 * 0.02


def test_a_voice_in_noise_keeps_more_than_the_noise_does() -> None:
    speech = voice(3, 3.0)
    mixed = cleaned(speech + noise(3.0, 0.02))
    pauses = cleaned(noise(3.0, 0.02))
    assert np.sqrt(np.mean(mixed[48_000:] ** 2)) > 5 * np.sqrt(np.mean(pauses[48_000:] ** 2))


def test_a_seat_is_cleaned_in_the_tick_and_only_that_one() -> None:
    space = Space(complexity=0, loudness=False)
    space.add_seat(1, pcm=True, denoise=True)
    space.add_seat(2, pcm=True)
    tap = space.tap(mix=False)
    for i, frame in enumerate(frames(noise(2.0, 0.02))):
        space.put_pcm(1, frame)
        space.put_pcm(2, frame)
        space.tick(i * TICK_US)
    late = [taken for taken in tap.read() if taken.timestamp > 48_000]
    power = {
        seat: np.mean([np.mean(np.array(taken.pcm) ** 2) for taken in late if taken.seat == seat])
        for seat in (1, 2)
    }
    assert power[1] < 0.01 * power[2]


def test_samples_that_are_no_sound_do_no_harm() -> None:
    denoiser = Denoiser()
    for value in (np.nan, np.inf, -np.inf, 3.4e38):
        frame = np.full(FRAME, value, np.float32)
        denoiser.apply(frame)
        assert np.all(np.isfinite(frame))
    with pytest.raises(ValueError, match="multiple of 480"):
        denoiser.apply(np.zeros(100, np.float32))


def test_where_it_is_missing_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    broken = tmp_path / "librnnoise.so"
    broken.write_bytes(b"no library")
    script = (
        "import spacecore\n"
        "try:\n"
        "    spacecore.Space(denoise=True).add_seat(1)\n"
        "except spacecore.DenoiseError as error:\n"
        "    print(error.code, error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "SPACECORE_LIBRNNOISE": str(broken)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.startswith("no_library")
    assert str(broken) in ran.stdout
    assert "pip install spacecore[denoise]" in ran.stdout
