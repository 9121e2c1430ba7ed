"""Volume in percent: its law, that the engine mixes by it, and that muting knows nothing of it."""

from __future__ import annotations

import pytest

from signaling.media import PlainRoom, gain_db
from spacecore.errors import SeatError
from tests.signaling.server_fakes import FakeEngine


@pytest.mark.parametrize(
    ("volume_pct", "db"), [(100, 0.0), (50, -12.04), (10, -40.0), (4, -55.92), (1, -60.0)]
)
def test_the_law(volume_pct: int, db: float) -> None:
    assert gain_db(volume_pct) == pytest.approx(db, abs=0.01)


def test_louder_is_never_less() -> None:
    gains = [gain_db(volume_pct) for volume_pct in range(1, 101)]
    assert gains == sorted(gains)


@pytest.mark.parametrize("volume_pct", [0, -1, 101])
def test_what_is_no_gain(volume_pct: int) -> None:
    with pytest.raises(ValueError, match="1 to 100 percent"):
        gain_db(volume_pct)


def room() -> tuple[PlainRoom, FakeEngine]:
    engine = FakeEngine()
    return PlainRoom(bytes(16), engine), engine


def test_silence_is_a_mute_of_its_own() -> None:
    quiet, engine = room()
    quiet.add_seat(3)
    quiet.set_volume(3, 0)
    quiet.mute(3, True)
    quiet.mute(3, False)
    assert engine.asked == [("add", 3), ("mute", 3, True), ("mute", 3, True), ("mute", 3, True)]
    engine.asked.clear()
    quiet.set_volume(3, 100)
    assert engine.asked == [("gain", 3, 0.0), ("mute", 3, False)]


def test_who_is_muted_stays_so_whatever_the_volume() -> None:
    quiet, engine = room()
    quiet.add_seat(3, muted=True)
    quiet.set_volume(3, 0)
    engine.asked.clear()
    quiet.set_volume(3, 10)
    assert engine.asked == [("gain", 3, pytest.approx(-40.0)), ("mute", 3, True)]


def test_a_seat_may_begin_at_a_volume_and_the_next_one_in_it_at_the_whole() -> None:
    quiet, engine = room()
    quiet.add_seat(3, volume_pct=0)
    quiet.remove_seat(3)
    quiet.add_seat(3)
    quiet.mute(3, False)
    assert engine.asked == [
        ("add", 3), ("mute", 3, True), ("remove", 3), ("add", 3), ("mute", 3, False),
    ]  # fmt: skip


def test_a_seat_that_the_engine_does_not_know_is_refused() -> None:
    quiet, engine = room()
    engine.fails = "gain"
    with pytest.raises(SeatError):
        quiet.set_volume(3, 50)
