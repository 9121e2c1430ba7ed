"""Playout in virtual time: the schedule, loss and delay, resynchronisation, reports, the loop's driver."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.client.player import LISTENER_REPORT_US, SPEAKER_REPORT_US, Player
from signaling.client.playout import FRAME_US, MAX_CATCH_UP, Frame, Playout, Schedule
from signaling.client.reports import Arrivals
from signaling.protocol.datagram import Report, pack_audio, parse_report
from spacecore import Encoder
from tests.signals import Samples, correlation, frames, voice
from tests.virtual.loop import run

SOUND = b"\x78" + bytes(range(1, 30))


def stream(sound: Samples, *, dtx: bool = False) -> list[bytes]:
    """One datagram down for each 20 ms."""
    encoder = Encoder(bitrate_bps=48_000, loss_pct=20, dtx=dtx)
    return [
        pack_audio([encoder.encode(pcm)], seq=n, timestamp=960 * n, level=30, seats=[3, 1])
        for n, pcm in enumerate(frames(sound))
    ]


def hear(datagrams: list[bytes], *, lost: frozenset[int] = frozenset()) -> tuple[Playout, list[Frame]]:
    """Each datagram arrives 5 ms before a deadline of the playout."""
    playout = Playout(0)
    heard: list[Frame] = []
    for n, datagram in enumerate(datagrams):
        now_us = n * FRAME_US
        if n not in lost:
            playout.put(datagram, now_us - 5_000)
        heard += playout.take_due(now_us)
    return playout, heard


def test_every_20_ms_a_frame_with_its_deadline() -> None:
    sound = voice(1, 2.0)
    playout, heard = hear(stream(sound))
    assert [frame.due_us for frame in heard] == [n * FRAME_US for n in range(100)]
    pcm = np.concatenate([np.asarray(frame.pcm) for frame in heard])
    assert correlation(pcm, sound) > 0.9
    assert heard[50].seats == (3, 1)
    assert playout.stats.concealed == 0
    assert playout.stats.played == 100


def test_single_losses_are_recovered_from_the_next_packet() -> None:
    playout, heard = hear(stream(voice(2, 3.0)), lost=frozenset(range(20, 140, 10)))
    stats = playout.stats
    assert stats.recovered + stats.concealed >= 12
    assert stats.recovered > 6
    assert len(heard) == 150


def test_schedule_catches_up_three_periods() -> None:
    schedule = Schedule(0)
    assert schedule.due(0) == 1
    assert schedule.due(10_000) == 0
    assert schedule.due(60_000) == MAX_CATCH_UP == 3
    assert schedule.resyncs == 0
    assert schedule.next_us == 80_000


def test_schedule_starts_anew_after_a_long_delay() -> None:
    schedule = Schedule(0)
    schedule.due(0)
    assert schedule.due(1_005_000) == 3
    assert (schedule.resyncs, schedule.skipped) == (1, 47)
    assert schedule.next_us == 1_025_000
    assert schedule.due(1_025_000) == 1


def test_a_timer_may_come_a_millisecond_early() -> None:
    schedule = Schedule(20_000)
    assert schedule.due(18_999) == 0
    assert schedule.due(19_000) == 1
    assert schedule.next_us == 40_000


@given(st.lists(st.integers(0, 58_999), max_size=200))
def test_delays_below_the_limit_never_add_up(delays: list[int]) -> None:
    schedule = Schedule(0)
    pulled = 0
    now_us = 0
    for n, delay_us in enumerate(delays):
        now_us = max(now_us, n * FRAME_US + delay_us)
        pulled += schedule.due(now_us)
        assert schedule.next_us == pulled * FRAME_US
    assert schedule.resyncs == 0
    assert pulled == (now_us + 1_000) // FRAME_US + 1 if delays else pulled == 0


def test_playout_goes_on_after_its_process_was_stopped() -> None:
    datagrams = stream(voice(3, 4.0))
    playout = Playout(0)
    heard: list[Frame] = []
    for n, datagram in enumerate(datagrams):
        playout.put(datagram, n * FRAME_US)
        if not 50 <= n < 75:
            heard += playout.take_due(n * FRAME_US + 5_000)
    assert playout.stats.resyncs == 1
    assert playout.stats.skipped in (22, 23)
    assert all(frame.status == "frame" for frame in heard[-40:])
    assert playout.stats.delay_ms < 400


def test_garbage_is_counted_and_does_no_harm() -> None:
    playout, _ = hear(stream(voice(4, 0.4)))
    for garbage in (b"", b"\x00", b"\x01\x01", bytes(1200), b"\x00\x01\xff\xff", b"\x00\x02" + bytes(12)):
        playout.put(garbage, 500_000)
    assert playout.stats.malformed == 6
    assert len(playout.take_due(420_000)) <= 3


def down(seq: int, *, frame: bytes = SOUND, **fields: bool) -> bytes:
    return pack_audio([frame], seq=seq, timestamp=(960 * seq) & 0xFFFF_FFFF, level=30, seats=[], **fields)


def report_of(arrivals: Arrivals) -> Report | None:
    data = arrivals.take_report(0, 40)
    return None if data is None else parse_report(data)


def test_report_counts_an_interval_only() -> None:
    arrivals = Arrivals()
    assert report_of(arrivals) is None
    for seq in (65533, 65534, 0, 1, 1):
        arrivals.note(down(seq), "ok" if seq != 1 else "duplicate" if arrivals._received > 3 else "ok", 0)
    first = report_of(arrivals)
    assert first is not None
    assert (first.highest_seq, first.received, first.lost) == (1, 4, 1)
    assert report_of(arrivals) is None
    for seq in (2, 5):
        arrivals.note(down(seq), "ok", 0)
    second = report_of(arrivals)
    assert second is not None
    assert (second.highest_seq, second.received, second.lost) == (5, 2, 2)


def test_jumps_after_silence_and_to_another_source_are_no_loss() -> None:
    arrivals = Arrivals()
    arrivals.note(down(10), "ok", 0)
    arrivals.note(down(11, frame=b"\x78"), "ok", 0)
    arrivals.note(down(60), "ok", 0)
    arrivals.note(down(90, source_changed=True), "ok", 0)
    arrivals.note(down(92), "ok", 0)
    report = report_of(arrivals)
    assert report is not None
    assert (report.received, report.lost) == (5, 1)


def test_report_tells_the_spread_of_arrivals() -> None:
    arrivals = Arrivals()
    for seq in range(100):
        arrivals.note(down(seq), "ok", seq * FRAME_US + (30_000 if seq % 10 == 0 else 0))
    report = report_of(arrivals)
    assert report is not None
    assert report.jitter_ms == 30
    assert report.delay_ms == 40


def test_a_restart_begins_anew() -> None:
    arrivals = Arrivals()
    arrivals.note(down(1000), "ok", 0)
    arrivals.note(down(5), "restart", 0)
    report = report_of(arrivals)
    assert report is not None
    assert (report.highest_seq, report.received, report.lost) == (5, 1, 0)


def bundles(sound: Samples, sizes: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """The sound in bundles of these sizes: for each, the number of its last frame, and the datagram."""
    encoder = Encoder(bitrate_bps=48_000, loss_pct=20)
    encoded = [encoder.encode(pcm) for pcm in frames(sound)]
    at = 0
    for size in sizes:
        if at + size > len(encoded):
            return
        data = pack_audio(encoded[at : at + size], seq=at, timestamp=960 * at, level=30, seats=[3])
        at += size
        yield at - 1, data


@pytest.mark.parametrize("phase_us", [1, 1_000, 10_000, 19_999])
@pytest.mark.parametrize(
    ("sizes", "least_target_ms"),
    [([1], 5), ([2], 21), ([3], 41), ([1, 2, 3], 41), ([2] * 100 + [1] * 100, 21)],
)
def test_bundles_play_without_a_hole_and_cost_their_own_spacing_only(
    sizes: list[int], least_target_ms: int, phase_us: int
) -> None:
    """A network without jitter: the delay aimed at is what a bundle waits for its last, and a fifth.

    Where the first bundle is shorter than a later one nothing foretells it: one frame is concealed, once.
    """
    sound = voice(5, 10.0)
    playout = Playout(phase_us)
    heard: list[Frame] = []
    for last, datagram in bundles(sound, itertools.cycle(sizes)):
        now_us = last * FRAME_US
        while playout.next_us <= now_us:  # what comes at the very moment comes too late for it
            heard += playout.take_due(playout.next_us)
        playout.put(datagram, now_us)
    first = next(n for n, frame in enumerate(heard) if frame.status == "frame")
    grows = sizes[0] < max(sizes)
    assert {frame.status for frame in heard[first + 5 * grows :]} == {"frame"}
    assert len(heard) > 490
    stats = playout.stats
    assert (stats.concealed, stats.recovered, stats.late) == (grows, 0, 0)
    assert least_target_ms <= stats.target_ms <= 1.2 * least_target_ms
    pcm = np.concatenate([np.asarray(frame.pcm) for frame in heard[first:]])
    assert correlation(pcm[:96_000], sound[:96_000]) > 0.6  # until a delay above the target is worked off
    report = parse_report(playout.take_report() or b"")
    assert (report.lost, report.jitter_ms) == (0, 0)
    assert report.received == report.highest_seq + 1 >= 498


def test_a_pause_at_the_end_of_a_bundle_is_silence_and_no_loss() -> None:
    playout = Playout(10_000)
    heard: list[Frame] = []
    for last, frames_ in (
        (2, [SOUND] * 3),
        (5, [SOUND] * 3),
        (7, [SOUND, b"\x78"]),
        (40, [b"\x78"]),
        (63, [SOUND, SOUND, b"\x78"]),  # who breaks off without a word is concealed
    ):
        while playout.next_us <= last * FRAME_US:
            heard += playout.take_due(playout.next_us)
        at = last + 1 - len(frames_)
        seq = at if last < 40 else 8 if last == 40 else 9  # numbers stand still in silence
        playout.put(pack_audio(frames_, seq=seq, timestamp=960 * at, level=30, seats=[]), last * FRAME_US)
    while len(heard) < 80:
        heard += playout.take_due(playout.next_us)
    assert playout.stats.frames == 12
    assert playout.stats.concealed == 0
    report = parse_report(playout.take_report() or b"")
    assert (report.received, report.lost) == (12, 0)


def test_bundles_of_another_number_are_no_jitter_and_lost_ones_are_counted_by_frame() -> None:
    arrivals = Arrivals()
    for last, datagram in bundles(voice(6, 4.0), itertools.cycle([3, 1, 2])):
        if last not in (44, 71):  # a bundle of 3 and one of 2
            arrivals.note(datagram, "ok", last * FRAME_US + (7_000 if last % 4 else 0))
    report = report_of(arrivals)
    assert report is not None
    assert (report.highest_seq, report.received, report.lost, report.jitter_ms) == (197, 193, 5, 7)
    assert report.bursts == 2


def test_a_bundle_that_brings_old_and_new_frames_moves_the_highest_number() -> None:
    arrivals = Arrivals()
    arrivals.note(down(10), "ok", 0)
    arrivals.note(pack_audio([SOUND] * 3, seq=9, timestamp=960 * 9, level=30, seats=[]), "late", 0)
    report = report_of(arrivals)
    assert report is not None
    assert report.highest_seq == 11


class Desk:
    """A player with what it hands out."""

    def __init__(self, *, spread: float = 0.0) -> None:
        loop = asyncio.get_running_loop()
        self.clock = lambda: round(loop.time() * 1_000_000)
        self.start_us = self.clock()
        self.frames: list[tuple[int, Frame]] = []
        self.reports: list[int] = []
        self.is_speaker = False
        self.player = Player(
            Playout(self.start_us),
            self.clock,
            on_frame=lambda frame: self.frames.append((self.clock() - self.start_us, frame)),
            on_report=lambda _: self.reports.append(self.clock() - self.start_us),
            is_speaker=lambda: self.is_speaker,
            spread=spread,
        )


def test_player_pulls_on_time_and_reports_by_role() -> None:
    async def story() -> None:
        desk = Desk(spread=0.5)
        for n in range(1500):
            desk.is_speaker = n >= 1000
            desk.player.playout.put(down(n), desk.clock())
            await asyncio.sleep(0.02)
        desk.player.stop()
        await asyncio.sleep(1)
        assert [at for at, _ in desk.frames] == [n * FRAME_US for n in range(len(desk.frames))]
        assert 1500 <= len(desk.frames) <= 1501
        listening = [at for at in desk.reports if at <= 20_000_000]
        assert listening == [pytest.approx(LISTENER_REPORT_US * f, abs=40_000) for f in (1.5, 2.5, 3.5)]
        speaking = [at for at in desk.reports if at > 21_500_000]
        steps = np.diff(speaking)
        assert len(steps) >= 6
        assert np.allclose(steps, SPEAKER_REPORT_US, atol=40_000)

    run(story())


def lossy_reports(lost: Callable[[int], bool], *, speaker: bool = False) -> list[int]:
    """When reports come, of 30 s in which these frames are lost."""
    times: list[int] = []

    async def story() -> None:
        desk = Desk()
        desk.is_speaker = speaker
        for n in range(1500):
            if not lost(n):
                desk.player.playout.put(down(n), desk.clock())
            await asyncio.sleep(0.02)
        desk.player.stop()
        times.extend(round(at / 1_000_000) for at in desk.reports)

    run(story())
    return times


def test_a_listener_reports_at_once_when_loss_rises_above_2_percent() -> None:
    assert lossy_reports(lambda n: False) == [5, 10, 15, 20, 25, 30]
    assert lossy_reports(lambda n: n % 110 == 0) == [5, 10, 15, 20, 25, 30]  # below 2 %
    # From 12 s on every fifth is lost: 100 frames after the report at 10 s it is told, once.
    assert lossy_reports(lambda n: n > 600 and n % 5 == 0) == [5, 10, 12, 17, 22, 27]
    # For a second only; when it has gone and comes back it is news again.
    assert lossy_reports(lambda n: n % 5 == 0 and n % 700 > 650) == [5, 10, 14, 19, 24, 28]
    assert lossy_reports(lambda n: n > 600 and n % 5 == 0, speaker=True) == list(range(1, 31))


def test_what_comes_out_of_order_is_no_news() -> None:
    async def story() -> None:
        desk = Desk()
        waiting: list[bytes] = []
        for n in range(200):
            waiting.append(down(n))
            if n % 4 == 3:
                for datagram in reversed(waiting):  # the newest overtakes three
                    desk.player.playout.put(datagram, desk.clock())
                waiting.clear()
            await asyncio.sleep(0.02)
        desk.player.stop()
        assert desk.reports == []

    run(story())


def test_no_report_on_nothing() -> None:
    async def story() -> None:
        desk = Desk()
        await asyncio.sleep(12)
        desk.player.stop()
        assert desk.reports == []
        assert len(desk.frames) == 601
        assert desk.frames[-1][1].status == "silence"
        assert desk.frames[-1][1].level == 127

    run(story())
