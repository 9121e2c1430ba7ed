"""The demo's verdict: a story in which all is well passes, and each thing that goes wrong fails it."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from signaling.cli.demo.figures import figures_of
from signaling.cli.demo.measure import Track
from signaling.cli.demo.people import Ear
from signaling.cli.demo.real_server import RealServer
from signaling.cli.demo.show import Picture, live_view, result_table
from signaling.cli.demo.story import Story
from signaling.cli.meters import Levels
from signaling.client import Frame
from tests.signals import FRAME, RATE, voice

START_US = 9_000_000
SECONDS = 9
HOST = Track(voice(1, 5), START_US)
GUEST = Track(voice(2, 4), START_US + 4_000_000)  # the last of the host's five seconds is the guest's too
KEYS = {
    *("delivered_pct", "concealed_pct", "mouth_to_ear_ms_p50", "mouth_to_ear_ms_p99"),
    *("server_cpu_ms_per_listener_s", "join_ms_p50", "heard_both", "heard_self", "ok"),
}


def ear(*heard, delay_ms=80, late_us=0):
    """Who heard these tracks, played by a schedule and handed over `late_us` after it."""
    mix = np.zeros((SECONDS + 2) * RATE, np.float32)
    for track in heard:
        at = (track.start_us - START_US) * RATE // 1_000_000 + round(delay_ms * RATE / 1000)
        mix[at : at + len(track.samples)] += track.samples
    made = Ear()
    for number, pcm in enumerate(mix.reshape(-1, FRAME)):
        due_us = START_US + number * 20_000
        made.hear(Frame(memoryview(pcm), "frame", 30, (0,), number, due_us), due_us + late_us)
    made.delays_ms = [40.0, 50.0, 60.0]
    return made


def person(name, role, heard, source=None):
    played = SimpleNamespace(concealed=2, frames=400, recovered=0)
    return SimpleNamespace(
        name=name,
        role=role,
        source=source,
        ear=heard,
        levels=Levels(),
        arrivals=SimpleNamespace(frames=450),
        space=SimpleNamespace(
            stats=SimpleNamespace(talker=SimpleNamespace(sent=250 if source else 0), playout=played),
            seat=0 if source else None,
        ),
        joined_us=0 if role == "host" else START_US - 20_000,
        over_us=START_US + SECONDS * 1_000_000,
        told_of_end=True,
    )


def story():
    told = Story(started_us=START_US)
    told.people = [
        person("Ada", "host", ear(GUEST), HOST),
        person("Ben", "speaker", ear(HOST), GUEST),
        person("Cleo", "listener", ear(HOST, GUEST)),
        person("Dan", "listener", ear(HOST, GUEST, late_us=2_000)),
    ]
    return told


def server(frames_in=500, frames_out=1_800):
    made = RealServer("127.0.0.1:1", "sha256:", started_cpu_s=1.0, stopped_cpu_s=1.9)
    made.statistics = {
        "frames_in": frames_in,
        "frames_out": frames_out,
        "buffered": 400,
        "buffer_delay_us": 400 * 31_000,
        "buffer_target_us": 400 * 20_000,
    }
    return made


def test_all_is_well():
    figures = figures_of(story(), server())
    assert figures.complaints == []
    assert figures.ok
    assert figures.frames_sent == figures.frames_arrived == 2_300
    assert figures.delivered_pct == 100
    assert figures.concealed_pct == pytest.approx(100 * 2 / 402, abs=0.001)
    assert figures.mouth_to_ear_ms_p50 == pytest.approx(81, abs=1.1)  # 80 with Cleo, 82 with Dan
    assert figures.mouth_to_ear_ms_p99 == pytest.approx(82, abs=0.3)
    assert figures.join_ms_p50 == pytest.approx(20 + 80, abs=25)
    assert figures.server_cpu_ms_per_listener_s == pytest.approx(900 / (2 * 9.02), abs=0.1)
    assert figures.within_targets
    assert figures.delay_parts_ms["client_buffer"] == 50
    assert (figures.delay_parts_ms["server_buffer"], figures.delay_parts_ms["tick"]) == (20, 11)
    assert sum(figures.delay_parts_ms.values()) == pytest.approx(figures.mouth_to_ear_ms_p50, abs=0.3)


def test_json_has_the_promised_keys():
    found = json.loads(figures_of(story(), server()).to_json())
    assert set(found) >= KEYS
    assert found["ok"] is True
    assert found["heard_self"] is False


def test_lost_frames_fail_it():
    assert figures_of(story(), server(frames_in=480)).ok  # 99.13 %
    lost_up = figures_of(story(), server(frames_in=470))
    assert not lost_up.ok
    assert "98.70 % of the frames arrived" in lost_up.complaints[0]
    assert not figures_of(story(), server(frames_out=1_900)).ok


def test_a_listener_who_heard_only_one_speaker_fails_it():
    told = story()
    told.people[2].ear = ear(HOST)
    figures = figures_of(told, server())
    assert (figures.heard_both, figures.heard_other, figures.ok) == (False, True, False)


def test_a_listener_who_heard_something_else_fails_it():
    told = story()
    told.people[3].ear = ear(HOST, Track(voice(3, 4), GUEST.start_us))
    assert not figures_of(told, server()).heard_both


def test_a_speaker_who_did_not_hear_the_other_fails_it():
    told = story()
    told.people[0].ear = ear()
    figures = figures_of(told, server())
    assert (figures.heard_both, figures.heard_other, figures.ok) == (True, False, False)


@pytest.mark.parametrize("loudness", [1.0, 0.1])
def test_a_speaker_who_heard_themselves_fails_it(loudness):
    told = story()
    echo = Track(GUEST.samples * np.float32(loudness), GUEST.start_us)
    told.people[1].ear = ear(HOST, echo)
    figures = figures_of(told, server())
    assert (figures.heard_self, figures.ok) == (True, False)


def test_somebody_who_was_not_told_of_the_end_fails_it():
    told = story()
    told.people[1].told_of_end = False
    assert figures_of(told, server()).complaints == ["not everybody was told that the Space had ended"]


def test_somebody_who_never_came_fails_it():
    told = story()
    del told.people[3]
    assert not figures_of(told, server(frames_out=1_350)).ok


def test_who_heard_nothing_at_all_is_not_measured():
    told = story()
    for each in told.people:
        each.ear = Ear()
    figures = figures_of(told, server())
    assert figures.mouth_to_ear_ms_p50 is None
    assert not figures.ok
    assert not figures.within_targets
    assert figures.join_ms_p50 > 9_000


def test_long_delays_are_told_and_do_not_fail_it():
    told = story()
    for each in told.people[2:]:
        each.ear = ear(HOST, GUEST, delay_ms=400)
    figures = figures_of(told, server())
    assert figures.ok
    assert not figures.within_targets


def test_view_table_and_picture(tmp_path):
    told = story()
    figures = figures_of(told, server())
    picture = Picture()
    picture.take(live_view(told))
    picture.take(result_table(figures))
    picture.save(tmp_path / "demo.svg")
    svg = (tmp_path / "demo.svg").read_text("utf-8")
    for word in ("Ada", "Dan", "listener", "100.00", "≥", "told"):
        assert word in svg
    assert "@font-face" not in svg
    assert "cdn" not in svg
