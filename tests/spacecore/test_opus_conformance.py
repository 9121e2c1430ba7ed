"""_opus against opuslib and PyAV on the same libopus file: the same bytes and samples, not just nearly."""

from __future__ import annotations

import itertools
import random

import av
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from spacecore._opus import Decoder, Encoder, opus_library, packet_carries_fec, packet_duration_samples
from spacecore.errors import OpusError
from tests.oracles.opuslib_reference import ReferenceDecoder, ReferenceEncoder, has_lbrr, nb_samples
from tests.oracles.voice import FRAME_SAMPLES, voice

CONFIGURATIONS = [
    {},
    {"loss_pct": 10},
    {"loss_pct": 30, "bitrate_bps": 24000, "complexity": 0},
    {"fec": False, "dtx": False, "vbr": False},
    {"bitrate_bps": 6000, "loss_pct": 20},
    {"bitrate_bps": 510000, "application": "audio", "complexity": 2},
    {"application": "audio", "complexity": 10, "bitrate_bps": 48000, "loss_pct": 5},
    {"application": "lowdelay", "complexity": 5, "bitrate_bps": 64000},
    {"channels": 2, "bitrate_bps": 48000, "loss_pct": 15},
    {"channels": 2, "application": "audio", "bitrate_bps": 96000, "vbr": False},
    {"vbr": False, "bitrate_bps": 20000, "loss_pct": 25},
]


# PyAV always runs on the libopus of its wheel; the environment may have named another one for us.
SAME_LIBRARY = opus_library().source == "PyAV"


def sound(config: dict, seed: int = 0) -> np.ndarray:
    """Speech with a second of silence inside, so that DTX is met."""
    channels = config.get("channels", 1)
    speech = voice(45, seed, channels)
    return np.concatenate([speech[:30], np.zeros((25, FRAME_SAMPLES * channels), np.float32), speech[30:]])


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_packets_equal_those_of_opuslib(config):
    ours, theirs = Encoder(**config), ReferenceEncoder(**config)
    for frame in sound(config):
        assert ours.encode(frame) == theirs.encode(frame.tobytes())


@pytest.mark.parametrize("config", CONFIGURATIONS[::3], ids=str)
def test_packets_from_int16_equal_those_of_opuslib(config):
    ours, theirs = Encoder(**config), ReferenceEncoder(**config)
    for frame in (sound(config) * 32767).astype(np.int16):
        assert ours.encode(frame) == theirs.encode_int16(frame.tobytes())


def test_a_setting_changed_on_the_way_equals_one_given_at_birth():
    config = {"bitrate_bps": 20000, "complexity": 3, "fec": True, "loss_pct": 25, "dtx": False, "vbr": False}
    ours, theirs = Encoder(), ReferenceEncoder(**config)
    for name, value in config.items():
        setattr(ours, name, value)
    for frame in sound({}):
        assert ours.encode(frame) == theirs.encode(frame.tobytes())


@pytest.mark.parametrize("decoded_channels", [1, 2])
@pytest.mark.parametrize("config", CONFIGURATIONS, ids=str)
def test_sound_equals_that_of_opuslib_through_loss(config, decoded_channels):
    encoder = Encoder(**config)
    packets = [encoder.encode(frame) for frame in sound(config, seed=1)]
    ours, theirs = Decoder(channels=decoded_channels), ReferenceDecoder(channels=decoded_channels)
    chance = random.Random(5)
    for packet, after in itertools.pairwise(packets):
        way = chance.choices(["decode", "conceal", "recover"], [6, 1, 1])[0]
        arguments = {"decode": [packet], "conceal": [], "recover": [after]}[way]
        assert getattr(ours, way)(*arguments).tobytes() == getattr(theirs, way)(*arguments), way


# --- PyAV: the codec named "libopus" is FFmpeg's wrapper round the same library -------------------


def pyav(mode: str, channels: int) -> av.AudioCodecContext:
    context = av.CodecContext.create("libopus", mode)
    context.sample_rate = 48000
    context.layout = "mono" if channels == 1 else "stereo"
    return context


@pytest.mark.parametrize("channels", [1, 2])
def test_pyav_hears_our_packets_as_we_do(channels):
    encoder, ours = Encoder(channels=channels, loss_pct=10), Decoder(channels=channels)
    theirs = pyav("r", channels)
    theirs.options = {"request_sample_fmt": "flt"}
    for frame in voice(50, seed=2, channels=channels):
        packet = encoder.encode(frame)
        (heard,) = theirs.decode(av.Packet(packet))
        assert heard.format.name == "flt"
        own = np.frombuffer(ours.decode(packet), np.float32)
        assert np.abs(heard.to_ndarray().ravel() - own).max() <= (0 if SAME_LIBRARY else 0.01)


def test_pyav_writes_the_packets_that_we_write():
    theirs = pyav("w", 1)
    theirs.format = "flt"
    theirs.bit_rate = 32000
    theirs.options = {
        "application": "voip",
        "frame_duration": "20",
        "vbr": "constrained",
        "compression_level": "9",
        "packet_loss": "10",
        "fec": "1",
    }
    ours = Encoder(loss_pct=10, dtx=False)
    decoder = Decoder()
    for i, pcm in enumerate(voice(50, seed=4)):
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), "flt", "mono")
        frame.sample_rate, frame.pts = 48000, i * FRAME_SAMPLES
        packets = [bytes(packet) for packet in theirs.encode(frame)]
        assert packets == [ours.encode(pcm)] or not SAME_LIBRARY
        assert len(decoder.decode(packets[0])) == FRAME_SAMPLES


# --- in-band FEC, read by our own parse -----------------------------------------------------------


def test_the_libopus_of_pyav_can_judge_our_parse():
    # Only a libopus named by the environment, or the system's, may be without opus_packet_has_lbrr.
    assert has_lbrr(b"\x08\x40") == 1 or not SAME_LIBRARY


def fec_by_libopus(packet: bytes) -> bool:
    """opus_packet_has_lbrr, or for a libopus without it our own parse, which the golden bytes below hold."""
    verdict = has_lbrr(packet)
    return packet_carries_fec(packet) if verdict is None else verdict == 1


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("vbr", [True, False], ids=["vbr", "cbr"])
def test_fec_is_seen_where_libopus_sees_it(frame_ms, channels, vbr):
    counts = {True: 0, False: 0}
    for bitrate, seed in itertools.product((12000, 18000, 28000, 44000, 70000), range(2)):
        encoder = ReferenceEncoder(channels=channels, bitrate_bps=bitrate, loss_pct=20, complexity=0, vbr=vbr)
        pcm = voice(60, seed, channels).ravel()
        step = frame_ms * 48 * channels
        for start in range(0, pcm.size - step + 1, step):
            packet = encoder.encode(pcm[start : start + step].tobytes())
            assert packet_duration_samples(packet) == frame_ms * 48
            carries = packet_carries_fec(packet)
            assert carries == fec_by_libopus(packet), packet[:4].hex()
            counts[carries] += 1
    assert min(counts.values()) > 0


SILK_TOCS = [
    config << 3 | stereo << 2 | code for config in range(16) for stereo in (0, 1) for code in range(4)
]


@given(
    toc=st.sampled_from(SILK_TOCS) | st.integers(0, 255),
    second=st.integers(0, 255),
    body=st.binary(max_size=300),
)
@settings(max_examples=1000, deadline=None)
def test_fec_of_any_bytes_is_what_libopus_says(toc, second, body):
    packet = bytes([toc, second]) + body
    assert packet_carries_fec(packet) == fec_by_libopus(packet)


@pytest.mark.parametrize("toc", SILK_TOCS)
def test_fec_of_every_table_of_contents(toc):
    chance = random.Random(toc)
    for _ in range(200):
        head = chance.choice([1, 2, 3, 0x41, 0x42, 0x81, 0x82, 0xC2, 0xC3, chance.randrange(256)])
        packet = bytes([toc, head, chance.choice([0, 1, 5, 252, 255])]) + chance.randbytes(
            chance.randrange(40)
        )
        assert packet_carries_fec(packet) == fec_by_libopus(packet), packet.hex()


def test_fec_of_lengths_at_the_bound():
    for n_bytes in (0, 1, 2, 1275, 1276, 1277, 2551, 2552, 2553, 2554):
        for code in range(4):
            packet = (bytes([0x08 | code, 0x01]) + b"\xff" * n_bytes)[:n_bytes]
            expected = bool(packet) and fec_by_libopus(packet)
            assert packet_carries_fec(packet) == expected, (n_bytes, code)


@pytest.mark.parametrize("frame_bytes", [0, 1, 2, 3])
@pytest.mark.parametrize("padding", ["fe", "ff 00", "ff 01", "ff ff 02"])
@pytest.mark.parametrize("count", [1, 2])
def test_fec_before_long_padding(frame_bytes, padding, count):
    # A length byte of 255 stands for 254 bytes and says that another follows (RFC 6716 section 3.2.5).
    lengths = bytes.fromhex(padding)
    n_padding = sum(254 if length == 255 else length for length in lengths)
    packet = bytes([0x03, 0x40 | count]) + lengths + b"\x40\x40\x40"[:frame_bytes] + bytes(n_padding)
    assert packet_carries_fec(packet) == (frame_bytes > 0 and frame_bytes % count == 0)
    assert packet_carries_fec(packet) == fec_by_libopus(packet)


@pytest.mark.parametrize(
    ("packet", "carries"),
    [
        ("08 40 00", True),  # SILK 20 ms mono: VAD, LBRR
        ("08 bf 00", False),
        ("0c 10 00", True),  # stereo: mid VAD, mid LBRR, side VAD, side LBRR
        ("0c 40 00", True),
        ("0c af 00", False),
        ("10 20 00", True),  # 40 ms: two VAD flags before LBRR
        ("10 df 00", False),
        ("14 04 00", True),  # 40 ms stereo: side LBRR
        ("18 10 00", True),  # 60 ms: three
        ("18 ef 00", False),
        ("1c 01 00", True),  # 60 ms stereo: side LBRR
        ("1c ee 00", False),
        ("00 40 00", True),  # 10 ms
        ("78 40 00", True),  # hybrid 20 ms
        ("80 ff 00", False),  # CELT
        ("08", False),  # DTX
        ("0b 41 01 40 00", True),  # code 3, one frame, one byte of padding
        ("0b 01 40", True),
        ("0b 00 40", False),  # no frames
    ],
)
def test_fec_golden_bytes(packet, carries):
    assert packet_carries_fec(bytes.fromhex(packet)) == carries
    assert fec_by_libopus(bytes.fromhex(packet)) == carries


@given(packet=st.binary(min_size=1, max_size=60))
@settings(max_examples=300, deadline=None)
def test_duration_of_any_bytes_is_what_libopus_says(packet):
    expected = nb_samples(packet)
    if expected > 0:
        assert packet_duration_samples(packet) == expected
        assume(expected != FRAME_SAMPLES)
        with pytest.raises(OpusError) as caught:
            Decoder().decode(packet)
        assert caught.value.code == "bad_duration"
    else:
        with pytest.raises(OpusError) as caught:
            packet_duration_samples(packet)
        assert caught.value.code == "invalid_packet"
