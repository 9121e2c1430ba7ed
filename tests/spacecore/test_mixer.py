"""The mixer's parts one by one: ramps, sum and mix-minus, limiter, levels, gate, and the whole mix."""

from __future__ import annotations

import array
import math
import subprocess
import sys

import numpy as np
import pytest

from spacecore._mixer import (
    Gate,
    Limiter,
    Mixer,
    Ramp,
    level_of,
    loudest_of,
    minus_into,
    pcm_of,
    sum_into,
)
from tests.oracles import mixer_reference as reference

FRAME = 960
LSB = 1 / 32768


def noise(seed: int, rows: int = 1, rms: float = 0.1) -> np.ndarray:
    voices = np.random.default_rng(seed).standard_normal((rows, FRAME)) * rms
    return voices.astype(np.float32)


def constant(value: float, samples: int = FRAME) -> np.ndarray:
    return np.full(samples, value, np.float32)


def db(decibel: float) -> float:
    return 10 ** (decibel / 20)


# ---- ramps -----------------------------------------------------------------------------------------------


def test_a_ramp_at_unity_keeps_the_bits() -> None:
    pcm = noise(1)[0]
    before = pcm.tobytes()
    assert Ramp().apply(pcm) is True
    assert pcm.tobytes() == before


def test_a_mute_takes_one_frame_without_a_step_and_is_silent_after() -> None:
    gain, held = Ramp(), constant(0.5)
    gain.target = 0
    assert gain.apply(held) is True
    assert held[0] == pytest.approx(0.5, abs=0.5 / FRAME + 1e-6)
    assert held[-1] == 0
    assert np.abs(np.diff(held)).max() <= 0.5 / FRAME + 1e-6
    after = constant(0.5)
    assert gain.apply(after) is False
    assert not after.any()


def test_a_ramp_ends_on_its_target_exactly() -> None:
    gain, held = Ramp(0.25), constant(1.0)
    gain.target = 0.7
    gain.apply(held)
    assert held[-1] == np.float32(0.7)
    assert gain.gain == np.float32(0.7)
    assert (np.diff(held) > 0).all()


def test_a_ramp_makes_voices_sound() -> None:
    held = constant(0.5)
    held[:5] = [math.nan, math.inf, -math.inf, 1e30, -1e30]
    Ramp().apply(held)
    assert held[:6].tolist() == [0, 0, 0, 4, -4, 0.5]


def test_an_empty_frame_does_not_move_a_ramp() -> None:
    gain = Ramp()
    gain.target = 0
    assert gain.apply(array.array("f")) is True
    assert gain.gain == 1


@pytest.mark.parametrize("value", [-0.1, 64.1, math.nan, math.inf])
def test_a_gain_out_of_range_is_refused(value: float) -> None:
    gain = Ramp(0.5)
    with pytest.raises(ValueError, match="between 0 and 64"):
        gain.target = value
    with pytest.raises(ValueError, match="between 0 and 64"):
        Ramp(value)
    assert gain.target == 0.5


# ---- sum and mix-minus -----------------------------------------------------------------------------------


def test_the_sum_is_wide_and_no_voices_are_silence() -> None:
    mix = constant(7)
    sum_into(mix, np.stack([constant(0.9), constant(0.9), constant(-0.9)]))
    assert mix == pytest.approx(constant(0.9), abs=1e-6)
    sum_into(mix, array.array("f"))
    assert not mix.any()


def test_minus_gives_nothing_back_of_a_single_voice() -> None:
    voice, out = noise(2)[0], constant(1)
    mix = constant(0)
    sum_into(mix, voice)
    minus_into(out, mix, voice)
    assert not out.any()


def test_rows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="100 samples of voices; pass up to 256 rows of 960"):
        sum_into(constant(0), constant(0, 100))
    with pytest.raises(ValueError, match="257"):
        sum_into(constant(0, 1), constant(0, 257))
    with pytest.raises(ValueError, match="960 less 1 samples into 960"):
        minus_into(constant(0), constant(0), constant(0, 1))


# ---- limiter ---------------------------------------------------------------------------------------------


def test_below_the_knee_the_limiter_keeps_the_bits() -> None:
    pcm = np.clip(noise(3)[0], -0.9, 0.9)
    before = pcm.tobytes()
    limiter = Limiter()
    assert limiter.apply(pcm) == np.abs(pcm).max()
    assert pcm.tobytes() == before
    assert limiter.gain == 1


@pytest.mark.parametrize(
    ("level_db", "out_db"),
    [(-0.75, -0.75), (-0.25, -0.35), (0.25, -0.15), (0.5, -0.1), (1.0, 0.0), (6.0, 0.0), (20.0, 0.0)],
)
def test_the_static_curve(level_db: float, out_db: float) -> None:
    limiter = Limiter()
    for _ in range(2):
        held = constant(db(level_db))
        limiter.apply(held)
    assert held == pytest.approx(constant(db(out_db)), abs=2e-6)


def test_an_unforeseen_peak_is_met_within_the_first_subframe() -> None:
    limiter, held = Limiter(), constant(2.0)
    assert limiter.apply(held) == 2.0
    assert held.max() <= 1
    weights = (1 - np.arange(24) / 24) ** 8
    assert held[:24] == pytest.approx(np.minimum(1, 2 * (0.5 + 0.5 * weights)), abs=1e-6)
    assert held[24:] == pytest.approx(constant(1.0, FRAME - 24), abs=1e-6)


def test_a_foreseen_peak_is_not_clipped() -> None:
    limiter, pcm = Limiter(), constant(0.5)
    pcm[480:] = 1.9
    limiter.apply(pcm)
    assert pcm[480:].max() == pytest.approx(1.0, abs=1e-6)
    assert pcm[480] == pytest.approx(1.0, abs=1e-6)
    assert pcm[:456] == pytest.approx(constant(0.5, 456), abs=0)


def test_the_limiter_lets_go_smoothly_and_wholly() -> None:
    limiter = Limiter()
    limiter.apply(constant(2.0))
    steps, frames, last = [], 0, None
    while limiter.gain < 1:
        held = constant(0.5)
        limiter.apply(held)
        steps.append(np.abs(np.diff(held)).max())
        if last is not None:
            steps.append(abs(held[0] - last))
        last = held[-1]
        frames += 1
        assert frames < 50
    assert max(steps) < 1e-3
    assert 10 <= frames <= 25  # 6.8 dB at about 0.5 dB a frame of 20 ms, slower where the input is near


def test_bad_samples_do_not_poison_a_limiter() -> None:
    limiter, held = Limiter(), constant(0.5)
    held[:3] = [math.nan, math.inf, -math.inf]
    assert limiter.apply(held) == 0.5
    assert held[:4].tolist() == [0, 0, 0, 0.5]
    assert limiter.envelope == 0.5


def test_one_huge_sample_ducks_a_limiter_for_less_than_a_second() -> None:
    limiter, held = Limiter(), constant(0.0)
    held[100] = 3e38
    assert limiter.apply(held) == 64
    assert np.abs(held).max() <= 1
    for _ in range(38):
        limiter.apply(constant(0.0))
    assert limiter.gain == 1


@pytest.mark.parametrize("samples", [1, 23, 24, 25, 100, 480, 959, 960])
def test_frames_of_any_length_follow_the_book(samples: int) -> None:
    limiter = Limiter()
    frames = [noise(seed, rms=0.7)[0][:samples] for seed in range(4)]
    wanted = reference.limit_by_the_book([frame.tolist() for frame in frames])
    for frame, want in zip(frames, wanted, strict=True):
        limiter.apply(frame)
        assert frame == pytest.approx(np.array(want), abs=3e-6)


def test_more_than_a_frame_is_taken_as_consecutive_frames() -> None:
    together = noise(5, rows=3, rms=0.6)
    apart = together.copy()
    limiter = Limiter()
    for row in apart:
        limiter.apply(row)
    flat = together.reshape(-1)
    Limiter().apply(flat)
    assert flat.tobytes() == apart.tobytes()


def test_a_reset_limiter_is_a_new_one() -> None:
    limiter = Limiter()
    limiter.apply(constant(4.0))
    limiter.reset()
    assert (limiter.envelope, limiter.gain) == (0, 1)
    assert limiter.apply(array.array("f")) == 0


# ---- levels ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pcm", "level"),
    [
        (np.resize(np.array([1, -1], np.float32), FRAME), 0),
        (np.sin(np.arange(FRAME) * 2 * np.pi / 96).astype(np.float32), 3),
        (constant(db(-40)), 40),
        (constant(db(-40.4)), 40),
        (constant(db(-40.6)), 41),
        (constant(db(-126.4)), 126),
        (constant(db(-140)), 127),
        (constant(1e-30), 127),
        (constant(0), 127),
        (constant(4), 0),
        (constant(3e38), 0),
        (constant(math.nan), 127),
        (constant(math.inf), 127),
        (constant(1, 0), 127),
        (constant(db(-20), 7), 20),
        (constant(db(-20), 17), 20),
    ],
)
def test_levels(pcm: np.ndarray, level: int) -> None:
    assert level_of(pcm) == level


def test_int16_becomes_float() -> None:
    assert pcm_of(array.array("h", [-32768, -1, 0, 1, 16384, 32767])).tolist() == [
        -1,
        -LSB,
        0,
        LSB,
        0.5,
        1 - LSB,
    ]
    assert pcm_of(array.array("h")).tolist() == []
    with pytest.raises(TypeError, match="int16"):
        pcm_of(constant(0))


# ---- gate ------------------------------------------------------------------------------------------------


def test_the_gate_opens_at_once_and_closes_after_the_hangover() -> None:
    gate = Gate()
    assert [gate.update(level) for level in (127, 61, 51, 50)] == [False, False, False, True]
    assert [gate.update(61) for _ in range(20)] == [True] * 19 + [False]
    assert gate.audible is False


def test_between_the_two_levels_the_gate_stays_as_it_is() -> None:
    gate = Gate()
    assert not any(gate.update(55) for _ in range(100))
    gate.update(0)
    assert all(gate.update(60) for _ in range(100))


def test_a_frame_that_is_not_quiet_restarts_the_hangover() -> None:
    gate = Gate(hangover_frames=3)
    assert [gate.update(level) for level in (40, 70, 70, 60, 70, 70, 70, 60)] == [True] * 6 + [False] * 2


def test_a_gate_refuses_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="0 ≤ open ≤ close ≤ 127"):
        Gate(open_level=61)
    with pytest.raises(ValueError, match="between 1 and 1000"):
        Gate(hangover_frames=0)
    with pytest.raises(ValueError, match="mask the V bit off"):
        Gate().update(128)


def test_loudest_first_then_by_seat() -> None:
    levels = {7: 30, 2: 127, 9: 10, 3: 30, 4: 20}
    assert loudest_of(levels, 3) == (9, 4, 3)
    assert loudest_of(levels, 99) == (9, 4, 3, 7, 2)
    assert loudest_of(levels, 0) == loudest_of(levels, -1) == loudest_of({}, 3) == ()
    with pytest.raises(ValueError, match="257 seats"):
        loudest_of(dict.fromkeys(range(257), 0), 1)


# ---- the whole mix ---------------------------------------------------------------------------------------


def test_everybody_hears_all_others_and_not_themselves() -> None:
    voices = noise(6, rows=3)
    full, minus = Mixer(3).mix(voices)
    assert (full.format, full.shape, minus.format, minus.shape) == ("f", (960,), "f", (3, 960))
    assert np.asarray(full) == pytest.approx(voices.sum(axis=0), abs=1e-6)
    for seat, heard in enumerate(np.asarray(minus)):
        assert heard == pytest.approx(np.delete(voices, seat, axis=0).sum(axis=0), abs=1e-6)


def test_mixes_do_not_overwrite_earlier_ones_nor_the_voices() -> None:
    mixer, voices = Mixer(2), noise(7, rows=2)
    before = voices.tobytes()
    full, minus = mixer.mix(voices)
    kept = full.tobytes(), minus.tobytes()
    mixer.mix(noise(8, rows=2), gains=[0.5, 0])
    assert (full.tobytes(), minus.tobytes()) == kept
    assert voices.tobytes() == before


def test_gains_ramp_and_stay_and_levels_are_those_heard() -> None:
    mixer = Mixer(2)
    assert mixer.seats == 2
    assert mixer.levels == (127, 127)
    voices = np.stack([constant(db(-20)), constant(db(-30))])
    mixer.mix(voices, gains=[0, db(-10)])
    full, _ = mixer.mix(voices)
    assert mixer.gains == pytest.approx((0, db(-10)))
    assert mixer.levels == (127, 40)
    assert np.asarray(full) == pytest.approx(constant(db(-40)), abs=1e-6)


def test_a_reset_seat_starts_anew() -> None:
    mixer, voices = Mixer(2), np.stack([constant(0.1), constant(0.2)])
    mixer.mix(voices, gains=[0, 0])
    mixer.reset(1)
    assert mixer.gains == (0, 1)
    full, _ = mixer.mix(voices)
    assert np.asarray(full) == pytest.approx(constant(0.2))
    for seat in (-1, 2):
        with pytest.raises(ValueError, match="seats 0 to 1"):
            mixer.reset(seat)


def test_a_crowd_at_full_scale_neither_wraps_nor_exceeds() -> None:
    mixer = Mixer(13)
    for seed in range(5):
        full, minus = mixer.mix(np.sign(noise(seed, rows=13)))
        assert np.abs(np.asarray(full)).max() <= 1
        assert np.abs(np.asarray(minus)).max() <= 1
    held = np.broadcast_to(constant(1), (13, FRAME)).copy()
    for _ in range(2):
        full, _ = mixer.mix(held)
    assert np.asarray(full).min() > 0.999


@pytest.mark.parametrize(
    "make",
    [
        lambda flat: array.array("f", flat),
        lambda flat: memoryview(array.array("f", flat).tobytes()).cast("f"),
        lambda flat: memoryview(array.array("f", flat).tobytes()).cast("f", (2, FRAME)),
        lambda flat: np.array(flat, np.float32).reshape(2, FRAME),
    ],
)
def test_any_contiguous_float32_buffer_will_do(make) -> None:
    flat = noise(9, rows=2).reshape(-1).tolist()
    full, minus = Mixer(2).mix(make(flat))
    again, _ = Mixer(2).mix(array.array("f", flat))
    assert full.tobytes() == again.tobytes()
    assert minus.cast("B").cast("f")[FRAME:].tolist() == np.asarray(minus)[1].tolist()


def unaligned(samples: int) -> memoryview:
    return memoryview(bytearray(4 * samples + 1))[1:].cast("f")


@pytest.mark.parametrize(
    ("voices", "error", "words"),
    [
        (np.zeros((2, FRAME)), TypeError, "format 'd'; samples must be float32"),
        (bytes(8 * FRAME), TypeError, "format 'B'"),
        (np.zeros((2, FRAME), ">f4"), TypeError, "format '>f'"),
        ([0.0] * FRAME, TypeError, "bytes-like"),
        (np.zeros((2, 2 * FRAME), np.float32)[:, ::2], (ValueError, BufferError), "contiguous"),
        (unaligned(2 * FRAME), ValueError, "copy the samples first"),
        (np.zeros((3, FRAME), np.float32), ValueError, r"2880 samples of voices; 2 seats need \(2, 960\)"),
        (array.array("f"), ValueError, "0 samples"),
    ],
)
def test_other_buffers_are_refused(voices, error, words) -> None:
    with pytest.raises(error, match=words):
        Mixer(2).mix(voices)


def test_what_changes_samples_needs_a_writable_buffer() -> None:
    for change in (Ramp().apply, Limiter().apply):
        with pytest.raises(BufferError):
            change(memoryview(bytes(8)).cast("f"))


def test_refused_buffers_and_gains_leave_the_mixer_as_it_was() -> None:
    mixer = Mixer(2)
    voices = noise(10, rows=2)
    for gains in ([0.5], [0.5, -1], [0.5, math.nan], [0.5, 65]):
        with pytest.raises(ValueError, match="gain"):
            mixer.mix(voices, gains)
    with pytest.raises(TypeError):
        mixer.mix(voices, [0.5, None])
    with pytest.raises(ValueError, match="samples"):
        mixer.mix(voices[:1], [0.5, 0.5])
    assert mixer.gains == (1, 1)
    held = bytearray(8)
    with pytest.raises(TypeError):
        Ramp().apply(held)
    held.append(0)  # a buffer still held open could not grow


def test_a_mixer_has_1_to_256_seats() -> None:
    for seats in (0, -1, 257):
        with pytest.raises(ValueError, match=f"{seats} seats; a mixer has 1 to 256"):
            Mixer(seats)
    assert np.asarray(Mixer(256).mix(np.zeros((256, FRAME), np.float32))[1]).shape == (256, FRAME)


def test_it_runs_without_numpy() -> None:
    program = (
        "import sys, array; from spacecore._mixer import Mixer\n"
        "full, minus = Mixer(1).mix(array.array('f', [0.5]) * 960)\n"
        "assert full[0] == 0.5 and minus[0, 0] == 0.0\n"
        "print(sorted({'numpy', 'asyncio', 'logging'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
