"""The log of events: what was missed comes in order and without a gap, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signaling.server.log import BYTES_KEPT, EVENTS_KEPT, EventLog


def filled(sizes: list[int], **bounds: int) -> EventLog:
    log = EventLog(**bounds)
    for number, size in enumerate(sizes, start=1):
        log.put(number, bytes([number % 256]) * size)
    return log


def test_what_was_missed_comes_in_order() -> None:
    log = filled([1, 2, 3])
    assert log.since(0) == [b"\1", b"\2\2", b"\3\3\3"]
    assert log.since(2) == [b"\3\3\3"]
    assert log.since(3) == []


def test_nothing_is_told_to_who_knows_what_never_was() -> None:
    assert filled([1, 2, 3]).since(4) is None
    assert EventLog().since(1) is None
    assert EventLog().since(0) == []


def test_the_oldest_is_forgotten_at_either_bound() -> None:
    log = filled([10] * EVENTS_KEPT)
    assert (log.forgotten, len(log)) == (0, EVENTS_KEPT)
    assert log.since(0) is not None
    log.put(EVENTS_KEPT + 1, b"one more")
    assert (log.forgotten, log.since(0), len(log.since(1) or [])) == (1, None, EVENTS_KEPT)

    log = filled([BYTES_KEPT // 4] * 4)
    assert (log.forgotten, log.size_bytes) == (0, BYTES_KEPT)
    log.put(5, b"x")
    assert (log.forgotten, log.since(0)) == (1, None)
    assert log.since(4) == [b"x"]


def test_an_event_larger_than_the_log_leaves_it_empty() -> None:
    log = filled([5, 11], most_bytes=10)
    assert (len(log), log.size_bytes, log.since(1), log.since(2)) == (0, 0, None, [])


def test_a_gap_is_a_mistake() -> None:
    log = filled([1])
    with pytest.raises(ValueError, match="does not follow on 1"):
        log.put(3, b"")
    with pytest.raises(ValueError, match="does not follow on 1"):
        log.put(1, b"")


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 10), st.integers(1, 100), st.integers(0, 70))
def test_it_is_all_since_a_serial_or_nothing(
    sizes: list[int], most_events: int, most_bytes: int, serial: int
) -> None:
    log = filled(sizes, most_events=most_events, most_bytes=most_bytes)
    assert len(log) <= most_events
    assert log.size_bytes <= most_bytes
    assert len(log) + log.forgotten == len(sizes)
    told = log.since(serial)
    if told is not None:
        assert told == [
            bytes([number % 256]) * sizes[number - 1] for number in range(serial + 1, len(sizes) + 1)
        ]
    else:
        assert serial > len(sizes) or serial < log.forgotten
