"""The file of a trace: what is written is read, and what is none is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.trace import (
    Arrival,
    Audience,
    Change,
    Counts,
    End,
    Header,
    Report,
    SeatRow,
    Tick,
    TraceError,
    TraceFile,
    read_trace,
    replay,
    summarise,
)
from signaling.trace.file import MAGIC, MAX_HEADER_BYTES, frame, preface
from signaling.trace.records import COUNTERS, DONE, DUE, Record, RecordError, Shape, pack, parse
from spacecore import Space
from tests.traced_room import SETTINGS, TracedRoom

HEADER = Header("ab" * 16, 1_700_000_000_000_000, False, SETTINGS, "0.1.0", "libopus 1.6.1", "native")

u8, u16, u32 = st.integers(0, 255), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
i16, i64 = st.integers(-(1 << 15), (1 << 15) - 1), st.integers(-(1 << 63), (1 << 63) - 1)
shapes = st.builds(Shape, st.integers(1, 1200), u8, u8, st.booleans())
rows = st.builds(
    SeatRow,
    u8,
    st.sampled_from(DUE),
    st.sampled_from(DONE),
    u8,
    u16,
    i16,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
floats = st.floats(width=32, allow_nan=False)
whole = st.binary(max_size=40).map(lambda data: Arrival(1, 2, 0, len(data), data, whole=True))
records: st.SearchStrategy[Record] = st.one_of(
    st.builds(Arrival, i16, i64, i16, u16, st.binary(max_size=12), st.lists(shapes, max_size=7).map(tuple)),
    whole,
    st.builds(Report, i16, i64, i64, st.binary(max_size=19)),
    st.builds(
        Change, i16, i64, i64, st.sampled_from(["add", "add_pcm", "remove", "mute", "gain"]), floats,
        st.booleans(), st.booleans(), st.booleans(),
    ),
    st.builds(Tick, i16, i64, u32, u8, st.lists(rows, max_size=32).map(tuple)),
    st.builds(Counts, i16, i64, st.lists(u32, min_size=len(COUNTERS), max_size=len(COUNTERS)).map(tuple)),
    st.builds(Audience, i16, i64, st.sampled_from(["enter", "seat", "leave", "clear"]), u32),
    st.builds(End, i16, i64, st.sampled_from(["stopped", "seconds", "bytes", "space_ended", "failed"]), u32),
)  # fmt: skip


def write(path: Path, *parts: Record, header: bytes = b"") -> Path:
    path.write_bytes((header or preface(HEADER)) + b"".join(frame(pack(each)) for each in parts))
    return path


@given(records)
def test_a_record_comes_back(record):
    assert parse(pack(record)) == record


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data):
    try:
        record = parse(data)
    except RecordError as error:
        assert str(error)
    else:
        again = parse(pack(record))
        assert again == record or "nan" in repr(record)


@given(records, st.data())
def test_a_bent_record_is_a_record_or_refused(record, data):
    bent = bytearray(pack(record))
    for _ in range(data.draw(st.integers(1, 4))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(u8)
    try:
        parse(bytes(bent[: data.draw(st.integers(0, len(bent)))]))
    except RecordError as error:
        assert str(error)


def test_the_engine_and_the_packer_write_the_same_bytes():
    space = Space(**SETTINGS)
    trace = space.trace()
    space.add_seat(4, gain_db=-3.0)
    space.put(4, bytes(range(14)), 7)
    space.tick(20_000)
    space.remove_seat(4)
    space.tick(40_000)
    found = trace.read()
    assert len(found) == 6 and [pack(parse(data)) for data in found] == found


def test_a_file_comes_back(tmp_path):
    room = TracedRoom(seed=1, seconds=1.0)
    path = write(tmp_path / "room.trace", *room.file.records)
    trace = read_trace(path)
    assert (trace.header, trace.records) == (HEADER, room.file.records)
    assert trace.is_whole and trace.end is not None


def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path):
    """Its writer was killed, or the disk was full: wherever that was."""
    path = write(
        tmp_path / "room.trace",
        Audience(-1, 5, "enter", 0),
        Audience(-1, 6, "leave", 0),
        End(-1, 7, "stopped", 0),
    )
    whole, start = path.read_bytes(), len(preface(HEADER))
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        trace = read_trace(path)
        assert trace.end is None and not trace.is_whole
        assert len(trace.records) == (end >= start + 18) + (end >= start + 36)


def test_what_was_left_out_is_said(tmp_path):
    trace = read_trace(write(tmp_path / "room.trace", End(-1, 7, "bytes", 12)))
    assert not trace.is_whole and trace.end is not None and trace.end.left_out == 12


def bad_header(**changed: object) -> bytes:
    whole = preface(HEADER)
    fields = {**json.loads(whole[12:]), **changed}
    text = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "not_a_trace", "does not begin with SPTRACE"),
        (b"RIFF1234WAVE", "not_a_trace", "does not begin with SPTRACE"),
        (b"SPTRACE2" + bytes(8), "unknown_version", "use the build that made it"),
        (MAGIC, "bad_header", "lacks a field"),
        (MAGIC + (MAX_HEADER_BYTES + 1).to_bytes(4, "little"), "bad_header", "65536 bytes at most"),
        (MAGIC + (9).to_bytes(4, "little") + b"{}", "bad_header", "cut off"),
        (MAGIC + (2).to_bytes(4, "little") + b"[]", "bad_header", "lacks a field"),
        (MAGIC + (2).to_bytes(4, "little") + b"\xff\xff", "bad_header", "lacks a field"),
        (bad_header(settings={**SETTINGS, "fec": 1}), "bad_header", "lacks a field"),
        (bad_header(settings={}), "bad_header", "lacks a field"),
        (bad_header(audio="yes"), "bad_header", "lacks a field"),
        (bad_header(space=None), "bad_header", "lacks a field"),
        (preface(HEADER) + frame(b"\x09" + bytes(10)), "bad_record", "record 1: there is no kind 9"),
        (preface(HEADER) + frame(b"\x01"), "bad_record", "too few for a record, which has 11 at least"),
    ],
)  # fmt: skip
def test_what_is_no_trace_is_refused(tmp_path, data, code, says):
    path = tmp_path / "room.trace"
    path.write_bytes(data)
    with pytest.raises(TraceError, match=says) as caught:
        read_trace(path)
    assert caught.value.code == code


def test_a_file_beyond_all_bounds_is_not_read(tmp_path):
    path = tmp_path / "room.trace"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(TraceError, match="1073741824 are the most") as caught:
        read_trace(path)
    assert caught.value.code == "too_large"


@settings(max_examples=60)
@given(st.lists(records, max_size=12))
def test_whatever_a_file_says_it_can_be_summed_up_and_replayed_or_refused(parts):
    """Also what no engine ever wrote: a seat that is removed twice, a time that goes back."""
    trace = TraceFile(HEADER, tuple(parts))
    assert summarise(trace).ticks == sum(isinstance(each, Tick) for each in parts)
    try:
        replay(trace)
    except TraceError as error:
        assert error.code == "bad_record" and str(error)
