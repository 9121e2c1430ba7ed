"""`spaces trace`: what people read of a trace, and how a replay ends."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import pytest
from typer.testing import CliRunner

from signaling.cli.commands import app
from signaling.trace import Arrival
from signaling.trace.file import frame, preface
from signaling.trace.records import pack
from tests.traced_room import TracedRoom


def spaces(*arguments: object) -> tuple[int, str]:
    found = CliRunner().invoke(app, ["trace", *map(str, arguments)])
    return found.exit_code, found.output


def write(path: Path, room: TracedRoom, *, lose: int | None = None) -> Path:
    records = [each for number, each in enumerate(room.file.records) if number != lose]
    path.write_bytes(preface(room.file.header) + b"".join(frame(pack(each)) for each in records))
    return path


@pytest.fixture(scope="module")
def room() -> TracedRoom:
    return TracedRoom(seed=9, seconds=2.0, audio=True)


def test_a_trace_is_summed_up(room, tmp_path):
    status, said = spaces("show", write(tmp_path / "room.trace", room), "--json")
    found = json.loads(said)
    assert (status, found["ticks"], found["whole"], found["audio"]) == (0, 100, True, True)
    assert sorted(found["seats"]) == ["0", "1", "7"]
    status, said = spaces("show", tmp_path / "room.trace")
    assert status == 0 and "100 ticks, with sound, whole" in said


def test_a_replay_that_is_the_same_ends_well_and_can_be_heard(room, tmp_path):
    sound = tmp_path / "mix.wav"
    status, said = spaces("replay", write(tmp_path / "room.trace", room), "--out", sound)
    assert (status, said.splitlines()[-1]) == (0, "Every decision is the same.")
    with wave.open(str(sound)) as file:
        assert (file.getframerate(), file.getnframes()) == (48_000, 100 * 960)
        assert any(file.readframes(100 * 960))


def test_a_replay_that_differs_says_where(room, tmp_path):
    put = [n for n, each in enumerate(room.file.records) if isinstance(each, Arrival) and not each.verdict]
    path = write(tmp_path / "room.trace", room, lose=put[20])
    status, said = spaces("replay", path)
    assert (status, said.splitlines()[-1]) == (1, "This build decides otherwise.")
    status, said = spaces("replay", path, "--json")
    found = json.loads(said)
    assert status == 1 and not found["same"] and found["differences"][0]["seat"] in room.seats


def test_speed_is_a_matter_of_waiting(room, tmp_path, monkeypatch):
    """Twice as fast as it was: 2 s take one, by a clock that only waiting moves."""
    clock = [100.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr("signaling.cli.traces.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("signaling.cli.traces.time.sleep", sleep)
    assert spaces("replay", write(tmp_path / "room.trace", room), "--speed", "2")[0] == 0
    assert clock[0] == pytest.approx(100.0 + 99 * 0.02 / 2)


def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path):
    missing, junk = tmp_path / "none.trace", tmp_path / "junk.trace"
    junk.write_bytes(b"RIFF")
    assert spaces("show", missing)[0] == spaces("show", junk)[0] == 1
    assert "[not_a_trace]" in spaces("replay", junk)[1]
    silent = write(tmp_path / "silent.trace", TracedRoom(seed=9, seconds=0.2))
    status, said = spaces("replay", silent, "--out", tmp_path / "mix.wav")
    assert status == 1 and "[no_audio]" in said
