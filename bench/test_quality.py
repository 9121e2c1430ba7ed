"""bench.quality: its smallest run has every row, and its instruments read what is known to be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.quality import jitter, loss, traces
from bench.quality.command import main
from bench.quality.outcome import FIGURES, fixed, longest_run, outcome
from bench.quality.scores import lags_ms, pesq
from bench.quality.verdicts import at_least, at_most
from bench.quality.voices import SPEECH_LUFS, Sentence, Sound, cast, loudness_lufs, spoken

RATE_HZ = 48_000


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run prints, with a recorded trace beside the made-up ones."""
    folder = tmp_path_factory.mktemp("quality")
    recorded, out = folder / "uplink.csv", folder / "out.json"
    lines = (f"{i},{i * 20 + i % 3}" for i in range(500) if i != 100)
    recorded.write_text("number,arrival_ms\n" + "\n".join(lines))
    page = folder / "page.html"
    assert main(["--quick", "--trace", str(recorded), "--out", str(out), "--page", str(page)]) == 0
    assert "<svg" in page.read_text()
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def test_the_smallest_run_has_a_row_for_every_network_and_buffer(told: dict[str, Any]) -> None:
    found = {(row["trace"], row["buffer"]) for row in told["jitter"]}
    buffers = [each for each in jitter.BUFFERS if each != "speexdsp" or not told["remarks"]]
    assert found >= {(name, buffer) for name in (*traces.NETWORKS, "uplink") for buffer in buffers}
    assert all(set(FIGURES) <= row.keys() for row in told["jitter"])
    assert {"commit", "cpu", "load_1min", "libopus", "pesq"} <= told["conditions"].keys()


def test_the_smallest_run_has_every_other_part(told: dict[str, Any]) -> None:
    assert {row["mode"] for row in told["loss"]} == set(loss.MODES)
    assert {"model", "loss_pct", "kbps", "pesq"} <= told["loss"][0].keys()
    assert {row["method"] for row in told["mixing"]} == {"wrap", "clip", "ours"}
    assert [row["kind"] for row in told["passthrough"]] == [*["single"] * 3, *["turns"] * 6, "cpu"]
    assert {row["trace"] for row in told["drift"]} == {"drift +2.5%", "drift -2.5%"}
    assert [row["kind"] for row in told["latency"]] == ["spurt"]


def test_a_bar_says_what_was_found_and_what_was_asked(told: dict[str, Any]) -> None:
    assert {"name", "found", "bar", "met"} <= told["verdicts"][0].keys()
    assert at_most("a", 2.0, 2).met
    assert not at_most("a", 2.1, 2).met
    assert at_least("a", 2.0, 2).met
    assert not at_least("a", 1.9, 2).met


def test_the_model_of_neteq_is_what_it_was(told: dict[str, Any]) -> None:
    assert [row["holds"] for row in told["neteq_sim"]] == [True, True, True]


def test_a_recorded_trace_is_judged_like_a_made_up_one(told: dict[str, Any]) -> None:
    rows = {row["buffer"]: row for row in told["jitter"] if row["trace"] == "uplink"}
    assert rows["fixed-60"]["concealed_pct"] == pytest.approx(0.2), "the one frame of 500 that never came"
    assert rows["ours"]["longest_interruption_ms"] <= 20
    assert rows["ours"]["concealed_pct"] <= 0.21


def test_a_recorded_trace_must_have_each_frame_once(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("0,0\n1,20\n1,21\n")
    with pytest.raises(ValueError, match="frame 1 twice"):
        traces.recorded(path)
    path.write_text("number,arrival_ms\n0,0\n")
    with pytest.raises(ValueError, match="at least 2"):
        traces.recorded(path)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ethernet", (0, 12, 12, 13)),
        ("wifi-good", (6, 12, 14, 556)),
        ("wifi-bad", (9, 24, 50, 934)),
        ("wifi-2.4", (11, 28, 157, 816)),
    ],
)
def test_made_up_networks_have_the_percentiles_of_recorded_ones(name: str, expected: tuple[int, ...]) -> None:
    """p50, p95 and p99 are the medians of 20 seeds; a longest delay is rare: that of the worst seed."""
    draws = [traces.NETWORKS[name](np.random.default_rng(seed), traces.FIVE_MINUTES) for seed in range(20)]
    found = np.median([np.percentile(draw, [50, 95, 99]) for draw in draws], axis=0)
    assert found == pytest.approx(expected[:3], rel=0.25, abs=1)
    assert max(draw.max() for draw in draws) == pytest.approx(expected[3], rel=0.1)


def test_the_same_seed_makes_the_same_network() -> None:
    one, same, other = (traces.synthetic("wifi-bad", seed, 100).delay_ms for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_models_of_loss_lose_what_they_say(share: float) -> None:
    n = 200_000
    for lost, burst in (
        (traces.random_losses(n, share, 3), 1 / (1 - share)),
        (traces.gilbert_losses(n, share, 3), traces.MEAN_BURST),
    ):
        begins = int((np.diff(lost.astype(int), prepend=0) == 1).sum())
        assert lost.mean() == pytest.approx(share, rel=0.05)
        assert lost.sum() / begins == pytest.approx(burst, rel=0.05)


def test_an_interruption_is_the_longest_run_of_what_was_made_up() -> None:
    made_up = [False, True, True, False, True, True, True, False]
    assert longest_run(made_up) == 3
    assert longest_run([]) == 0
    found = outcome(
        made_up=made_up, step_ms=20, dropped_ms=20, accelerated_ms=8, stretched_ms=16, delays_ms=[10.0, 30.0]
    )
    assert found.longest_interruption_ms == 60
    assert found.concealed_pct == pytest.approx(62.5)
    assert found.spoilt_pct == pytest.approx(75)
    assert found.scaled_pct == pytest.approx(15)
    assert (found.delay_ms_mean, found.delay_ms_p95) == pytest.approx((20, 29))


def test_a_fixed_buffer_conceals_what_comes_later_than_it_is_deep() -> None:
    delay_ms = np.zeros(1000)
    delay_ms[[10, 11, 12, 500]] = [90, 70, 61, 59]
    trace = traces.Trace("made up", delay_ms, np.zeros(1000, bool))
    assert fixed(trace, 60).concealed_pct == pytest.approx(0.3)
    assert fixed(trace, 60).longest_interruption_ms == 60
    assert fixed(trace, 100).spoilt_pct == 0


@pytest.fixture(scope="module")
def sentence() -> Sound:
    return spoken(cast(1)[0])


def test_speech_is_as_loud_as_it_says(sentence: Sound) -> None:
    assert loudness_lufs(sentence) == pytest.approx(SPEECH_LUFS, abs=1)
    assert len({Sentence(each.voice, each.text) for each in cast()}) == len(cast())


def test_pesq_knows_what_is_the_same_and_what_is_not(sentence: Sound) -> None:
    assert pesq(sentence, sentence) >= 4.5
    noise = np.random.default_rng(0).standard_normal(len(sentence)).astype(np.float32) * 0.03
    assert pesq(sentence, sentence + noise) < 2.5


def test_a_lag_is_found_in_the_sound(sentence: Sound) -> None:
    source = np.concatenate([sentence, sentence])
    late = np.concatenate([np.zeros(int(0.1 * RATE_HZ) + 312, np.float32), source])
    late = np.delete(late, slice(6 * RATE_HZ, 6 * RATE_HZ + 960))
    lags = lags_ms(source, late)
    assert [lag for at_s, lag in lags if at_s < 5.7] == pytest.approx(
        [100] * len([a for a, _ in lags if a < 5.7])
    )
    assert [lag for at_s, lag in lags if at_s > 6.1] == pytest.approx(
        [80] * len([a for a, _ in lags if a > 6.1])
    )
    assert len(lags) >= 8
