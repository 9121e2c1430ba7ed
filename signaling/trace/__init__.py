"""Traces of rooms: what arrived when and what became of it, in a file; and its replay in virtual time."""

from __future__ import annotations

from signaling.trace.file import Header, TraceError, TraceFile, read_trace
from signaling.trace.records import Arrival, Audience, Change, Counts, End, Record, Report, SeatRow, Tick
from signaling.trace.replay import Difference, Replay, Replayed, replay
from signaling.trace.summary import SeatSummary, Summary, summarise

__all__ = [
    "Arrival",
    "Audience",
    "Change",
    "Counts",
    "Difference",
    "End",
    "Header",
    "Record",
    "Replay",
    "Replayed",
    "Report",
    "SeatRow",
    "SeatSummary",
    "Summary",
    "Tick",
    "TraceError",
    "TraceFile",
    "read_trace",
    "replay",
    "summarise",
]
