"""bench.sales: its smallest sale gives every column, and the syncs that it counts are real ones."""

from __future__ import annotations

import json

import pytest

from bench import sales

COLUMNS = {"sales_per_s", "ms_median", "ms_p99", "cpu_ms_per_sale", "fsyncs_per_sale", "fsyncs"}


def test_the_smallest_sale_gives_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert sales.main(["--sales", "4", "--buyers", "1", "--group", "64"]) == 0
    told = json.loads(capsys.readouterr().out)
    [row] = told["rows"]
    assert row.keys() == {"buyers", "group_max", "sales", *COLUMNS}
    assert (row["buyers"], row["group_max"], row["sales"]) == (1, 64, 4)
    assert row["fsyncs"] >= 3 * 4, "who is alone shares none of the three commits of a sale"
    assert row["ms_median"] <= row["ms_p99"]
    assert {"commit", "cpu", "load_1min"} <= told["conditions"].keys()
