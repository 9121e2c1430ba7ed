"""A trace replayed: the jitter buffers decide the same, with the sound or without; what differs is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from signaling.trace import Arrival, Change, Counts, Replay, Report, Tick, replay, summarise
from signaling.trace.records import Shape, parse
from signaling.trace.synthetic import datagram_of, frame_of
from spacecore import Encoder, Space, pack_audio, pack_report
from spacecore import Report as ReceiverReport
from tests.oracles.voice import voice
from tests.traced_room import SETTINGS, TICK_US, TracedRoom


@pytest.fixture(scope="module")
def room() -> TracedRoom:
    return TracedRoom(seed=5)


def last_counts(room: TracedRoom, seat: int) -> dict[str, int]:
    found = [each for each in room.records if isinstance(each, Counts) and each.seat == seat]
    return dict(found[-1].named)


def test_without_the_sound_every_decision_is_the_same(room):
    """Received, late, lost, recovered, waits, scaled samples, delays: every counter, each second."""
    outcome = replay(room.file)
    assert (outcome.differences, outcome.settling) == ([], 0)
    counts = [each for each in room.records if isinstance(each, Counts)]
    assert outcome.ticks == 500
    assert outcome.arrivals == sum(isinstance(each, Arrival) for each in room.records)
    for seat in room.seats:
        kept = [each.values for each in counts if each.seat == seat and each.now_us < 500 * TICK_US]
        assert outcome.counts[seat].values == kept[-1]


def test_the_room_of_that_test_had_all_of_it(room):
    """Else nothing would be proven: losses, late frames, FEC, time scaling both ways, frames passed on."""
    sums: dict[str, int] = {}
    for seat in room.seats:
        for name, value in last_counts(room, seat).items():
            sums[name] = sums.get(name, 0) + value
    wanted = ("late", "duplicate", "reordered", "fec", "lost", "waits", "accelerated_samples", "skipped")
    assert [name for name in (*wanted, "stretched_samples") if sums[name] == 0] == []
    rows = [row for each in room.records if isinstance(each, Tick) for row in each.rows]
    assert any(row.passed for row in rows) and any(row.done == "unscaled" for row in rows)
    assert any(row.due == "held" for row in rows)


def test_nothing_of_the_sound_is_in_a_trace_without_it(room):
    arrivals = [each for each in room.records if isinstance(each, Arrival)]
    assert max(len(each.data) for each in arrivals) == 12
    assert sum(each.n_bytes for each in arrivals) > 20 * len(arrivals)


def test_with_the_sound_the_room_is_on_its_own():
    room = TracedRoom(seed=6, seconds=6.0, audio=True)
    outcome = replay(room.file)
    assert (outcome.differences, outcome.settling) == ([], 0)


def test_a_build_that_decides_otherwise_is_found(room, monkeypatch):
    """Here: one that does not follow what the sound allowed; the first place where it matters is named."""
    monkeypatch.setattr(Replay, "_follow", lambda self, tick: None)
    outcome = replay(room.file)
    assert outcome.n_differences > 10
    first = outcome.differences[0]
    assert first.recorded != first.replayed and first.seat in room.seats


def test_a_packet_more_or_less_is_found(room):
    records = list(room.file.records)
    at = [i for i, each in enumerate(records) if isinstance(each, Arrival) and each.verdict == 0][200]
    outcome = replay(replace(room.file, records=tuple(records[:at] + records[at + 1 :])))
    assert outcome.n_differences > 0


def test_who_was_there_before_is_said_to_settle():
    room = TracedRoom(seed=5, seconds=4.0, traced_from=100)
    before = [each for each in room.records if isinstance(each, Change) and each.before]
    assert {each.seat for each in before if each.what == "add"} == set(room.seats)
    assert any(each.what == "mute" for each in before)
    outcome = replay(room.file)
    assert outcome.n_differences == 0 and outcome.settling > 0


def test_reports_come_back_with_their_votes():
    space = Space(**SETTINGS)
    trace = space.trace()
    report = pack_report(ReceiverReport(9, 40, 10, 8, 5, 60))
    space.report(None, report, 0, vote=0)
    space.tick(0)
    [found] = [each for each in map(parse, trace.read()) if isinstance(each, Report)]
    assert (found.seat, found.data[:14], found.vote) == (-1, report[:14], 0)


def test_a_summary_counts_what_the_network_did(room):
    summary = summarise(room.file)
    assert (summary.ticks, summary.late_ticks, sorted(summary.seats)) == (500, 0, [0, 1, 7])
    first = summary.seats[0]
    assert first.datagrams == sum(isinstance(each, Arrival) and each.seat == 0 for each in room.records)
    assert 3 < first.missing < 40  # of some 330 sent, 4 % are lost
    assert 5 < first.jitter_ms < 25
    counted = last_counts(room, 0)  # at the end, one tick after the last one here
    assert (first.due["fec"], first.due["lost"]) == (counted["fec"], counted["lost"])
    assert 0 < first.due["frame"] <= counted["frames"]  # where time is shortened, two come in one tick
    assert first.due["frame"] > 0.9 * counted["frames"]


# --- synthetic datagrams ------------------------------------------------------------------------------------


def shapes_of(datagram: bytes) -> tuple[Shape, ...]:
    """As the engine writes them down."""
    space = Space(**SETTINGS)
    trace = space.trace()
    space.add_seat(0)
    space.put(0, datagram, 0)
    [arrival] = [each for each in map(parse, trace.read()) if isinstance(each, Arrival)]
    return arrival.shapes


@pytest.mark.parametrize("bitrate_bps", [8_000, 16_000, 32_000, 96_000])
def test_a_synthetic_datagram_has_the_same_shape(bitrate_bps):
    encoder = Encoder(bitrate_bps=bitrate_bps, complexity=0, fec=True, loss_pct=20)
    frames = [encoder.encode(pcm) for pcm in voice(40, seed=1)]
    for first in range(0, 36, 3):
        shapes = shapes_of(pack_audio(frames[first : first + 3], seq=first, timestamp=960 * first))
        made = [frame_of(shape) for shape in shapes]
        assert shapes_of(pack_audio(made, seq=first, timestamp=960 * first)) == shapes


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 9, 40, 300, 900])
@pytest.mark.parametrize(
    "toc", [0b01001_0_00, 0b01000_0_01, 0b01000_0_10, 0b01000_0_11, 0b11111_1_00, 0b11110_0_01]
)
@pytest.mark.parametrize("has_fec", [False, True])
def test_a_synthetic_frame_keeps_size_toc_and_fec(n_bytes, toc, has_fec):
    """Code 1 and 3 with frames of 10 ms: two of them, as a count says."""
    shape = Shape(n_bytes, toc, 2 if toc & 3 == 3 else 0, has_fec)
    frame = frame_of(shape)
    assert (len(frame), frame[0]) == (n_bytes, toc)
    [found] = shapes_of(pack_audio([frame], seq=1, timestamp=0))
    assert (found.n_bytes, found.toc, found.count & 0x3F) == (n_bytes, toc, shape.count if n_bytes > 1 else 0)
    room_for_it = n_bytes >= 6 and toc >> 3 < 16 and (toc & 3 != 1 or n_bytes % 2)
    assert found.has_fec == (has_fec and bool(room_for_it)) or n_bytes < 6


def test_what_was_no_audio_has_its_size_again():
    arrival = Arrival(0, 0, -4, 40, b"\x00\x01" + bytes(10))
    assert datagram_of(arrival) == b"\x00\x01" + bytes(38)
