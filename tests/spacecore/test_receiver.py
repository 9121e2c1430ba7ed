"""A receiver over bad networks in virtual time: always 960 samples, every one of them accounted for."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore import Encoder, Receiver, level_of, pack_audio
from tests.signals import frames, voice

TICK_US = 20_000
START_US = 1_000_000


@functools.cache
def spoken(seconds: float = 4.0) -> list[tuple[bytes, int]]:
    encoder = Encoder(bitrate_bps=32_000, complexity=0, fec=False, dtx=False)
    return [(encoder.encode(pcm), level_of(pcm)) for pcm in frames(voice(4, seconds))]


def datagram(n: int, **more: object) -> bytes:
    """Frame `n` of a talker who never stops."""
    packets = spoken()
    frame, level = packets[n % len(packets)]
    fields = {"seq": n & 0xFFFF, "timestamp": 960 * n & 0xFFFF_FFFF, "level": level, "seats": []}
    return pack_audio([frame], **{**fields, **more})  # type: ignore[arg-type]


def accounted(receiver: Receiver, pulls: int) -> bool:
    s = receiver.stats
    given = 960 * (s.frames + s.recovered + s.accelerated) + s.concealed_samples + s.silence_samples
    return 960 * pulls == given + s.stretched_samples - s.accelerated_samples - s.held_samples


def listen(
    late_ms: list[float], lost: frozenset[int] = frozenset()
) -> tuple[Receiver, list[str], list[float]]:
    """Frame i arrives `late_ms[i]` after its time; what each pull was, and its delay."""
    receiver = Receiver()
    arrivals = sorted(
        (START_US + i * TICK_US + int(ms * 1000), i) for i, ms in enumerate(late_ms) if i not in lost
    )
    statuses, delays, at = [], [], 0
    for tick in range(len(late_ms)):
        now_us = START_US + tick * TICK_US + 3_000
        while at < len(arrivals) and arrivals[at][0] <= now_us:
            came_us, i = arrivals[at]
            receiver.put(datagram(i), came_us)
            at += 1
        heard = receiver.pull(now_us)
        assert np.isfinite(np.asarray(heard.pcm)).all()
        assert len(heard.pcm) == 960
        statuses.append(heard.status)
        delays.append(receiver.stats.delay_ms)
    assert accounted(receiver, len(late_ms))
    return receiver, statuses, delays


def test_a_hole_is_concealed_and_its_delay_worked_off_by_time_scaling() -> None:
    late = [0.0] * 600
    for i in range(100, 125):
        late[i] = 20.0 * (125 - i)  # 500 ms come at once
    receiver, _, delays = listen(late)
    stats = receiver.stats
    assert stats.concealed_samples + stats.interrupted_samples <= 48 * 500
    assert stats.dropped_samples == 0
    assert max(delays) > 450
    assert delays[-1] <= stats.target_ms + 30
    assert delays[350] < 120  # 4.5 s after it
    assert stats.accelerated_samples > 48 * 350


def test_a_clean_network_is_never_concealed_and_comes_down_to_a_frame() -> None:
    receiver, statuses, delays = listen([0.0] * 400)
    assert set(statuses[2:]) == {"frame"}
    assert receiver.stats.target_ms <= 20
    assert delays[-1] <= 25


def test_a_target_falls_after_a_burst() -> None:
    rng = np.random.default_rng(3)
    sent = np.arange(1400) * 20.0
    came = sent + np.concatenate([np.zeros(100), rng.uniform(0, 120, 400), np.zeros(900)])
    late = [float(ms) for ms in np.maximum.accumulate(came) - sent]  # in order
    receiver, _, delays = listen(late)
    assert max(delays) > 100
    assert receiver.stats.target_ms < 60
    assert delays[-1] < 80


@pytest.mark.parametrize("pause", [False, True])
@pytest.mark.parametrize("ppm", [25_000, -25_000])
def test_drift_with_real_sound(ppm: int, pause: bool) -> None:
    """30 s of a clock that is 2.5 % off, without a word lost; with pauses the sender says so (DTX)."""
    receiver, concealed_at_start = Receiver(), 0
    step_us = TICK_US * (1 + ppm / 1e6)
    sent = at_us = 0
    next_us, seq = float(START_US), 0
    for tick in range(1500):
        now_us = START_US + 3_000 + tick * TICK_US
        while next_us <= now_us:
            silent = pause and sent % 150 >= 120
            at_us = int(next_us)
            if not silent or sent % 150 == 120:
                frame = b"\x78" if silent else spoken()[sent % len(spoken())][0]
                receiver.put(datagram(seq, timestamp=960 * sent), at_us) if not silent else receiver.put(
                    pack_audio([frame], seq=seq, timestamp=960 * sent, level=127, seats=[]), at_us
                )
                seq += 1
            sent += 1
            next_us += step_us
        receiver.pull(now_us)
        if tick == 100:
            concealed_at_start = receiver.stats.concealed_samples
    stats = receiver.stats
    assert stats.concealed_samples == concealed_at_start
    assert stats.dropped_samples == 0
    assert abs(stats.delay_ms - stats.target_ms) <= 40
    assert accounted(receiver, 1500)


def test_comfort_noise_follows_a_quiet_source_and_ends() -> None:
    rng = np.random.default_rng(5)
    encoder = Encoder(bitrate_bps=24_000, complexity=0, dtx=True)
    receiver, loud = Receiver(), []
    for i, pcm in enumerate(frames(rng.normal(0, 0.002, 48_000 * 8).astype(np.float32))):
        now_us = START_US + i * TICK_US
        if i < 100:
            packet = encoder.encode(pcm)
            level = level_of(pcm) if len(packet) > 2 else 127
            receiver.put(pack_audio([packet], seq=i, timestamp=960 * i, level=level, seats=[]), now_us)
        elif i == 100:
            receiver.put(pack_audio([b"\x78"], seq=i, timestamp=960 * i, level=127, seats=[]), now_us)
        heard = receiver.pull(now_us + 1000)
        loud.append(float(np.sqrt(np.mean(np.square(np.asarray(heard.pcm))))))
    assert 0.0005 < np.mean(loud[110:200]) < 0.004
    assert max(loud[-20:]) == 0.0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["frame"] * 12 + ["lost", "jump", "stamp", "again", "dtx", "short", "long", "stereo", "bytes"]
            ),
            st.integers(0, 4),  # pulls after it
            st.integers(0, 90_000),  # µs that pass
        ),
        max_size=150,
    ),
    st.randoms(use_true_random=False),
)
def test_any_stream_gives_finite_frames_and_every_sample_is_accounted(
    steps: list[tuple[str, int, int]], random: object
) -> None:
    receiver = Receiver()
    now_us, n, stamp, pulls = START_US, 0, 0, 0
    for what, n_pulls, passed_us in steps:
        now_us += passed_us
        n += 1000 if what == "jump" else 0 if what == "again" else 1
        stamp += 480_000 if what == "stamp" else 0
        frame = {"dtx": b"\x78", "short": b"\x60abc", "long": b"\x7b\x06abcdef", "stereo": b"\x7cabc"}.get(
            what
        )
        if what == "bytes":
            receiver.put(bytes(range(40)), now_us)
        elif what != "lost":
            timestamp = (960 * n + stamp) & 0xFFFF_FFFF
            data = datagram(n, timestamp=timestamp)
            if frame is not None:
                data = pack_audio([frame], seq=n & 0xFFFF, timestamp=timestamp, level=30, seats=[])
            receiver.put(data, now_us)
        for _ in range(n_pulls):
            heard = receiver.pull(now_us)
            pulls += 1
            assert len(heard.pcm) == 960
            assert np.isfinite(np.asarray(heard.pcm)).all()
        assert accounted(receiver, pulls)
        assert 0 <= receiver.stats.held_samples <= 1440


def test_an_hour_of_silence_and_back() -> None:
    receiver = Receiver()
    for i in range(20):
        receiver.put(datagram(i), START_US + i * TICK_US)
        receiver.pull(START_US + i * TICK_US + 3_000)
    back_us = START_US + 3_600_000_000
    heard = []
    for i in range(20):
        receiver.put(datagram(20 + i, timestamp=960 * (180_000 + i) & 0xFFFF_FFFF), back_us + i * TICK_US)
        heard.append(receiver.pull(back_us + i * TICK_US + 3_000).status)
    assert heard.count("frame") >= 18
    assert receiver.stats.restarts == 0
