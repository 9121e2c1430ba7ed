"""30 s of the soak: a server and people who come, go and change their ways; and its judge sees a drift."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.drift import Sample, judge, slope
from tests.soak.soak import GUESTS, run_soak

SEED = 20_260_101
SECONDS = 30

pytestmark = pytest.mark.scenario


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


@pytest.mark.timeout(240)
def test_nothing_drifts_while_people_come_and_go(tmp_path: Path, traced: None) -> None:
    run = run_soak(SECONDS, SEED, tmp_path, lambda _: None)
    assert run.tally.faults == [], f"repeat:  make soak SEED={SEED} SECONDS={SECONDS}\n{run.tally}"
    tally = run.tally
    assert len(tally.acts) == 7
    assert tally.frames_heard > 50 * GUESTS * len(run.samples)
    assert tally.sealed == tally.acked + tally.lost + tally.open_ends
    assert tally.lost <= 10 * (
        tally.relay_lost + tally.acts["move"]
    )  # what was under way at a move is lost too
    assert tally.relay_lost > 0


def steady(count: int) -> list[Sample]:
    """A run in which nothing drifts, but everything moves a little."""
    return [
        Sample(10**6 + n % 3 * 9_000, 10**7 + n % 2 * 70_000, 10**5 + n % 5 * 40, 20 + n % 2, 2, 0)
        for n in range(count)
    ]


def test_the_judge_lets_pass_what_only_moves() -> None:
    assert judge(steady(40)) == []


@pytest.mark.parametrize(
    ("name", "each"),
    [
        ("traced_bytes", 60_000),
        ("native_bytes", 16_000),
        ("objects", 200),
        ("files", 1),
        ("threads", 1),
        ("places", 1),
    ],
)
def test_the_judge_sees_what_grows(name: str, each: int) -> None:
    samples = [
        dataclasses.replace(sample, **{name: getattr(sample, name) + n * each})
        for n, sample in enumerate(steady(40))
    ]
    [sentence] = judge(samples)
    assert sentence.startswith(name)


def test_a_slope_is_not_moved_by_a_wild_value() -> None:
    assert slope([0, 2, 4, 1_000, 8, 10]) == pytest.approx(2, abs=1e-9)
