"""Delivery to many listeners: the native board against a numpy oracle, and case by case."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from signaling.load._tally import Board
from spacecore import pack_audio, parse_report
from tests.oracles.tally_reference import Arrival, History

FRAME_US = 20_000
T0_US = 5_000_000
LATER_US = 1_000_000  # when everything has settled


def datagram(seq, n=1, *, content=b"\x78frame", **fields):
    """A datagram of the mix; unwrapped numbers, and the timestamp that belongs to them."""
    frames = [content + (seq + k).to_bytes(4) for k in range(n)]
    packed = {"seq": seq & 0xFFFF, "timestamp": seq * 960 & 0xFFFF_FFFF, "level": 20, "seats": [0]} | fields
    return pack_audio(fields.pop("frames", frames), **{k: v for k, v in packed.items() if k != "frames"})


def pause(seq):
    return datagram(seq, frames=[b"\x78"])


def hear(board, ear, *seqs, at_us=None):
    for seq in seqs:
        board.hear(ear, datagram(seq), T0_US + seq * FRAME_US if at_us is None else at_us)


def random_history(seed):
    """Losses, duplicates, reordering and bundles; numbers wrap; some join late, one hears nothing."""
    rng = random.Random(seed)
    listeners = rng.randint(2, 6)
    first = rng.choice([65_536 + 10, 2 * 65_536 - 40, 65_536 + 30_000])
    joined_us = {ear: T0_US + rng.choice([0, 0, rng.randint(0, 1_500_000)]) for ear in range(listeners)}
    pending: list[Arrival] = []
    for ear in range(listeners):
        loss = rng.choice([0.0, 0.02, 0.3])
        deaf = ear == listeners - 1 and rng.random() < 0.5
        seq = first
        while seq < first + 150:
            n = rng.choice([1, 1, 1, 2, 3])
            sent_us = T0_US + (seq + n - 1 - first) * FRAME_US
            for _ in range(2 if rng.random() < 0.05 else 1):
                at_us = sent_us + 5_000 + int(rng.expovariate(1 / 8_000))
                if sent_us >= joined_us[ear] and rng.random() >= loss and not deaf:
                    pending.append(Arrival(ear, seq, n, at_us))
            seq += n
    pending.sort(key=lambda each: each.at_us)
    return History(pending, joined_us), listeners


@pytest.mark.parametrize("seed", range(40))
def test_the_board_agrees_with_the_oracle(seed):
    history, listeners = random_history(seed)
    board = Board(listeners)
    waiting = dict(history.joined_us)
    for each in history.arrivals:
        for ear in [ear for ear, at_us in waiting.items() if at_us <= each.at_us]:
            board.listen(ear, waiting.pop(ear))
        board.hear(each.listener, datagram(each.seq, each.n_frames), each.at_us)
    for ear, at_us in waiting.items():
        board.listen(ear, at_us)
    for now_us in (history.arrivals[-1].at_us + 50_000, history.arrivals[-1].at_us + LATER_US):
        rows = {row.ear: row for row in board.rows(now_us)}
        for ear in range(listeners):
            row = rows[ear]
            assert (row.expected, row.received) == history.owed(ear, now_us), f"seed {seed}, listener {ear}"
            assert row.jitter_us == pytest.approx(history.jitter_us(ear), abs=3), f"seed {seed}"
        assert board.totals(now_us) == (
            listeners,
            sum(row.expected for row in rows.values()),
            sum(row.received for row in rows.values()),
        )
    gaps = np.concatenate([history.gaps_us(ear) for ear in range(listeners)]).astype(int)
    assert board.gaps() == dict(Counter((gaps // 100 * 100).tolist()))
    assert board.stats(now_us).mismatched == 0


def test_everything_that_comes_is_delivered():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
        hear(board, ear, *range(100))
    found = board.stats(T0_US + 100 * FRAME_US + LATER_US)
    assert (found.listeners, found.expected, found.received, found.frames) == (2, 200, 200, 200)
    assert (found.duplicates, found.late, found.strays, found.deaf) == (0, 0, 0, 0)
    assert found.longest_gap_us == FRAME_US
    assert board.gaps() == {FRAME_US: 198}


def test_frames_on_their_way_are_not_lost_yet():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
    hear(board, 0, *range(50))
    hear(board, 1, *range(40))
    at_us = T0_US + 49 * FRAME_US
    assert board.totals(at_us) == (2, 50, 50)  # up to frame 24, half a second ago
    assert board.totals(at_us + 400_000) == (2, 90, 85)  # up to frame 44
    hear(board, 1, *range(40, 45), at_us=at_us + 400_000)
    assert board.totals(at_us + 400_000) == (2, 90, 90)


def test_who_gets_nothing_is_deaf_and_has_a_gap():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
    hear(board, 0, *range(100))
    now_us = T0_US + 100 * FRAME_US + LATER_US
    found = board.stats(now_us)
    # It is owed what was sent from 200 ms after it joined.
    assert (found.expected, found.received, found.deaf) == (190, 100, 1)
    assert board.rows(now_us)[1].longest_gap_us == 99 * FRAME_US


def test_a_stalled_listener_has_a_gap_that_has_not_ended():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
        hear(board, ear, *range(10))
    hear(board, 0, *range(10, 100))
    rows = board.rows(T0_US + 100 * FRAME_US + LATER_US)
    assert [row.longest_gap_us for row in rows] == [FRAME_US, 90 * FRAME_US]
    assert [row.received for row in rows] == [100, 10]


def test_a_pause_is_no_gap_and_no_loss():
    board = Board(1)
    board.listen(0, T0_US)
    hear(board, 0, 0, 1, 2)
    board.hear(0, pause(3), T0_US + 3 * FRAME_US)
    # Other streams of the Space have taken the numbers between; two seconds have passed.
    board.hear(0, datagram(60, source_changed=True), T0_US + 103 * FRAME_US)
    board.hear(0, datagram(61), T0_US + 104 * FRAME_US)
    found = board.stats(T0_US + 10_000_000)
    assert (found.expected, found.received, found.pauses) == (6, 6, 1)
    assert found.longest_gap_us == FRAME_US


def test_a_number_that_nobody_got_is_lost_for_all():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
        hear(board, ear, 0, 1, 3)
    assert board.totals(T0_US + LATER_US) == (2, 8, 6)


def test_the_same_frame_with_other_bytes_is_told():
    board = Board(3)
    for ear in range(3):
        board.listen(ear, T0_US)
        board.hear(ear, datagram(0), T0_US)
    board.hear(0, datagram(1, 2), T0_US)
    board.hear(1, datagram(1), T0_US)  # alone, in a datagram of its own: the same frame
    board.hear(1, datagram(2), T0_US)
    board.hear(2, datagram(1, content=b"\x78other"), T0_US)
    assert board.stats(T0_US).mismatched == 1
    unchecked = Board(2, check_bytes=False)
    for ear in range(2):
        unchecked.listen(ear, T0_US)
        unchecked.hear(ear, datagram(0, content=bytes([0x78, ear, 1])), T0_US)
    assert unchecked.stats(T0_US).mismatched == 0


def test_duplicates_and_what_is_too_old():
    board = Board(1)
    board.listen(0, T0_US)
    hear(board, 0, 0, 1, 1, *range(2, 100), 0)
    found = board.stats(T0_US + 10_000_000)
    assert (found.received, found.duplicates, found.late) == (100, 1, 1)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x01\x01", datagram(1)[:12], b"\x00\x01" + bytes(10), b"x" * 2000]
)
def test_what_is_no_audio_is_counted(data):
    board = Board(1)
    board.listen(0, T0_US)
    board.hear(0, data, T0_US)
    found = board.stats(T0_US)
    assert (found.malformed, found.datagrams, found.expected) == (1, 0, 0)


def test_a_report_of_the_server_is_no_audio_and_no_fault():
    board = Board(1)
    board.listen(0, T0_US)
    board.hear(0, b"\x00\x02" + bytes(12), T0_US)
    assert board.stats(T0_US).malformed == 0


def test_who_has_not_joined_counts_for_nothing():
    board = Board(2)
    hear(board, 0, 0, 1)
    assert board.rows(T0_US) == []
    assert board.totals(T0_US) == (0, 0, 0)


def test_who_leaves_owes_itself_nothing_more():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
        hear(board, ear, *range(50))
    board.end(1, T0_US + 50 * FRAME_US)
    hear(board, 0, *range(50, 100))
    hear(board, 1, 99)
    rows = board.rows(T0_US + 100 * FRAME_US + LATER_US)
    assert [(row.expected, row.received) for row in rows] == [(100, 100), (26, 26)]
    board.end(1, T0_US)  # twice is nothing more
    board.mark(T0_US + 100 * FRAME_US + LATER_US)
    assert [row.ear for row in board.rows(T0_US + 10_000_000)] == [0]


def test_a_mark_begins_anew_and_loses_no_frame():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
    parts = []
    for part in range(4):
        seqs = range(part * 50, part * 50 + 50)
        hear(board, 0, *seqs)
        hear(board, 1, *(seq for seq in seqs if seq % 10))
        now_us = T0_US + (part + 1) * 50 * FRAME_US
        parts.append(board.totals(now_us)[1:])
        assert board.stats(now_us).frames == 95
        board.mark(now_us)
        assert board.gaps() == {}
    parts.append(board.totals(now_us + LATER_US)[1:])
    assert np.sum(parts, axis=0).tolist() == [399, 380]  # the second one began with frame 1
    assert all(expected > 0 for expected, _ in parts)


def test_a_deaf_listener_stays_deaf_after_a_mark():
    board = Board(2)
    for ear in range(2):
        board.listen(ear, T0_US)
    hear(board, 0, *range(100))
    board.mark(T0_US + 100 * FRAME_US)
    hear(board, 0, *range(100, 150))
    found = board.stats(T0_US + 150 * FRAME_US + LATER_US)
    assert found.deaf == 1
    assert (found.expected, found.received) == (148, 74)


def test_jitter_is_sampled_for_those_who_hear():
    board = Board(3)
    for ear in range(2):
        board.listen(ear, T0_US)
    for seq in range(200):
        board.hear(0, datagram(seq), T0_US + seq * FRAME_US)
        board.hear(1, datagram(seq), T0_US + seq * FRAME_US + (seq % 2) * 3_200)
    board.sample()
    (even, one), (uneven, other) = sorted(board.jitters().items())
    assert (even, one, other) == (0, 1, 1)
    assert 3_150 <= uneven <= 3_200


def test_the_timestamp_may_wrap():
    board = Board(1)
    board.listen(0, T0_US)
    for k in range(10):
        packed = datagram(k, timestamp=(0xFFFF_FFFF - 3_000 + 960 * k) & 0xFFFF_FFFF)
        board.hear(0, packed, T0_US + k * FRAME_US)
    assert board.rows(T0_US)[0].jitter_us <= 1


def test_a_report_says_what_came_since_the_last():
    board = Board(2)
    board.listen(0, T0_US)
    assert board.report(0) is None
    hear(board, 0, *(seq for seq in range(65_500, 65_600) if seq % 25))
    report = parse_report(board.report(0))
    assert (report.highest_seq, report.received, report.lost, report.delay_ms) == (65_599 & 0xFFFF, 96, 3, 60)
    assert board.report(0) is None
    hear(board, 0, 65_600)
    assert parse_report(board.report(0)).received == 1


def test_wrong_ears():
    with pytest.raises(ValueError, match="0 ears"):
        Board(0)
    board = Board(2)
    for act in (lambda: board.listen(2, 0), lambda: board.end(-1, 0), lambda: board.hear(5, b"x", 0)):
        with pytest.raises(IndexError, match=r"outside 0\.\.1"):
            act()
