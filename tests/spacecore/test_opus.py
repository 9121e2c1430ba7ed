"""Encoder and Decoder by themselves: settings, shapes, silence, loss, refusals."""

from __future__ import annotations

import array
import ctypes

import numpy as np
import pytest

from spacecore._opus import (
    Decoder,
    Encoder,
    error_for_status,
    opus_library,
    packet_carries_fec,
    packet_duration_samples,
)
from spacecore.errors import OpusError, OpusLibraryError, SpacecoreError
from tests.oracles.voice import FRAME_SAMPLES, voice

SETTINGS = {
    "bitrate_bps": (6000, 64000, 510000),
    "complexity": (0, 5, 10),
    "fec": (False, True),
    "loss_pct": (0, 20, 100),
    "dtx": (False, True),
    "vbr": (False, True),
}
BEYOND = {
    "channels": (0, 3),
    "bitrate_bps": (5999, 510001, -1, 10**30),
    "complexity": (-1, 11),
    "fec": (-1, 2),
    "loss_pct": (-1, 101),
    "dtx": (-1, 2),
    "vbr": (-1, 2),
}


def samples(pcm) -> np.ndarray:
    return np.frombuffer(pcm, np.float32)


# --- settings -------------------------------------------------------------------------------------


def test_defaults_are_those_of_speech():
    encoder = Encoder()
    assert (encoder.channels, encoder.application, encoder.bitrate_bps, encoder.complexity) == (
        1,
        "voip",
        32000,
        9,
    )
    assert (encoder.fec, encoder.loss_pct, encoder.dtx, encoder.vbr) == (True, 0, True, True)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in SETTINGS.items() for v in values])
def test_every_setting_reaches_libopus(name, value):
    at_birth = Encoder(**{name: value})
    later = Encoder()
    setattr(later, name, value)
    assert getattr(at_birth, name) == getattr(later, name)
    if name != "bitrate_bps" or value < 300000:  # libopus caps what one mono frame of 20 ms can carry
        assert getattr(later, name) == value


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in BEYOND.items() for v in values])
def test_a_setting_out_of_range_names_value_and_limit(name, value):
    with pytest.raises(OpusError, match=rf"{name} is {value}; use \d+ to \d+") as caught:
        Encoder(**{name: value})
    assert (caught.value.code, caught.value.status) == ("bad_argument", -1)
    if name != "channels":
        encoder = Encoder()
        before = getattr(encoder, name)
        with pytest.raises(OpusError, match=name):
            setattr(encoder, name, value)
        assert getattr(encoder, name) == before


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_setting_of_the_wrong_type_is_a_type_error(name):
    with pytest.raises(TypeError):
        Encoder(**{name: 1.5})
    with pytest.raises(TypeError):
        setattr(Encoder(), name, "1")


def test_an_unknown_application_names_those_there_are():
    with pytest.raises(OpusError, match="'music'; use one of voip, audio, lowdelay"):
        Encoder(application="music")


@pytest.mark.parametrize("channels", [0, 3])
def test_a_decoder_has_one_or_two_channels(channels):
    with pytest.raises(OpusError, match=f"channels is {channels}; use 1 to 2"):
        Decoder(channels=channels)


@pytest.mark.parametrize(("application", "expected"), [("voip", 312), ("audio", 312), ("lowdelay", 120)])
def test_lookahead(application, expected):
    assert Encoder(application=application).lookahead_samples == expected


# --- what encoding and decoding give --------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2])
def test_sound_survives_at_the_documented_delay(channels):
    pcm = voice(60, channels=channels)
    encoder = Encoder(channels=channels, application="audio", bitrate_bps=128000)
    decoder = Decoder(channels=channels)
    heard = np.concatenate([samples(decoder.decode(encoder.encode(frame))) for frame in pcm])
    delay = encoder.lookahead_samples * channels
    said, heard = pcm.ravel()[:-delay], heard[delay:]
    assert 10 * np.log10(np.sum(said**2) / np.sum((heard - said) ** 2)) > 15


@pytest.mark.parametrize("channels", [1, 2])
def test_a_frame_is_an_array_of_floats(channels):
    pcm = Decoder(channels=channels).conceal()
    assert isinstance(pcm, array.array)
    assert (pcm.typecode, len(pcm)) == ("f", FRAME_SAMPLES * channels)


def test_frames_do_not_share_memory():
    decoder = Decoder()
    packets = [Encoder().encode(frame) for frame in voice(4)]
    first = decoder.decode(packets[0])
    kept = first.tobytes()
    decoder.decode(packets[3])
    assert first.tobytes() == kept


def test_silence_becomes_dtx_packets_that_decode_to_silence():
    encoder, decoder = Encoder(), Decoder()
    frames = [*voice(10), *np.zeros((50, FRAME_SAMPLES), np.float32)]
    packets = [encoder.encode(frame) for frame in frames]
    quiet = [len(packet) for packet in packets[40:]]
    assert min(quiet) >= 1
    assert sum(n <= 2 for n in quiet) >= len(quiet) - 1  # now and then the comfort noise is refreshed
    heard = [samples(decoder.decode(packet)) for packet in packets]
    assert np.abs(heard[-1]).max() < 1e-3


def test_without_dtx_silence_is_sent():
    encoder = Encoder(dtx=False)
    assert all(len(encoder.encode(np.zeros(FRAME_SAMPLES, np.float32))) > 2 for _ in range(40))


def test_constant_bitrate_gives_packets_of_one_size():
    encoder = Encoder(vbr=False, dtx=False, bitrate_bps=32000)
    assert {len(encoder.encode(frame)) for frame in voice(30)} == {80}


def test_the_longest_frame_fits():
    encoder = Encoder(application="audio", bitrate_bps=510000, vbr=False, dtx=False)
    packets = [encoder.encode(frame) for frame in voice(5)]
    assert {len(packet) for packet in packets} == {1275}
    assert len(Decoder().decode(packets[0])) == FRAME_SAMPLES


def test_reset_starts_anew():
    frames = voice(20)
    encoder, decoder = Encoder(), Decoder()
    first = [encoder.encode(frame) for frame in frames]
    heard = [decoder.decode(packet) for packet in first]
    encoder.reset()
    decoder.reset()
    assert [encoder.encode(frame) for frame in frames] == first
    assert [decoder.decode(packet) for packet in first] == heard


def test_int16_and_float_say_the_same():
    frames = (voice(20) * 32767).astype(np.int16)
    from_int16, from_float = Encoder(dtx=False), Encoder(dtx=False)
    one, other = Decoder(), Decoder()
    for frame in frames:
        a = samples(one.decode(from_int16.encode(frame)))
        b = samples(other.decode(from_float.encode(frame.astype(np.float32) / 32768)))
        assert np.abs(a - b).max() < 0.2
    assert np.corrcoef(a, b)[0, 1] > 0.99


def test_recovering_beats_concealing():
    frames = voice(100, seed=3)
    encoder = Encoder(fec=True, loss_pct=20)
    packets = [encoder.encode(frame) for frame in frames]
    whole = Decoder()
    intact = [samples(whole.decode(packet)) for packet in packets]
    errors = {}
    for way in ("recover", "conceal"):
        decoder, error = Decoder(), 0.0
        for i, packet in enumerate(packets[:-1]):
            if i % 5 == 4 and packet_carries_fec(packets[i + 1]):
                pcm = decoder.recover(packets[i + 1]) if way == "recover" else decoder.conceal()
                error += float(np.sum((samples(pcm) - intact[i]) ** 2))
            else:
                decoder.decode(packet)
        errors[way] = error
    assert errors["recover"] < 0.7 * errors["conceal"]


def test_concealment_fades_out():
    encoder, decoder = Encoder(), Decoder()
    for frame in voice(15):
        decoder.decode(encoder.encode(frame))
    concealed = [np.abs(samples(decoder.conceal())).max() for _ in range(30)]
    assert concealed[0] > 0.01
    assert concealed[-1] < 0.01


# --- what is refused ------------------------------------------------------------------------------

GOOD = voice(1)[0]


@pytest.mark.parametrize(
    "pcm",
    [
        GOOD,
        GOOD.reshape(960, 1),
        (ctypes.c_float * 960)(*GOOD),
        array.array("f", GOOD),
        array.array("h", [1000] * 960),
        memoryview(GOOD.tobytes()).cast("f"),
        memoryview(bytearray(1920)).cast("h"),
        GOOD * 10,
    ],
    ids=["numpy", "2d", "ctypes", "array f", "array h", "cast f", "cast h", "beyond 1"],
)
def test_pcm_that_is_taken(pcm):
    assert len(Encoder().encode(pcm)) >= 1


@pytest.mark.parametrize(
    ("channels", "pcm", "message"),
    [
        (1, GOOD[:959].copy(), r"shape \(959,\); use \(960,\) or \(960, 1\)"),
        (1, np.zeros(1920, np.float32), r"shape \(1920,\); use \(960,\)"),
        (2, np.zeros(960, np.float32), r"shape \(960,\); use \(1920,\) or \(960, 2\)"),
        (2, np.zeros((2, 960), np.float32), r"shape \(2, 960\); use \(1920,\) or \(960, 2\)"),
        (1, np.zeros((), np.float32), r"shape \(\)"),
        (1, np.zeros((960, 1, 1), np.float32), r"shape \(960, 1, 1\)"),
        (1, array.array("f"), r"shape \(0,\)"),
        (1, np.zeros(960), "format 'd'; use float32"),
        (1, np.zeros(960, ">f4"), "format '>f'; use float32"),
        (1, bytes(1920), "format 'B'; use float32"),
        (1, np.zeros(1920, np.float32)[::2], "not C-contiguous"),
        (1, memoryview(bytearray(3841))[1:].cast("f"), "not aligned to 4 bytes"),
    ],
)
def test_pcm_of_another_shape_or_kind_is_refused(channels, pcm, message):
    with pytest.raises(OpusError, match=message) as caught:
        Encoder(channels=channels).encode(pcm)
    assert (caught.value.code, caught.value.status) == ("bad_argument", -1)


@pytest.mark.parametrize("pcm", [None, 3, "x" * 960, [0.0] * 960])
def test_pcm_without_a_buffer_is_a_type_error(pcm):
    with pytest.raises(TypeError):
        Encoder().encode(pcm)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3.4e38, -32.01, 12000.0])
@pytest.mark.parametrize("at", [0, 500, 959])
def test_a_sample_off_scale_is_refused_and_leaves_the_stream_alone(bad, at):
    encoder, untouched = Encoder(), Encoder()
    for i, frame in enumerate(voice(6)):
        if i == 3:
            spoilt = frame.copy()
            spoilt[at] = bad
            with pytest.raises(OpusError, match=rf"sample {at} is .*, the limit is ±32") as caught:
                encoder.encode(spoilt)
            assert caught.value.code == "bad_argument"
        assert encoder.encode(frame) == untouched.encode(frame)


def test_the_buffer_is_released_after_a_refusal():
    pcm = bytearray(100)
    packet = bytearray(b"\x18")
    with pytest.raises(OpusError):
        Encoder().encode(memoryview(pcm).cast("f"))
    with pytest.raises(OpusError):
        Decoder().decode(packet)
    packet.append(0)  # a BufferError if a view were still held
    long = bytearray(65536)
    with pytest.raises(OpusError):
        Decoder().decode(long)
    long.append(0)


@pytest.mark.parametrize("method", ["decode", "recover"])
@pytest.mark.parametrize(
    ("packet", "code", "message"),
    [
        (b"", "bad_argument", "0 bytes, the shortest has 1"),
        (b"\x03\x00", "invalid_packet", "no valid Opus packet"),
        (b"\x0b\x41", "invalid_packet", "no valid Opus packet"),
        (bytes([0x08 | 3, 6]) + bytes(60), "bad_duration", r"5760 samples \(120 ms\), only 960 \(20 ms\)"),
        (bytes([0x18]) + bytes(60), "bad_duration", r"2880 samples \(60 ms\)"),
        (bytes([0xE0]) + bytes(60), "bad_duration", r"120 samples \(2.5 ms\)"),
        (bytes(65536), "invalid_packet", "65536 bytes, the limit is 65535"),
    ],
)
def test_a_bad_packet_is_refused_and_leaves_the_decoder_alone(method, packet, code, message):
    encoder, decoder, untouched = Encoder(), Decoder(), Decoder()
    for frame in voice(10):
        good = encoder.encode(frame)
        assert decoder.decode(good) == untouched.decode(good)
        with pytest.raises(OpusError, match=message) as caught:
            getattr(decoder, method)(packet)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "call", [Decoder().decode, Decoder().recover, packet_duration_samples, packet_carries_fec]
)
@pytest.mark.parametrize("packet", [None, 3, "text"])
def test_a_packet_that_is_no_bytes_is_a_type_error(call, packet):
    with pytest.raises(TypeError):
        call(packet)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)])
def test_a_packet_may_be_any_bytes_like(kind):
    packet = Encoder().encode(GOOD)
    assert Decoder().decode(kind(packet)) == Decoder().decode(packet)
    assert packet_duration_samples(kind(packet)) == FRAME_SAMPLES


# --- errors ---------------------------------------------------------------------------------------

CODES = {
    -1: "bad_argument",
    -2: "buffer_too_small",
    -3: "internal_error",
    -4: "invalid_packet",
    -5: "unimplemented",
    -6: "invalid_state",
    -7: "alloc_failed",
    -100: "no_library",
    -101: "bad_duration",
    -8: "unknown_status",
    7: "unknown_status",
}


@pytest.mark.parametrize(("status", "code"), CODES.items())
def test_every_status_has_its_code(status, code):
    error = error_for_status(status)
    assert isinstance(error, SpacecoreError)
    assert (error.status, error.code) == (status, code)
    assert isinstance(error, OpusLibraryError) == (status == -100)
    assert len(str(error)) > 20


def test_the_library_in_use_is_named():
    library = opus_library()
    assert library.source in {"SPACECORE_LIBOPUS", "PyAV", "system"}
    assert library.path
    assert library.version[0].isdigit()
