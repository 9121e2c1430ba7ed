"""Deadlines: an absolute grid, at most three ticks caught up, and counters that say so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from signaling.media.ticker import CATCH_UP_TICKS, EARLY_US, TICK_US, Lateness, Ticker

START_US = 5_000_000


def test_one_tick_is_due_at_each_deadline() -> None:
    ticker = Ticker(START_US)
    for number in range(5):
        assert list(ticker.due(START_US + number * TICK_US)) == [START_US + number * TICK_US]
    assert ticker.counts.ticks == 5
    assert ticker.counts.late == ticker.counts.skipped == 0


def test_nothing_is_due_too_early() -> None:
    ticker = Ticker(START_US)
    assert list(ticker.due(START_US - EARLY_US - 1)) == []
    assert ticker.next_us == START_US
    assert list(ticker.due(START_US - EARLY_US)) == [START_US]


def test_lateness_does_not_add_up() -> None:
    ticker = Ticker(START_US)
    for number in range(1_000):
        ticker.due(START_US + number * TICK_US + 3_000)
    assert ticker.next_us == START_US + 1_000 * TICK_US
    assert ticker.counts.ticks == 1_000
    assert ticker.counts.worst_late_us == 3_000


def test_three_missed_ticks_are_caught_up() -> None:
    ticker = Ticker(START_US)
    late_us = CATCH_UP_TICKS * TICK_US
    assert list(ticker.due(START_US + late_us)) == [START_US + n * TICK_US for n in range(4)]
    assert (ticker.counts.late, ticker.counts.skipped, ticker.counts.resyncs) == (3, 0, 0)


def test_beyond_three_it_resynchronises_on_the_same_grid_and_counts() -> None:
    ticker = Ticker(START_US)
    due = list(ticker.due(START_US + 10 * TICK_US + 7))
    assert due == [START_US + n * TICK_US for n in (7, 8, 9, 10)]
    assert ticker.next_us == START_US + 11 * TICK_US
    counts = ticker.counts
    assert (counts.ticks, counts.late, counts.skipped, counts.resyncs) == (4, 3, 7, 1)
    assert counts.worst_late_us == 10 * TICK_US + 7


@given(st.lists(st.integers(0, 30 * TICK_US), max_size=60))
def test_every_deadline_is_run_or_skipped_once_and_in_order(pauses: list[int]) -> None:
    ticker, now_us, run = Ticker(START_US), START_US, []
    for pause_us in pauses:
        now_us += pause_us
        due = list(ticker.due(now_us))
        assert len(due) <= 1 + CATCH_UP_TICKS
        assert all(deadline_us <= now_us + EARLY_US for deadline_us in due)
        assert ticker.next_us > now_us - EARLY_US
        run += due
    assert run == sorted(set(run))
    assert all((deadline_us - START_US) % TICK_US == 0 for deadline_us in run)
    counts = ticker.counts
    assert counts.ticks == len(run)
    assert counts.ticks + counts.skipped == (ticker.next_us - START_US) // TICK_US


def test_percentiles_of_lateness_are_upper_bounds_in_steps_of_100_us() -> None:
    lateness = Lateness()
    assert lateness.percentile_us(99) == 0
    for late_us in [30] * 98 + [1_250, 10_000_000]:
        lateness.add(late_us)
    assert [lateness.percentile_us(percent) for percent in (50, 98, 99, 100)] == [100, 100, 1_300, 50_000]


def test_a_ticker_tells_how_late_its_ticks_were() -> None:
    ticker = Ticker(START_US)
    ticker.due(START_US + TICK_US + 250)
    assert ticker.lateness.percentile_us(50) == 300
    assert ticker.lateness.percentile_us(99) == 20_300
