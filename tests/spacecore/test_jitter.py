"""The jitter buffer, story by story: what arrives, and what is due at each pull."""

from __future__ import annotations

import pytest

from spacecore._jitter import JitterBuffer, PullStatus, PutResult
from tests.spacecore.jitter_link import Link, accounted, statuses

WAIT, FRAME, FEC, LOST = PullStatus.WAIT, PullStatus.FRAME, PullStatus.FEC, PullStatus.LOST


# Beginning and plain play


def test_nothing_came_nothing_is_due() -> None:
    pulled = JitterBuffer().pull(0)
    assert (pulled.status, pulled.payload, pulled.level) == (WAIT, b"", 127)


def test_first_frame_is_due_once_it_is_as_old_as_the_start_target() -> None:
    link = Link()
    pulls = link.talk(range(6))
    assert statuses(pulls) == [WAIT, FRAME, FRAME, FRAME, FRAME, FRAME]
    assert [p.payload for p in pulls[1:]] == [b"frame %d" % n for n in range(5)]
    assert [p.after_gap for p in pulls[1:]] == [True, False, False, False, False]
    assert link.buffer.delay_ms == 25
    assert link.buffer.target_ms == 20


def test_a_steady_stream_brings_the_target_down_to_its_least() -> None:
    link = Link()
    link.talk(range(40))
    assert link.buffer.target_ms == 5


def test_frames_older_than_the_first_to_come_still_count() -> None:
    link = Link()
    link.send(1, at_ms=20)
    assert link.send(0, at_ms=25) is PutResult.REORDERED
    pulls = link.pull_until(100)
    assert [link.number(p) for p in pulls if p.status is FRAME] == [0, 1]


def test_every_field_comes_out_as_it_went_in() -> None:
    link = Link()
    link.send(0, level=0x80 | 31, source_changed=True, prime=(b"older", b"old"), payload=b"the frame")
    *_, pulled = link.pull_until(40)
    assert pulled.level == 0x80 | 31
    assert pulled.source_changed
    assert pulled.prime == (b"older", b"old")
    assert pulled.payload == b"the frame"
    assert (pulled.seq, pulled.timestamp) == (1000, 5_000_000)
    assert not pulled.dtx


# Loss


def test_single_loss_with_fec_in_the_next_packet() -> None:
    link = Link()
    for n in (0, 1, 3, 4):
        link.send(n, has_fec=True)
    pulls = link.pull_until(160)
    due = [p for p in pulls if p.status is not WAIT]
    assert statuses(due[:5]) == [FRAME, FRAME, FEC, FRAME, FRAME]
    assert [link.number(p) for p in due[:5]] == [0, 1, 2, 3, 4]
    assert due[2].payload == b"frame 3"


def test_single_loss_without_fec_is_concealed() -> None:
    link = Link()
    for n in (0, 1, 3, 4):
        link.send(n, level=33)
    due = [p for p in link.pull_until(120) if p.status is not WAIT]
    assert statuses(due) == [FRAME, FRAME, LOST, FRAME, FRAME]
    assert (link.number(due[2]), due[2].level, due[2].payload) == (2, 33, b"")


def test_of_a_burst_only_the_last_frame_is_recovered() -> None:
    link = Link(phase_ms=95)
    for n in (0, 4, 5):
        link.send(n, has_fec=True)
    assert statuses(link.pull_until(200)) == [FRAME, LOST, LOST, FEC, FRAME, FRAME]


def test_late_frame_is_played_if_nothing_newer_came_and_the_delay_has_grown() -> None:
    link = Link(phase_ms=45)
    link.talk(range(5))
    assert link.buffer.delay_ms == 45
    assert statuses(link.pull_until(160)) == [FRAME, FRAME, LOST]  # frames 3, 4, then none
    assert link.send(5, at_ms=162) is PutResult.OK
    pulled = link.pull()
    assert (pulled.status, link.number(pulled)) == (FRAME, 5)
    assert link.buffer.delay_ms == 65


def test_gap_that_was_concealed_already_is_jumped() -> None:
    link = Link(phase_ms=45)
    link.talk(range(5))
    assert statuses(link.pull_until(160)) == [FRAME, FRAME, LOST]
    link.send(6, at_ms=162)
    pulled = link.pull()
    assert (pulled.status, link.number(pulled)) == (FRAME, 6)
    assert link.buffer.delay_ms == 45


def test_frame_that_comes_after_its_concealment_is_late() -> None:
    link = Link()
    for n in (0, 2, 3):
        link.send(n)
    assert statuses(link.pull_until(60)) == [WAIT, FRAME, LOST]
    assert link.send(1, at_ms=62) is PutResult.LATE
    assert link.send(1, at_ms=63) is PutResult.DUPLICATE
    assert statuses(link.pull_until(100)) == [FRAME, FRAME]
    assert link.buffer.stats.late == 1


def test_delay_that_wants_to_grow_hears_the_recovered_frame_after_all() -> None:
    link = Link()
    link.talk(range(50))
    link.talk(range(50, 60), level=127)
    assert link.buffer.delay_ms == 25
    pulls = []
    for n in range(60, 110):  # one in ten lost, and the next comes just too late to recover it in its turn
        at_ms = 20 * n + (8 if n % 10 == 6 else 0)
        pulls += link.pull_until(at_ms)
        if n % 10 != 5:
            link.send(n, at_ms=at_ms, has_fec=True)
    assert link.buffer.target_ms == 29
    assert link.buffer.delay_ms == 45
    first_loss = statuses(pulls).index(LOST)
    assert statuses(pulls[first_loss:][:3]) == [LOST, FEC, FRAME]
    assert pulls[first_loss + 1].seq == pulls[first_loss].seq
    assert link.buffer.stats.lost == 1
    assert link.buffer.stats.fec == 5


def test_empty_buffer_conceals_five_frames_and_then_waits() -> None:
    link = Link(phase_ms=45)
    link.talk(range(5))
    pulls = statuses(link.pull_until(320))
    assert pulls == [FRAME] * 2 + [LOST] * 5 + [WAIT] * 4


def test_long_gap_conceals_five_frames_and_then_waits_for_the_target() -> None:
    link = Link()
    link.talk(range(5))
    link.pull_until(180)
    pulls = []
    for n in (20, 21, 22):
        link.send(n, at_ms=20 * n)
        pulls += link.pull_until(20 * n + 20)
    assert [link.number(p) for p in pulls if p.status is FRAME] == [20, 21, 22]
    assert link.buffer.stats.lost == 5
    assert link.buffer.stats.interrupted == link.buffer.stats.waits - 1  # all but the wait at the start
    assert link.buffer.delay_ms == 5


# Order, duplicates, redundancy


def test_reordered_frames_come_out_in_order() -> None:
    link = Link(phase_ms=45)
    link.talk(range(5))
    link.send(6, at_ms=104)
    assert link.send(5, at_ms=106) is PutResult.REORDERED
    pulls = link.pull_until(180)
    assert [link.number(p) for p in pulls] == [3, 4, 5, 6]
    assert link.buffer.stats.reordered == 1


def test_duplicates_are_told_apart_before_and_after_their_turn() -> None:
    link = Link()
    link.talk(range(5))
    assert link.send(4, at_ms=101) is PutResult.DUPLICATE
    assert link.send(0, at_ms=102) is PutResult.DUPLICATE
    assert link.buffer.stats.duplicate == 2
    assert link.buffer.stats.late == 0
    assert accounted(link.buffer)


def test_redundant_copy_fills_a_hole_and_is_otherwise_ignored() -> None:
    link = Link()
    link.send(0)
    link.send(2)
    assert link.send(1, at_ms=41, redundant=True) is PutResult.OK
    assert link.send(0, at_ms=41, redundant=True) is PutResult.DUPLICATE
    assert [link.number(p) for p in link.pull_until(100) if p.status is FRAME] == [0, 1, 2]
    assert link.send(1, at_ms=110) is PutResult.DUPLICATE  # the original, too late to be of use
    stats = link.buffer.stats
    assert (stats.redundant_used, stats.redundant_ignored, stats.duplicate) == (1, 1, 1)
    assert accounted(link.buffer)


def test_redundant_copy_before_its_carrier_is_the_same() -> None:
    link = Link()
    link.send(0)
    link.send(1, at_ms=40, redundant=True)
    assert link.send(2, at_ms=40) is PutResult.OK
    assert [link.number(p) for p in link.pull_until(100) if p.status is FRAME] == [0, 1, 2]
    assert link.buffer.stats.reordered == 0


def test_redundant_copy_alone_begins_no_stream_and_restarts_none() -> None:
    link = Link()
    assert link.send(0, redundant=True) is PutResult.LATE
    assert len(link.buffer) == 0
    link.send(1)
    link.first_timestamp += 48_000 * 60
    assert link.send(2, redundant=True) is PutResult.LATE
    assert link.buffer.stats.restarts == 0


# Wrap


def test_numbers_and_timestamps_wrap() -> None:
    link = Link(phase_ms=45, first_seq=0xFFFE, first_timestamp=0xFFFFFFFF - 960)
    pulls = [p for p in link.talk(range(8)) if p.status is FRAME]
    assert [p.seq for p in pulls] == [0xFFFE, 0xFFFF, 0, 1, 2, 3]
    assert [p.timestamp - pulls[0].timestamp for p in pulls] == [960 * i for i in range(6)]


def test_frame_before_the_wrap_may_come_after_it() -> None:
    link = Link(first_seq=0xFFFF, first_timestamp=0xFFFFFFFF - 400)
    link.send(1, at_ms=20)
    assert link.send(0, at_ms=21) is PutResult.REORDERED
    before, after = (p for p in link.pull_until(80) if p.status is FRAME)
    assert (before.seq, after.seq) == (0xFFFF, 0)
    assert after.timestamp - before.timestamp == 960


# Silence


def test_dtx_frame_is_delivered_and_then_nothing_is_due() -> None:
    link = Link(phase_ms=45)
    link.talk(range(5))
    link.send(5, payload=b"\0")
    pulls = link.pull_until(300)
    assert statuses(pulls) == [FRAME] * 3 + [WAIT] * 7
    assert [p.dtx for p in pulls[:3]] == [False, False, True]
    assert link.buffer.stats.lost == 0


def test_spurt_after_dtx_starts_at_the_target_again() -> None:
    link = Link()
    link.talk(range(50))
    assert link.buffer.delay_ms == 25  # begun at the start target; the least is the target by now
    link.send(50, payload=b"")
    link.pull_until(1500)
    for n in range(51, 55):
        link.send(n, slot=n + 30)
        *_, pulled = link.pull_until((n + 31) * 20)
    assert pulled.status is FRAME
    assert link.buffer.delay_ms == 5
    assert link.buffer.stats.lost == 0


def test_numbers_skipped_over_silence_are_no_loss() -> None:
    link = Link()
    link.talk(range(5))
    link.send(5, payload=b"\0")
    link.pull_until(600)
    link.send(30)  # numbers went on with the time
    link.send(31)
    pulls = link.pull_until(640)
    assert statuses(pulls) == [FRAME, FRAME]
    assert [link.number(p) for p in pulls] == [30, 31]
    assert [p.after_gap for p in pulls] == [True, False]
    assert link.buffer.stats.lost == 0


@pytest.mark.parametrize("changed", [True, False])
def test_numbers_skipped_at_a_change_of_source_are_no_loss(changed: bool) -> None:
    link = Link()
    link.talk(range(5))
    link.send(7, source_changed=changed)
    pulls = link.pull_until(180)
    due = [p for p in pulls if p.status is FRAME]
    gap = [WAIT, FRAME, LOST] if changed else [LOST, LOST, FRAME]
    assert statuses(pulls) == [FRAME, *gap]
    assert due[-1].after_gap is changed


def test_source_that_stops_without_a_word_and_comes_back_much_later() -> None:
    link = Link()
    link.talk(range(5))
    link.pull_until(60_000)
    assert link.send(5, slot=3000) is PutResult.OK
    assert link.send(6, slot=3001) is PutResult.OK
    pulls = link.pull_until(60_040)
    assert [link.number(p) for p in pulls if p.status is FRAME] == [5, 6]
    assert link.buffer.stats.lost == 5
    assert link.buffer.stats.restarts == 0
