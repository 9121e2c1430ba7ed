"""No bytes and no numbers can crash Encoder and Decoder; only documented errors come out."""

from __future__ import annotations

import array
import struct

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from spacecore._opus import Decoder, Encoder, packet_carries_fec, packet_duration_samples
from spacecore.errors import OpusError
from tests.oracles.voice import FRAME_SAMPLES, voice

GOOD = voice(1)[0]


def samples(pcm) -> np.ndarray:
    return np.frombuffer(pcm, np.float32)


TOCS = st.binary(max_size=80) | st.builds(
    # Mostly 20 ms: what gets past the check of the duration.
    lambda config, rest, body: bytes([config << 3 | rest]) + body,
    st.sampled_from([1, 5, 9, 13, 15, 19, 23, 27, 31]),
    st.integers(0, 7),
    st.binary(max_size=200),
)


@given(packet=TOCS)
@settings(max_examples=300, deadline=None)
def test_no_bytes_crash_the_questions(packet):
    assert packet_carries_fec(packet) in (False, True)
    try:
        duration = packet_duration_samples(packet)
    except OpusError as error:
        assert error.code in {"invalid_packet", "bad_argument"}
    else:
        assert duration in range(120, 5761, 120)


@given(packets=st.lists(st.tuples(st.booleans(), TOCS), min_size=1, max_size=6), channels=st.integers(1, 2))
@settings(max_examples=200, deadline=None)
def test_no_bytes_crash_the_decoder(packets, channels):
    decoder = Decoder(channels=channels)
    for recover, packet in packets:
        try:
            pcm = decoder.recover(packet) if recover else decoder.decode(packet)
        except OpusError as error:
            assert error.code in {"invalid_packet", "bad_argument", "bad_duration", "internal_error"}
            pcm = decoder.conceal()
        assert np.isfinite(samples(pcm)).all()


@given(
    scale=st.floats(allow_nan=True, allow_infinity=True, width=32),
    seed=st.integers(0, 2**32 - 1),
    application=st.sampled_from(["voip", "audio", "lowdelay"]),
    channels=st.integers(1, 2),
)
@settings(max_examples=100, deadline=None)
def test_any_float_is_encoded_or_refused(scale, seed, application, channels):
    encoder, decoder = Encoder(application=application, channels=channels), Decoder(channels=channels)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        frame = (rng.uniform(-1, 1, FRAME_SAMPLES * channels) * scale).astype(np.float32)
    usable = bool((np.abs(frame) <= 32).all())  # False for NaN
    for pcm, taken in ((frame, usable), (frame * 0 + 0.5 if usable else GOOD.repeat(channels), True)):
        try:
            packet = encoder.encode(pcm)
        except OpusError as error:
            assert not taken
            assert error.code == "bad_argument"
        else:
            assert taken
            assert np.isfinite(samples(decoder.decode(packet))).all()


@given(samples16=st.integers(-32768, 32767), at=st.integers(0, 959))
@settings(max_examples=50, deadline=None)
def test_any_int16_is_encoded(samples16, at):
    pcm = array.array("h", bytes(1920))
    struct.pack_into("h", pcm, at * 2, samples16)
    assert np.isfinite(samples(Decoder().decode(Encoder().encode(pcm)))).all()
