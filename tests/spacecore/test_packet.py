"""The native datagram parser and packer against the plain reference in tests/oracles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import spacecore
from spacecore import (
    DATAGRAM_MAX_BYTES,
    PacketError,
    pack_audio,
    pack_audio_into,
    pack_report,
    parse_audio,
    parse_report,
)
from tests.oracles import packet_reference as reference

GOLDEN_UP = bytes.fromhex("0001 0001 0005 00001e00 94 00 08aabb".replace(" ", ""))
GOLDEN_DOWN = bytes.fromhex(
    "0001 01d9 fffe 00000780 0c f4 02 0703 0002 0801 0001 08 0002 08aa 48bbcc".replace(" ", "")
)

frame = st.binary(min_size=1, max_size=120)
audio = st.builds(
    reference.Audio,
    seq=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    level=st.integers(0, 127),
    new=st.lists(frame, min_size=1, max_size=3).map(tuple),
    voice=st.booleans(),
    gain_quarter_db=st.integers(-128, 127),
    redundant=st.lists(frame, max_size=2).map(tuple),
    prime=st.lists(frame, max_size=2).map(tuple),
    source_changed=st.booleans(),
    stereo=st.booleans(),
    distance_2=st.booleans(),
    seats=st.none() | st.lists(st.integers(0, 255), max_size=20).map(tuple),
)


def as_reference(packet: spacecore.AudioPacket) -> reference.Audio:
    return reference.Audio(
        packet.seq,
        packet.timestamp,
        packet.level & 127,
        packet.frames,
        bool(packet.level & 128),
        packet.gain,
        packet.redundant,
        packet.prime,
        packet.source_changed,
        packet.stereo,
        packet.distance == 2,
        packet.seats,
    )


def packed(value: reference.Audio) -> bytes:
    return pack_audio(
        value.new,
        seq=value.seq,
        timestamp=value.timestamp,
        level=value.voice << 7 | value.level,
        gain=value.gain_quarter_db,
        redundant=value.redundant,
        prime=value.prime,
        distance=2 if value.distance_2 else 1,
        source_changed=value.source_changed,
        stereo=value.stereo,
        seats=value.seats,
    )


def test_golden_bytes_on_the_way_up() -> None:
    packet = parse_audio(GOLDEN_UP, False)
    assert packet.seq == 5
    assert packet.timestamp == 7680
    assert packet.level == 0x94
    assert packet.frames == (b"\x08\xaa\xbb",)
    assert packet.seats is None
    assert pack_audio([b"\x08\xaa\xbb"], seq=5, timestamp=7680, level=0x94) == GOLDEN_UP


def test_golden_bytes_on_the_way_down_with_every_field() -> None:
    expected = reference.Audio(
        seq=0xFFFE,
        timestamp=1920,
        level=12,
        new=(b"\x48\xbb\xcc",),
        gain_quarter_db=-12,
        redundant=(b"\x08\x01", b"\x08"),
        prime=(b"\x08\xaa",),
        source_changed=True,
        stereo=True,
        distance_2=True,
        seats=(7, 3),
    )
    assert as_reference(parse_audio(GOLDEN_DOWN, True)) == expected
    assert packed(expected) == GOLDEN_DOWN == reference.pack_audio(expected)


@given(audio)
def test_packing_agrees_with_the_reference_and_parses_back(value: reference.Audio) -> None:
    data = packed(value)
    assert data == reference.pack_audio(value)
    assert as_reference(parse_audio(data, value.seats is not None)) == value


@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_parsed_as_the_reference_parses_them(tail: bytes, down: bool) -> None:
    data = b"\x00\x01" + tail
    try:
        expected = reference.parse_audio(data, down)
    except ValueError:
        with pytest.raises(PacketError):
            parse_audio(data, down)
    else:
        assert as_reference(parse_audio(data, down)) == expected


@given(st.binary(max_size=1400), st.booleans())
def test_no_bytes_escape_with_another_error(data: bytes, down: bool) -> None:
    for parse in (
        lambda: parse_audio(data, down),
        lambda: parse_report(data),
        lambda: spacecore.datagram_kind(data),
    ):
        try:
            parse()
        except PacketError as error:
            assert error.code.isidentifier()


@given(audio, st.data())
def test_every_truncation_is_an_error_or_a_shorter_last_frame(
    value: reference.Audio, data: st.DataObject
) -> None:
    whole = packed(value)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        parsed = parse_audio(cut, value.seats is not None)
    except PacketError:
        return
    assert parsed.frames[:-1] == value.new[:-1]
    assert value.new[-1].startswith(parsed.frames[-1])


COUNTS = st.tuples(*[st.integers(0, 0xFFFF)] * 7)
ADVICE = st.builds(
    spacecore.Advice, st.integers(0, 100), st.integers(0, 255), st.integers(0, 2), st.sampled_from([1, 2])
)


@given(COUNTS, ADVICE | st.none())
def test_reports_agree_with_the_reference(fields: tuple[int, ...], advice: spacecore.Advice | None) -> None:
    report = spacecore.Report(*fields, advice)
    asked = () if advice is None else (*advice[:3], advice.distance == 2)
    assert pack_report(report) == reference.pack_report(reference.Report(*fields, *asked))
    assert parse_report(pack_report(report)) == report
    if advice is not None:
        assert parse_report(pack_report(report) + b"of a later version") == report


@given(st.binary(min_size=12, max_size=30))
def test_any_bytes_are_the_report_that_the_reference_reads(body: bytes) -> None:
    data = b"\x00\x02" + body
    read, expected = parse_report(data), reference.parse_report(data)
    assert read[:7] == (
        *(getattr(expected, name) for name in read._fields[:6]),
        expected.bursts,
    )
    assert (read.advice is None) == (expected.expect_pct is None)
    if read.advice is not None:
        assert read.advice == spacecore.Advice(
            expected.expect_pct, expected.most_kbps, expected.copies, 2 if expected.distance_2 else 1
        )


def test_a_report_of_before_there_were_bursts_is_read() -> None:
    old = pack_report(spacecore.Report(4710, 49, 1, 0, 14, 60, 1))[:14]
    assert parse_report(old) == spacecore.Report(4710, 49, 1, 0, 14, 60, 0, None)


@pytest.mark.parametrize("advice", [(101, 0, 0, 1), (0, 256, 0, 1), (0, 0, 3, 1), (0, 0, 1, 3)])
def test_advice_that_cannot_be_given_is_refused(advice: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="expect_pct is 0 to 100"):
        pack_report(spacecore.Report(1, 1, 0, 0, 0, 0, 0, spacecore.Advice(*advice)))


def test_counts_in_a_report_saturate() -> None:
    assert (
        parse_report(pack_report(spacecore.Report(1, 70_000, 70_000, 70_000, 70_000, 70_000))).received
        == 65_535
    )


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_datagram"),
        (b"\x00", "empty_datagram"),
        (b"\x40\x01" + bytes(20), "bad_version"),
        (b"\x00\x02" + bytes(20), "unknown_kind"),
        (b"\x00\x01" + bytes(9), "truncated"),
        (b"\x00\x01\x00\x00" + bytes(20), "bad_frame_count"),
        (b"\x00\x01\x00\x0d" + bytes(20), "bad_frame_count"),
        (b"\x00\x01\x00\x31" + bytes(20), "bad_frame_count"),
        (GOLDEN_UP[:12], "truncated"),
        (bytes([0, 1, 0, 2]) + bytes(8) + b"\x00\x00\x08", "bad_frame_size"),
        (GOLDEN_UP + bytes(DATAGRAM_MAX_BYTES), "datagram_too_long"),
    ],
)
def test_what_is_refused_and_why(data: bytes, code: str) -> None:
    with pytest.raises(PacketError) as caught:
        parse_audio(data, False)
    assert caught.value.code == code


def test_packing_refuses_what_a_receiver_would_refuse() -> None:
    buffer = bytearray(40)
    for frames, options, code in [
        ([], {}, "bad_frame_count"),
        ([b"a"] * 4, {}, "bad_frame_count"),
        ([b""], {}, "bad_frame_size"),
        ([b"a" * 1276], {}, "bad_frame_size"),
        ([b"a"], {"redundant": [b"a"] * 3}, "bad_frame_count"),
        ([b"a" * 600] * 3, {}, "datagram_too_long"),
        ([b"a" * 60], {}, "no_room"),
    ]:
        with pytest.raises(PacketError) as caught:
            pack_audio_into(buffer, frames, seq=0, timestamp=0, **options)
        assert caught.value.code == code
    with pytest.raises(ValueError, match="gain"):
        pack_audio([b"a"], seq=0, timestamp=0, gain=200)


def test_packing_writes_into_the_callers_buffer_and_no_further() -> None:
    buffer = bytearray(b"\xee" * 64)
    size = pack_audio_into(buffer, [b"\x08\xaa\xbb"], seq=5, timestamp=7680, level=0x94)
    assert bytes(buffer[:size]) == GOLDEN_UP
    assert set(buffer[size:]) == {0xEE}


@pytest.mark.parametrize(
    ("a", "b", "newer"),
    [(1, 0, True), (0, 1, False), (0, 65535, True), (65535, 0, False), (7, 7, False), (32767, 0, True)],
)
def test_sequence_numbers_wrap(a: int, b: int, newer: bool) -> None:
    assert spacecore.seq_newer(a, b) is newer
