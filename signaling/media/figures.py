"""What rooms count, under flat names that are the same on both planes; a plane without one leaves it at 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, Self

from signaling.media.audience import AudienceCounts
from signaling.media.ticker import Ticker, TickerCounts
from spacecore._media import MediaStats, RoomStats
from spacecore._plane import PlaneStats

__all__ = ["OF_ENGINES", "Figures", "Reports", "no_figures", "of_audiences", "of_native", "of_ticker"]

Figures = dict[str, int | float]

OF_ENGINES: Final[Mapping[str, str]] = {
    "decodes": "decodes",
    "encodes": "encodes",
    "passed": "passed",
    "passed_measured": "measured",
    "source_switches": "switches",
    "primed": "primed",
    "buffered": "buffered",
    "buffer_delay_us": "delay_us",
    "buffer_target_us": "target_us",
    "reports_told": "told",
}
"""Counters summed over all rooms, closed ones included → their names in spacecore.SpaceStats."""


_OF_UPLINK: Final[Mapping[str, str]] = {
    "frames_in": "uplink_frames_in",
    "reports": "uplink_reports",
    "dropped_not_on_stage": "uplink_not_on_stage",
    "dropped_muted": "uplink_muted",
    "dropped_flood": "uplink_flood",
    "dropped_malformed": "uplink_malformed",
    "dropped_unknown_kind": "uplink_unknown_kind",
}
# These are counted by the media side and by sessions, and belong together.

_OF_MEDIA: Final[Mapping[str, str]] = {
    "media_ticks_skipped": "skipped",
    "media_held": "held",
    "media_held_dropped": "held_dropped",
    "media_packets_dropped": "packets_dropped",
    "media_notices_dropped": "notices_dropped",
    "media_puts_dropped": "puts_dropped",
    "media_commands_full": "commands_full",
    "media_closed_room": "uplink_closed_room",
    "media_acks_alone": "acks_alone",
    "media_acks_full": "acks_full",
    "media_copied": "copied",
    "media_wakes": "wakes",
    "media_reads": "reads",
    "media_socket_errors": "socket_errors",
}


@dataclass(slots=True)
class Reports:
    """What listeners said in receiver reports, added up; and what could not be sent."""

    reports: int = 0
    received: int = 0
    lost: int = 0
    concealed: int = 0
    jitter_ms_sum: float = 0.0
    jitter_ms_max: int = 0
    delay_ms_sum: float = 0.0
    missed: int = 0
    outlet_dropped: int = 0

    @classmethod
    def of(cls, room: RoomStats) -> Self:
        """Those of one room."""
        return cls(
            reports=room.reports,
            received=room.received,
            lost=room.lost,
            concealed=room.concealed,
            jitter_ms_sum=room.jitter_ms_mean * room.reports,
            jitter_ms_max=room.jitter_ms_max,
            delay_ms_sum=room.delay_ms_mean * room.reports,
            missed=room.missed,
            outlet_dropped=room.outlet_dropped,
        )

    def add(self, more: Self) -> None:
        """Those of another room too."""
        highest = max(self.jitter_ms_max, more.jitter_ms_max)
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(more, item.name))
        self.jitter_ms_max = highest


def of_audiences(counts: AudienceCounts) -> Figures:
    """What was sent by the loop: one frame in each datagram."""
    return {
        "frames_out": counts.full_sent + counts.seat_sent,
        "frames_out_full": counts.full_sent,
        "frames_out_seat": counts.seat_sent,
        "frames_out_bundled": 0,
        "frames_out_refused": counts.refused,
        "frames_out_nobody": counts.nobody,
        "datagrams_out_full": counts.full_sent,
    }


def of_ticker(ticker: Ticker) -> Figures:
    """How punctual the loop's ticks were."""
    counts = ticker.counts
    found: Figures = {f"ticker_{item.name}": getattr(counts, item.name) for item in fields(counts)}
    found["media_ticks_skipped"] = counts.skipped
    found["media_late_us_p50"] = ticker.lateness.percentile_us(50)
    found["media_late_us_p99"] = ticker.lateness.percentile_us(99)
    found["media_late_us_max"] = counts.worst_late_us
    return found


def no_figures() -> Figures:
    """All names, at their start."""
    return {
        **dict.fromkeys(OF_ENGINES, 0),
        **dict.fromkeys(_OF_UPLINK, 0),
        **dict.fromkeys(_OF_MEDIA, 0),
        **of_audiences(AudienceCounts()),
        **of_ticker(Ticker(0)),
        **of_reports(Reports()),
        **{f"plane_{name}": 0 for name in PlaneStats._fields},
        "tick_s": 0.0,
        "media_thread_cpu_s": 0.0,
    }


def of_reports(found: Reports) -> Figures:
    """What listeners reported, over all rooms."""
    n = max(1, found.reports)
    return {
        "reports_received": found.received,
        "reports_lost": found.lost,
        "reports_concealed": found.concealed,
        "reports_jitter_ms_mean": found.jitter_ms_sum / n,
        "reports_jitter_ms_max": found.jitter_ms_max,
        "reports_delay_ms_mean": found.delay_ms_sum / n,
        "media_missed": found.missed,
        "media_frames_dropped": found.outlet_dropped,
    }


def of_native(media: MediaStats, plane: PlaneStats, by_loop: AudienceCounts, reports: Reports) -> Figures:
    """What the media side has counted, and what the loop sent to those who are not on the plane."""
    found = no_figures()
    found |= {ours: getattr(media, theirs) for ours, theirs in (*_OF_UPLINK.items(), *_OF_MEDIA.items())}
    found |= {f"plane_{name}": value for name, value in plane._asdict().items()}
    found |= of_reports(reports)
    found |= {f"ticker_{item.name}": getattr(media, item.name) for item in fields(TickerCounts)}
    found["media_late_us_p50"] = round(1_000 * media.late_ms_p50)
    found["media_late_us_p99"] = round(1_000 * media.late_ms_p99)
    found["media_late_us_max"] = media.worst_late_us
    found["media_thread_cpu_s"] = media.thread_cpu_us / 1_000_000
    found["tick_s"] = media.tick_us / 1_000_000
    found["engine"] = sum(media.engine.values())
    found |= {f"engine_{word}": number for word, number in sorted(media.engine.items())}
    for name, value in of_audiences(by_loop).items():
        found[name] = value
    found["frames_out"] += media.frames + media.seat_sent
    found["frames_out_full"] += media.frames
    found["frames_out_seat"] += media.seat_sent
    found["frames_out_bundled"] += media.bundled
    found["frames_out_refused"] += media.refused
    found["frames_out_nobody"] += media.nobody
    found["datagrams_out_full"] += media.full_sent
    return found
