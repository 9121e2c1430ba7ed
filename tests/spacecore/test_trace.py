"""A room writes down what it does: in order, bounded, until it is stopped; and follows what a replay says."""

from __future__ import annotations

import gc

import pytest

from signaling.trace.records import Arrival, Change, Counts, Record, Tick, parse
from spacecore import Encoder, SeatError, Space, Trace, pack_audio
from tests.oracles.voice import voice

TICK_US = 20_000


def datagrams(n: int) -> list[bytes]:
    encoder = Encoder(complexity=0)
    return [
        pack_audio([encoder.encode(pcm)], seq=i, timestamp=960 * i, level=20)
        for i, pcm in enumerate(voice(n, seed=3))
    ]


def read(trace: Trace) -> list[Record]:
    return [parse(data) for data in trace.read()]


def test_everything_stands_in_the_order_in_which_it_took_effect():
    space, [first, second] = Space(complexity=0), datagrams(2)
    trace = space.trace()
    space.add_seat(3, gain_db=6.0)
    space.put(3, first, 5_000)
    space.mute(3)
    space.tick(TICK_US)
    space.put(3, second, 25_000)
    space.put(9, second, 26_000)
    space.remove_seat(3)
    space.tick(2 * TICK_US)
    found = read(trace)
    assert [type(each) for each in found] == [
        Change,
        Arrival,
        Change,
        Tick,
        Arrival,
        Arrival,
        Counts,
        Change,
        Tick,
    ]
    added, put, muted, tick, late, unknown, counts, removed, last = found
    assert (added.seat, added.what, round(added.value, 3), added.held, added.serial) == (
        3,
        "add",
        1.995,
        True,
        2,
    )
    assert (put.now_us, put.n_bytes, put.data, len(put.shapes)) == (5_000, len(first), first[:12], 1)
    assert (muted.what, muted.value, tick.now_us, [row.seat for row in tick.rows]) == (
        "mute",
        1.0,
        TICK_US,
        [3],
    )
    assert (late.seat, unknown.seat, unknown.verdict) == (3, 9, -30)
    assert (counts.named["put"], removed.what, last.rows) == (2, "remove", ())


def test_with_audio_a_datagram_is_kept_whole():
    space, [first] = Space(complexity=0), datagrams(1)
    trace = space.trace(audio=True)
    space.add_seat(0)
    space.put(0, first, 0)
    space.put(0, b"\x00", 1)
    assert [each.data for each in read(trace) if isinstance(each, Arrival)] == [first, b"\x00"]


def test_a_reader_that_sleeps_loses_the_newest_and_they_are_counted():
    space = Space(complexity=0)
    trace = space.trace(records=64)
    for n in range(64):
        space.tick(n * TICK_US)
    assert trace.dropped == 0
    space.tick(64 * TICK_US)
    assert trace.dropped == 1
    assert [each.now_us for each in read(trace)] == [n * TICK_US for n in range(64)]
    space.tick(65 * TICK_US)
    assert [each.now_us for each in read(trace)] == [65 * TICK_US]
    assert trace.dropped == 1


def test_it_ends_with_the_counters_once_the_room_has_come_so_far():
    space = Space(complexity=0)
    space.add_seat(0)
    trace = space.trace()
    space.tick(0)
    trace.stop()
    assert not trace.is_over
    space.tick(TICK_US)
    assert trace.is_over
    assert [type(each) for each in read(trace)] == [Change, Tick, Counts]
    space.tick(2 * TICK_US)
    trace.stop()
    assert read(trace) == []
    trace.close()
    trace.close()
    assert (read(trace), trace.dropped, trace.is_over) == ([], 0, True)


def test_one_at_a_time():
    space = Space(complexity=0)
    trace = space.trace()
    with pytest.raises(SeatError, match="stop that trace first") as caught:
        space.trace()
    assert caught.value.code == "trace_taken"
    trace.stop()
    again = space.trace()
    space.tick(0)
    assert (len(read(trace)), len(read(again))) == (0, 1)


@pytest.mark.parametrize("records", [63, (1 << 20) + 1])
def test_a_ring_has_its_bounds(records):
    with pytest.raises(ValueError, match="records is 64 to"):
        Space(complexity=0).trace(records=records)


def test_a_full_command_ring_refuses_and_nothing_is_lost():
    space = Space(complexity=0)
    space.add_seat(0)
    for _ in range(255):
        space.set_gain(0, 0.0)
    with pytest.raises(SeatError) as caught:
        space.trace()
    assert caught.value.code == "ring_full"
    space.tick(0)
    trace = space.trace()
    for _ in range(255):
        space.set_gain(0, 0.0)
    with pytest.raises(SeatError):
        trace.stop()
    space.tick(TICK_US)
    trace.stop()
    assert len(read(trace)) == 1 + 255 + 1


def test_rooms_and_traces_may_go_in_any_order():
    for stopped in (False, True):
        for first in ("room", "trace"):
            space = Space(complexity=0)
            trace = space.trace()
            space.tick(0)
            if stopped:
                trace.stop()
            if first == "room":
                del space
                gc.collect()
                assert len(trace.read()) == 1
            else:
                del trace
                gc.collect()
                space.tick(TICK_US)


def test_a_trace_comes_from_a_room():
    with pytest.raises(TypeError, match=r"Space\.trace"):
        Trace()


def test_a_room_follows_what_it_is_told():
    """Skipped though it is heard, then decoded though nothing of it claims to be sound."""
    space, sound = Space(complexity=0), datagrams(60)
    space.add_seat(0)
    trace = space.trace()
    for n, datagram in enumerate(sound):
        space.put(0, datagram, n * TICK_US)
        space.follow(0, "skipped" if n < 30 else "decoded", 0)
        space.tick(n * TICK_US + 10_000)
    done = [each.rows[0].done for each in read(trace) if isinstance(each, Tick)]
    assert done == ["skipped"] * 30 + ["decoded"] * 30
    assert space.stats.passed == 0


@pytest.mark.parametrize(("done", "lag"), [("heard", 0), ("decoded", -2), ("decoded", 961)])
def test_it_is_told_in_words_that_there_are(done, lag):
    space = Space(complexity=0)
    space.add_seat(0)
    with pytest.raises(ValueError, match="done is one of"):
        space.follow(0, done, lag)
    with pytest.raises(SeatError):
        space.follow(1, "decoded")
