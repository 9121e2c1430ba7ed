"""The adversary's bench runs, and prints the rows that its page promises."""

from __future__ import annotations

import json

import pytest

from bench.adversary import main

ROW = ("attack", "figure", "value", "limit", "honest_tick_late_ms_p99", "honest_gap_ms_max", "ok")


def test_a_run_prints_its_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json", "--attack", "handlers", "--messages", "100"]) in {0, 1}
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]
    for row in found["rows"]:
        assert tuple(row) == ROW
        assert row["attack"] == "handlers"
    assert found["conditions"]["seed"] == 1
