"""bench.control: its smallest room gives the promised columns, and what it counts adds up."""

from __future__ import annotations

import json

import pytest

from bench import control

FOLLOWERS, ROUNDS, REPEATS = 3, 2, 2
PROMISED = ("us_per_join", "us_per_admit_cycle", "us_per_event_delivered", "us_per_bubble_push")
MAY_BE_NOTHING = ("us_per_join_store",)  # whom a host has blocked is read once


def test_the_smallest_room_gives_every_column_and_counts_that_add_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sizes = {"people": control.LEAST_PEOPLE, "followers": FOLLOWERS, "rounds": ROUNDS, "repeats": REPEATS}
    arguments = [word for name, size in sizes.items() for word in (f"--{name}", str(size))]
    assert control.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [row] = told["rows"]
    assert row["people"] == control.LEAST_PEOPLE
    assert row.keys() >= {*PROMISED, *control.COLUMNS}
    for name in control.COLUMNS:
        assert row[name] > 0 or name in MAY_BE_NOTHING, f"{name} is {row[name]}"
    for name in PROMISED:
        assert row[f"{name}_min"] <= row[name] <= row[f"{name}_max"]
    assert row["events"] == 2 * ROUNDS * REPEATS
    assert row["events_delivered"] == row["people"] * row["events"]
    assert row["bubbles_pushed"] == FOLLOWERS * ROUNDS * REPEATS
    assert row["joins"] == row["admit_cycles"] == ROUNDS * REPEATS
    assert {"commit", "cpu", "load_1min", "python", "store", "connections"} <= told["conditions"].keys()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--people", "ten"], "whole numbers"),
        (["--people", f"1000,{control.LEAST_PEOPLE - 1}"], f"{control.LEAST_PEOPLE} is the least"),
        (["--rounds", "0"], "1 is the least"),
        (["--repeats", "-1"], "1 is the least"),
    ],
)
def test_what_cannot_be_measured_is_said(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        control.main(arguments)
    assert said in capsys.readouterr().err
