"""The report: a shape that stays, a page that needs nothing else, plots that show what they are given."""

from __future__ import annotations

import io
import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from signaling.cli.load import LoadOptions, status_of
from signaling.cli.load_view import LiveView, lines_of
from signaling.load.figures import Cuts, Histogram
from signaling.load.lateness import Ticks
from signaling.load.page import page, rows_of
from signaling.load.plan import LoadPlan
from signaling.load.plots import Band, Series, nice_ticks, tail_plot, time_plot
from signaling.load.report import Phase, Report, conditions, hints
from tests.signaling.test_load_figures import part

ROOT = Path(__file__).parents[2]


def stats(**changed):
    delivery = {
        **dict.fromkeys(
            ("datagrams", "bytes", "frames", "duplicates", "late", "strays", "malformed", "mismatched"), 0
        ),
        **{"listeners": 20, "expected": 10_000, "received": 9_990, "pauses": 0, "bundled": 5, "deaf": 1},
        "longest_gap_us": 61_500,
    }
    swarm = dict.fromkeys(
        ("packets_in", "packets_out", "native", "slow", "acks_out", "reports_out", "lost_in", "overflowed"), 7
    )
    return part(delivery=delivery, swarm=swarm | {"lost_out": 3, "overflowed": 0}) | changed


def sample(at_s, **changed):
    base = {
        "at_s": at_s,
        "phase": "listening" if at_s > 2 else "joining",
        "listeners": 20,
        "joined": 20,
        "failed": 0,
        "expected": 1_000,
        "received": 999,
        "delivered_pct": 99.9,
        "load_cpu_pct": 12.5,
        "server_cpu_pct": 33.0,
        "server_rss_bytes": 50 * 2**20,
        "tick_late": {"ticks": 50, "skipped": 0, "n": 50}
        | dict.fromkeys(("ms_p50", "ms_p99", "ms_max"), 0.3),
    }
    return base | changed


@pytest.fixture
def report():
    made = Report(
        LoadPlan(listeners=20, title="<b>&"),
        datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC),
        conditions(),
        {"address": "[::1]:4433", "pid": 7, "spawned": False, "plane": "native", "space": "ab"},
    )
    ticks = Ticks(250, 1, Cuts(250, 100, 900, 1_000, 200))
    made.phases = [
        Phase("joining", 2.0, stats()),
        Phase("listening", 10.0, stats(failures={}), 0.5, 80 * 2**20, ticks),
    ]
    made.samples = [sample(at_s) for at_s in (1.0, 2.0, 3.0, 4.0)]
    return made


def shape(value):
    """The keys of an object and what kinds of values they have; of a list that of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def test_the_shape_of_the_json_is_that_of_the_page_in_docs(report):
    """docs/load.md names every key with its way."""
    text = (ROOT / "docs" / "load.md").read_text("utf-8")
    named = set(re.findall(r"^\| `([\w.\[\]]+)` \|", text, re.MULTILINE))
    report.phases[0].ticks = report.phases[1].ticks
    values = report.to_json()
    values["conditions"], values["plan"] = {}, {}

    def ways(value, way=""):
        if isinstance(value, dict) and value:
            return {
                each for key, item in value.items() for each in ways(item, f"{way}.{key}" if way else key)
            }
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return ways(value[0], f"{way}[]")
        return {way}

    found = ways(values)
    assert sorted(found - named) == []
    assert sorted(named - found) == []


def test_figures_of_a_phase(report):
    values = json.loads(json.dumps(report.to_json()))
    assert values["delivered_pct"] == 99.9
    joining, listening = values["phases"]
    assert listening["delivery"]["lost"] == 10
    assert listening["listener_s"] == 200
    assert listening["server"]["cpu_ms_per_listener_s"] == 2.5
    assert listening["server"]["cpu_pct"] == 5.0
    assert listening["server"]["tick_late"]["ms_p99"] == 0.9
    assert joining["server"] == dict.fromkeys(joining["server"])
    assert listening["gap"]["ms_max"] == 40.0
    assert joining["failures"] == [{"at": "join", "code": "busy", "n": 1, "message": "full"}]
    assert joining["worst"][0]["longest_gap_ms"] == 40.0
    assert shape(joining).keys() == shape(listening).keys()


def test_the_phase_that_counts_is_that_of_listening(report):
    assert report.main.name == "listening"
    del report.phases[1]
    assert report.main.name == "joining"
    report.phases.clear()
    assert report.main is None
    assert report.to_json()["delivered_pct"] is None


def test_nothing_expected_is_all_delivered():
    empty = Phase("a", 0.0, stats(delivery=stats()["delivery"] | {"expected": 0, "received": 0}))
    assert empty.delivered_pct == 100
    assert empty.to_json()["server"]["cpu_ms_per_listener_s"] is None


def test_limits_that_were_hit_come_with_their_remedy(report):
    assert any("limits.people" in hint for hint in hints(report.phases))
    busy = Phase("listening", 1.0, stats(cpu_s=0.99, failures={"handshake: server_full": 3}))
    assert any("--processes" in hint for hint in hints([busy]))
    assert any("limits.connections" in hint for hint in hints([busy]))
    wrong = Phase("listening", 10.0, stats(delivery=stats()["delivery"] | {"mismatched": 1}, failures={}))
    assert hints([wrong]) == [
        "listeners of one mix got different bytes for the same frame: that is the server's fault"
    ]


def test_as_text(report):
    console = Console(width=100, record=True, file=io.StringIO())
    for line in lines_of(report.to_json()):
        console.print(line)
    text = console.export_text()
    for words in (
        *("99.900 % of the audio was delivered", "10,000 / 9,990", "40.0 ms"),
        *("2.500", "0.10 / 0.90 / 1.00 ms", "1 × busy at join while joining: full", "→ the Space is full"),
    ):
        assert words in text


def test_a_report_of_nothing_as_text_and_page():
    made = Report(LoadPlan(), datetime.now(UTC), conditions(), {"address": "x:1"})
    values = made.to_json()
    assert rows_of(values) == [
        [
            "",
        ]
    ]
    assert "Nothing was measured" in page(values)
    assert len(list(lines_of(values))) > 1


@pytest.mark.parametrize(("expected_pct", "status"), [(None, 0), (99.9, 0), (99.91, 1)])
def test_the_exit_status_is_that_of_what_was_expected(report, expected_pct, status, capsys):
    assert status_of(report, LoadOptions(expect_pct=expected_pct)) == status
    assert ("99.900 % was delivered, less than the 99.91 % expected" in capsys.readouterr().err) is (
        status == 1
    )


# The page


class Reader(HTMLParser):
    """Notes open elements, text and every attribute that could load something."""

    VOID = ("meta", "line", "rect", "circle", "polyline")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.loads, self.data = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] == "script":
            self.data += text


def test_the_page_is_whole_and_loads_nothing(report):
    report.phases[0].stats["examples"] = {"join: busy": "</script><script>alert(1)</script>"}
    values = report.to_json()
    text = page(values)
    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.loads == []
    assert "http" not in re.sub(r'<script type="application/json".*?</script>', "", text, flags=re.DOTALL)
    assert reader.seen.count("script") == 1
    assert json.loads(reader.data) == values
    assert reader.seen.count("svg") == 7
    assert "<script>alert" not in text
    assert "&lt;b&gt;&amp;" in text


def test_every_picture_is_xml(report):
    pictures = re.findall(r"<svg.*?</svg>", page(report.to_json()), re.DOTALL)
    for picture in pictures:
        root = ET.fromstring(picture)  # noqa: S314 - our own
        width, height = (float(number) for number in root.get("viewBox").split()[2:])
        for line in root.iter("polyline"):
            points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
            assert all(0 <= x <= width and 0 <= y <= height for x, y in points)


def points_of(picture):
    line = ET.fromstring(re.search(r"<svg.*?</svg>", picture, re.DOTALL).group()).find("polyline")  # noqa: S314
    return [tuple(map(float, point.split(","))) for point in line.get("points").split()]


def test_a_line_goes_where_its_values_are():
    left, middle, right = points_of(time_plot("a", "b", [Series("", [(0, 0.0), (5, 50.0), (10, 100.0)])]))
    assert middle[0] == pytest.approx((left[0] + right[0]) / 2, abs=0.1)
    assert middle[1] == pytest.approx((left[1] + right[1]) / 2, abs=0.1)
    assert right[1] < left[1]  # up is less in SVG


def test_a_line_has_holes_and_single_points():
    picture = time_plot("a", "b", [Series("", [(0, 1.0), (1, 2.0), (2, None), (3, 4.0)])])
    assert picture.count("<polyline") == 1
    assert picture.count("<circle") == 1


def test_a_long_line_keeps_its_peaks():
    points = [(float(x), 1.0) for x in range(100_000)]
    points[54_321] = (54_321.0, 99.0)
    kept = points_of(time_plot("a", "b", [Series("", points)]))
    assert len(kept) <= 1_500
    assert min(y for _, y in kept) < 60


def test_a_flat_line_and_no_line_at_all():
    assert points_of(time_plot("a", "b", [Series("", [(0, 0.0), (1, 0.0)])]))
    assert "Nothing was measured" in time_plot("a", "b", [Series("", [(0, None)])])
    assert "Nothing was measured" in tail_plot("a", "ms", [("x", Histogram(100))])


def test_bands_and_labels_are_escaped():
    picture = time_plot("<a>", "&", [Series("<l>", [(0, 1.0), (1, 2.0)])], bands=[Band("<phase>", 0, 1)])
    assert "&lt;a&gt;" in picture
    assert "&lt;phase&gt;" in picture
    assert "<l>" not in picture


def test_a_tail_falls_from_all_to_the_longest():
    histogram = Histogram(100, {20_000: 990, 40_000: 9, 60_000: 1})
    points = points_of(tail_plot("a", "ms", [("x", histogram)]))
    heights = [y for _, y in points]
    assert heights == sorted(heights)
    # 100 %, 1 %, 0.1 %, then less than what is shown: 2 and 3 and 5 decades of five down.
    assert len({round(height) for height in heights}) == 4


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (99.0, 100.0, [99.0, 99.2, 99.4, 99.6, 99.8, 100.0]),
        (0, 0, [0]),
        (3, 7, [3, 4, 5, 6, 7]),
    ],
)
def test_ticks_are_round(low, high, ticks):
    assert nice_ticks(low, high) == pytest.approx(ticks)


# While it runs


def test_the_live_view():
    view = LiveView(LoadPlan(listeners=20, duration_s=10))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(view.render("opening"))
    for at_s in range(1, 6):
        view.on_sample(sample(float(at_s), failed=2, delivered_pct=100 - at_s))
    console.print(view.render("listening"))
    text = console.export_text()
    for words in ("on their way", "20 of 20", "2 failed", "95.000 %", "33 %", "0.30 ms", "3 of 10 s"):
        assert words in text


def test_lines_where_nobody_watches():
    said = []
    view = LiveView(LoadPlan())
    view.say = said.append
    for at_s in range(1, 11):
        view.on_sample(sample(float(at_s), failed=1, server_cpu_pct=None))
    assert said == [
        "    1 s  joining: 20 listeners, 1 failed, 99.90 % delivered, load 12 %",
        "    3 s  listening: 20 listeners, 1 failed, 99.90 % delivered, load 12 %",
        "    5 s  listening: 20 listeners, 1 failed, 99.90 % delivered, load 12 %",
        "   10 s  listening: 20 listeners, 1 failed, 99.90 % delivered, load 12 %",
    ]
