"""From what happened to figures, and from figures to the verdict."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Final

import numpy as np

from signaling.cli.demo.measure import CONFIDENT, WINDOW_MS, Track, heard_share, matches
from signaling.cli.demo.people import Person
from signaling.cli.demo.real_server import RealServer
from signaling.cli.demo.script import MEASURED_FROM_S
from signaling.cli.demo.story import Story
from spacecore import Encoder

__all__ = ["LEAST_DELIVERED_PCT", "Figures", "figures_of"]

LEAST_DELIVERED_PCT: Final = 99.0
TARGET_DELAY_MS: Final = 140.0
TARGET_JOIN_MS: Final = 300.0
TARGET_JOIN_P99_MS: Final = 1_000.0

_LEAST_SHARE: Final = 0.5
"""Somebody is heard if their sound is found in at least half of what they said."""
_MOST_SELF_SHARE: Final = 0.1
"""And not heard if it is found in no more than this: single windows may be alike by chance."""
_CAPTURE_MS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What the demo measured. Percentages of 100, times in ms; None where nothing could be measured."""

    frames_sent: int
    frames_arrived: int
    delivered_pct: float
    concealed_pct: float
    mouth_to_ear_ms_p50: float | None
    mouth_to_ear_ms_p99: float | None
    server_cpu_ms_per_listener_s: float | None
    join_ms_p50: float | None
    join_ms_max: float | None
    heard_both: bool
    """Each listener heard both speakers."""
    heard_other: bool
    """Each speaker heard the other."""
    heard_self: bool
    """A speaker heard themselves."""
    everyone_told: bool
    """All four were told that the Space had ended."""
    windows: int
    """How many windows of speech the delay was measured in."""
    shares: dict[str, float] = field(default_factory=dict)
    """Who heard whom ("Cleo<Ada"), as the part of the windows in which they did."""
    delay_parts_ms: dict[str, float] = field(default_factory=dict)

    @property
    def complaints(self) -> list[str]:
        """Why the demo has failed; empty if it has not."""
        found = []
        if self.delivered_pct < LEAST_DELIVERED_PCT:
            found.append(
                f"{self.delivered_pct:.2f} % of the frames arrived and {LEAST_DELIVERED_PCT:g} % must"
            )
        if not self.heard_both:
            found.append("a listener did not hear both speakers")
        if not self.heard_other:
            found.append("a speaker did not hear the other")
        if self.heard_self:
            found.append("a speaker heard themselves")
        if not self.everyone_told:
            found.append("not everybody was told that the Space had ended")
        return found

    @property
    def ok(self) -> bool:
        """Whether all that has to hold does."""
        return not self.complaints

    @property
    def within_targets(self) -> bool:
        """Whether the delays are what they should be on a quiet machine. Not part of `ok`."""
        return (
            self.mouth_to_ear_ms_p50 is not None
            and self.mouth_to_ear_ms_p50 <= TARGET_DELAY_MS
            and self.join_ms_p50 is not None
            and self.join_ms_p50 <= TARGET_JOIN_MS
            and self.join_ms_max is not None
            and self.join_ms_max <= TARGET_JOIN_P99_MS
        )

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                **asdict(self),
                "ok": self.ok,
                "within_targets": self.within_targets,
                "complaints": self.complaints,
            }
        )


def figures_of(story: Story, server: RealServer) -> Figures:
    """Everything, from the counters of all sides and from the recordings of all ears."""
    counts = server.statistics
    speakers = story.of("host") + story.of("speaker")
    listeners = story.of("listener")
    sent_up = sum(person.space.stats.talker.sent for person in speakers)
    sent = sent_up + int(counts["frames_out"])
    arrived = int(counts["frames_in"]) + sum(person.arrivals.frames for person in story.people)
    shares = _shares(story.people, speakers)
    delays = _delays_ms(listeners, speakers, story.started_us + int(MEASURED_FROM_S * 1_000_000))
    joins = _joins_ms(story.people)
    listened_s = sum((person.over_us - person.joined_us) / 1_000_000 for person in listeners)
    p50 = _percentile(delays, 50)
    return Figures(
        frames_sent=sent,
        frames_arrived=arrived,
        delivered_pct=round(100 * arrived / sent, 3) if sent else 0.0,
        concealed_pct=_concealed_pct(story.people),
        mouth_to_ear_ms_p50=p50,
        mouth_to_ear_ms_p99=_percentile(delays, 99),
        server_cpu_ms_per_listener_s=round(1000 * server.cpu_s / listened_s, 2) if listened_s else None,
        join_ms_p50=_percentile(joins, 50),
        join_ms_max=_percentile(joins, 100),
        heard_both=_all_heard(shares, listeners, speakers),
        heard_other=_all_heard(shares, speakers, speakers),
        heard_self=any(shares[f"{each.name}<{each.name}"] > _MOST_SELF_SHARE for each in speakers),
        everyone_told=len(story.people) == 4 and all(person.told_of_end for person in story.people),
        windows=len(delays),
        shares=shares,
        delay_parts_ms=_parts_ms(p50, listeners, counts),
    )


def _all_heard(shares: dict[str, float], ears: list[Person], mouths: list[Person]) -> bool:
    """Whether each of these heard each of those, themselves apart."""
    pairs = [f"{ear.name}<{mouth.name}" for ear in ears for mouth in mouths if ear is not mouth]
    return bool(pairs) and all(shares[pair] >= _LEAST_SHARE for pair in pairs)


def _shares(ears: list[Person], mouths: list[Person]) -> dict[str, float]:
    return {
        f"{ear.name}<{mouth.name}": round(heard_share(matches(mouth.source, ear.ear.track())), 3)
        for ear in ears
        for mouth in mouths
        if mouth.source is not None
    }


def _delays_ms(listeners: list[Person], speakers: list[Person], from_us: int) -> list[float]:
    """Mouth to ear, one figure a sure window: from the capture of a sound to its handing over."""
    delays = []
    for listener in listeners:
        track: Track = listener.ear.track()
        for speaker in speakers:
            if speaker.source is None:
                continue
            for match in matches(speaker.source, track, from_us=from_us):
                if match.peak >= CONFIDENT:
                    heard_us = match.at_us + int(match.delay_ms * 1000)
                    late_ms = listener.ear.lateness_ms(heard_us, heard_us + WINDOW_MS * 1000)
                    delays.append(match.delay_ms + late_ms)
    return delays


def _joins_ms(people: list[Person]) -> list[float]:
    """From calling join to the first sound; who never heard any took as long as anything is waited for."""
    return [
        (person.ear.first_heard_us - person.joined_us) / 1000
        if person.ear.first_heard_us is not None
        else (person.over_us - person.joined_us) / 1000
        for person in people
        if person.joined_us
    ]


def _concealed_pct(people: list[Person]) -> float:
    """Of the frames of sound that were played anywhere, how many were made up."""
    played = concealed = 0
    for person in people:
        playout = person.space.stats.playout
        if playout is not None:
            concealed += playout.concealed
            played += playout.frames + playout.recovered + playout.concealed
    return round(100 * concealed / played, 3) if played else 0.0


def _parts_ms(delay_ms: float | None, listeners: list[Person], counts: dict[str, float]) -> dict[str, float]:
    """What the delay is made of. What is not measured by itself is the rest.

    The server's buffer is split in what it aims at and what the wait for the tick adds.
    """
    buffers = [delay for listener in listeners for delay in listener.ear.delays_ms]
    if delay_ms is None or not buffers:
        return {}
    look_ahead_ms = Encoder().lookahead_samples / 48
    frames = max(1, counts["buffered"])
    aimed_ms = counts["buffer_target_us"] / frames / 1000
    parts = {
        "capture_frame": _CAPTURE_MS,
        "encoder_look_ahead": look_ahead_ms,
        "server_buffer": aimed_ms,
        "tick": counts["buffer_delay_us"] / frames / 1000 - aimed_ms,
        "mix_look_ahead": look_ahead_ms,
        "client_buffer": float(np.median(buffers)),
    }
    parts["transport_and_rest"] = delay_ms - sum(parts.values())
    return {name: round(ms, 1) for name, ms in parts.items()}


def _percentile(values: list[float], percent: float) -> float | None:
    return round(float(np.percentile(values, percent)), 1) if values else None
