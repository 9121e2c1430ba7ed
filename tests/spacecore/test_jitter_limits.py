"""The jitter buffer at its limits: new streams, capacity, changes of delay, clocks, the Python face."""

from __future__ import annotations

import pytest

from spacecore._jitter import JitterBuffer, JitterStats, PullStatus, PutResult, Scale
from tests.spacecore.jitter_link import MS, TICK_US, Link, accounted, statuses

WAIT, FRAME, FEC, LOST = PullStatus.WAIT, PullStatus.FRAME, PullStatus.FEC, PullStatus.LOST


# A new stream


@pytest.mark.parametrize(
    ("seq", "shift_ms"),
    [(5, 5_100), (5, -5_200), (3, 20), (9, 0), (20_000, 0), (65_000, 100), (4, 20)],
    ids=["ahead", "behind", "old number", "skips", "far", "wrapped", "same number"],
)
def test_timestamp_that_cannot_be_is_a_new_stream(seq: int, shift_ms: int) -> None:
    link = Link()
    link.talk(range(5))
    waiting = len(link.buffer)
    timestamp = link.first_timestamp + 960 * 5 + 48 * shift_ms
    result = link.buffer.put((link.first_seq + seq) & 0xFFFF, timestamp, b"new", 102 * MS)
    assert result is PutResult.RESTART
    assert len(link.buffer) == 1
    assert link.buffer.stats.restart_dropped == waiting
    pulls = link.pull_until(180)
    assert [p.payload for p in pulls if p.status is FRAME] == [b"new"]
    assert link.buffer.target_ms == 20
    assert accounted(link.buffer)


def test_late_beyond_five_seconds_is_a_new_stream() -> None:
    link = Link()
    link.talk(range(5))
    assert link.send(5, at_ms=100 + 5_001) is PutResult.RESTART


def test_contradiction_between_waiting_frames_is_a_new_stream() -> None:
    link = Link()
    link.send(0)
    link.send(4, slot=10)
    assert link.send(2, slot=9, at_ms=201) is PutResult.RESTART  # leaves no room for number 3


# Capacity


def test_capacity_holds_and_the_oldest_go() -> None:
    link = Link()
    results = [link.send(n) for n in range(200)]
    assert len(link.buffer) <= 61
    assert results.count(PutResult.OVERFLOW) > 100
    assert accounted(link.buffer)
    link.now_us = 200 * TICK_US
    assert link.pull().status is FRAME


def test_far_number_with_nothing_to_drop_is_no_overflow() -> None:
    link = Link()
    link.talk(range(5))
    link.pull_until(400)
    assert link.send(150) is PutResult.OK
    assert link.buffer.stats.overflow_dropped == 0


def test_frame_too_large_is_refused_with_its_prime_frames_counted() -> None:
    link = Link()
    assert link.send(0, payload=bytes(1281)) is PutResult.TOO_LARGE
    assert link.send(0, payload=bytes(1000), prime=(bytes(200), bytes(81))) is PutResult.TOO_LARGE
    assert link.send(0, payload=bytes(1000), prime=(bytes(200), bytes(80))) is PutResult.OK
    assert len(link.buffer) == 1


def test_empty_payload_is_dtx() -> None:
    link = Link()
    link.send(0, payload=b"")
    *_, pulled = link.pull_until(40)
    assert (pulled.status, pulled.dtx, pulled.payload) == (FRAME, True, b"")


# Changes of delay


def test_silence_sheds_what_is_above_the_target() -> None:
    link = Link()
    link.talk(range(50))
    link.now_us += TICK_US  # a pull missed
    pulls = link.talk(range(50, 60), level=127)
    assert LOST not in statuses(pulls)
    assert link.buffer.delay_ms == 25
    assert link.buffer.stats.accelerated == 1


def test_speech_is_not_cut_but_what_the_delay_wants_is_said() -> None:
    link = Link()
    link.talk(range(50))
    link.now_us += 3 * TICK_US  # three pulls missed
    pulls = link.talk(range(50, 60))
    assert {p.scale for p in pulls if p.status is FRAME} == {Scale.ACCELERATE}
    assert link.buffer.stats.accelerated == 0


def test_a_backlog_is_to_be_worked_off_at_every_pull() -> None:
    link = Link()
    link.talk(range(50))
    link.now_us += 12 * TICK_US
    pulls = [p for p in link.talk(range(50, 70)) if p.status is FRAME]
    assert {p.scale for p in pulls} == {Scale.FAST_ACCELERATE}
    assert {p.room_samples for p in pulls} == {13 * 960}  # 265 ms where 5 are wanted
    assert (link.buffer.stats.accelerated, link.buffer.stats.stale_dropped) == (0, 0)


def test_changes_of_delay_are_sixty_ms_apart() -> None:
    link = Link()
    link.talk(range(50))
    link.now_us += 5 * TICK_US
    link.talk(range(50, 56))
    before = link.buffer.stats.accelerated
    link.talk(range(56, 65), level=100)  # six pulls
    assert 1 <= link.buffer.stats.accelerated - before <= 3


def test_silence_lengthens_a_delay_below_the_target() -> None:
    link = Link()
    link.talk(range(50))
    assert link.buffer.delay_ms == 25
    for n in range(50, 200):  # now and then a frame is 24 ms late: still in time, hardly
        at_ms = n * 20 + (24 if n % 25 == 0 else 0)
        link.pull_until(at_ms)
        link.send(n, at_ms=at_ms, level=20 if n < 150 else 90)
    stats = link.buffer.stats
    assert 25 * MS < stats.target_us < 45 * MS
    assert (stats.lost, stats.stretched) == (0, 1)
    assert stats.delay_us == 45 * MS


def test_backlog_after_a_freeze_is_given_up_for_what_is_live() -> None:
    link = Link()
    link.talk(range(50))
    link.pull_until(2000)
    for n in range(50, 100):
        link.send(n, at_ms=2001)
    link.talk(range(101, 110))
    stats = link.buffer.stats
    assert stats.delay_us <= 65 * MS
    assert stats.stale_dropped > 40
    assert accounted(link.buffer)


def test_a_flag_on_a_dropped_frame_is_not_lost() -> None:
    link = Link()
    for n in range(61):
        link.send(n, source_changed=n == 3)
    link.now_us = 1220 * MS
    pulled = link.pull()
    assert link.buffer.stats.stale_dropped > 3
    assert pulled.source_changed
    assert not link.pull().source_changed


def test_noted_scaling_counts_as_delay() -> None:
    link = Link(phase_ms=45)
    link.talk(range(10))
    link.buffer.note_scaled(240)  # 5 ms longer
    link.talk(range(10, 12))
    assert link.buffer.delay_ms == 50
    link.buffer.note_scaled(-480)  # 10 ms shorter: the consumer holds less than a frame and pulls once more
    extra = link.buffer.pull(link.now_us - TICK_US)
    assert extra.status is FRAME
    link.talk(range(12, 14))
    assert link.buffer.delay_ms == 40
    stats = link.buffer.stats
    assert (stats.stretched_samples, stats.accelerated_samples) == (240, 480)


# The pulling clock


def test_two_pulls_at_the_same_time_give_two_frames() -> None:
    link = Link(phase_ms=45)
    link.talk(range(10))
    now_us = link.now_us
    assert [link.buffer.pull(now_us).status for _ in range(2)] == [FRAME, FRAME]
    assert accounted(link.buffer)


def test_clock_that_steps_back_is_survived() -> None:
    link = Link()
    link.talk(range(10))
    assert link.buffer.pull(0).status is FRAME
    assert link.send(10) is PutResult.OK
    assert accounted(link.buffer)


# History and the edges of the Python face


def test_history_holds_the_frames_pulled_last() -> None:
    link = Link()
    assert link.buffer.history(1) is None
    link.send(0, payload=b"first", prime=(b"p",))
    link.send(1, payload=b"second")
    link.pull_until(80)
    link.talk(range(4, 70))  # the slots of the window are all used again
    back_1, back_2 = link.buffer.history(1), link.buffer.history(2)
    assert back_1 is not None
    assert back_2 is not None
    assert (back_1.seq - back_2.seq, back_1.timestamp - back_2.timestamp) == (1, 960)
    assert back_1.payload == b"frame %d" % link.number(back_1)


def test_history_survives_a_gap_and_not_a_restart() -> None:
    link = Link()
    link.send(0, payload=b"first", prime=(b"p",))
    link.pull_until(60)
    first = link.buffer.history(1)
    assert first is not None
    assert (first.payload, first.prime) == (b"first", (b"p",))
    assert link.buffer.history(2) is None
    link.first_timestamp += 48_000 * 60
    assert link.send(1) is PutResult.RESTART
    assert link.buffer.history(1) is None


@pytest.mark.parametrize("back", [0, 4, -1])
def test_history_names_its_limit(back: int) -> None:
    with pytest.raises(ValueError, match=f"back is {back}; .* 1 to 3"):
        JitterBuffer().history(back)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((65536, 0, b"", 0), "seq is 65536; it must be from 0 to 65535"),
        ((-1, 0, b"", 0), "seq is -1"),
        ((0, 1 << 32, b"", 0), "timestamp is 4294967296"),
        ((0, 0, b"", -1), "now_us is -1"),
        ((0, 0, b"", 1 << 60), "now_us is 1152921504606846976"),
    ],
)
def test_numbers_beyond_their_field_are_refused(arguments: tuple[int, int, bytes, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        JitterBuffer().put(*arguments)


def test_other_misuse_is_refused_and_leaves_no_trace() -> None:
    buffer = JitterBuffer()
    with pytest.raises(ValueError, match="level is 256"):
        buffer.put(0, 0, b"frame", 0, level=256)
    with pytest.raises(ValueError, match="3 prime-only frames"):
        buffer.put(0, 0, b"frame", 0, prime=(b"", b"", b""))
    with pytest.raises(TypeError):
        buffer.put(0, 0, "frame", 0)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        buffer.put(0, 0, b"frame", 0, prime=(b"", 1))  # type: ignore[arg-type]
    assert buffer.stats.put == 0


def test_any_buffer_is_a_payload_and_is_copied() -> None:
    link = Link()
    payload = bytearray(b"bytes")
    link.send(0, payload=payload)
    payload[:] = b"other"
    assert link.pull_until(40)[-1].payload == b"bytes"


def test_reading_statistics_changes_nothing() -> None:
    link = Link()
    link.talk(range(10))
    first = link.buffer.stats
    assert isinstance(first, JitterStats)
    assert first == link.buffer.stats
    assert first.waits + first.frames == 10


@pytest.mark.parametrize(("least_ms", "in_bundles_ms"), [(5, 45), (20, 45), (60, 60)])
def test_the_target_goes_no_lower_than_asked_nor_below_what_a_bundle_costs(
    least_ms: int, in_bundles_ms: int
) -> None:
    buffer = JitterBuffer(least_target_us=1000 * least_ms)
    for n in range(150):
        buffer.put(n, 960 * n, b"frame", 20_000 * (n - n % 3 + 2), n_behind=2 - n % 3)
        assert buffer.target_ms == in_bundles_ms
        buffer.pull(20_000 * n + 59_000)
    other = JitterBuffer(least_target_us=1000 * least_ms)
    for n in range(400):
        other.put(n, 960 * n, b"frame", 20_000 * n)
    assert other.target_ms == least_ms
    with pytest.raises(ValueError, match="least_target_us"):
        JitterBuffer(least_target_us=-1)
    with pytest.raises(ValueError, match="n_behind"):
        buffer.put(400, 0, b"frame", 0, n_behind=-1)
