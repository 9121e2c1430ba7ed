"""bench.capacity: what its figures mean, its bare packets, its picture, and one small run on both planes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import capacity, plot, tables
from bench._raw import MAX_PACKET_BYTES, RawSender, timer_late_ns
from bench.children import BenchError, Child, two_cores
from bench.raw import RawProcess, packed, percentile
from bench.rows import RECEIVED, SENT, SKIPPED, Case, Heard, Round, Sample, late_ms, row_of, summary
from signaling.load._swarm import Swarm
from signaling.load._tally import Board

ROOT = Path(__file__).parent.parent
KEYS = {
    *("plane", "listeners", "bundle", "ack_every", "delivered_pct", "gap_ms_p50", "gap_ms_p99", "gap_ms_max"),
    *("server_cpu_ms_per_listener_s", "us_per_packet", "ratio_to_raw", "tick_late_ms_p99", "ticks_skipped"),
    "rss_kb_per_listener",
}

CASE = Case("native", listeners=100, bundle=2, ack_every=10, seconds=4.0, rounds=2)
HEARD = Heard(
    expected=20_000,
    received=19_990,
    mismatched=0,
    gap_ms_p50=40.0,
    gap_ms_p99=41.5,
    gap_ms_max=62.0,
    ack_delay_ms=600.0,
    joins_per_s=0.0,
    load_cpu_pct=12.5,
)


def turn(raw_us: float, cpu_s: float, packets: int, seconds: float = 2.0) -> Round:
    begin = Sample(10.0, 1.0, {SENT: 1_500, RECEIVED: 70, SKIPPED: 3}, {200: 50, 30_000: 9})
    figures = {SENT: 1_500 + packets, RECEIVED: 570, SKIPPED: 4}
    # 100 ticks more, of them 2 in the last step
    late = {200: 148, 640: 2, 30_000: 9}
    return Round(raw_us, begin, Sample(10.0 + seconds, 1.0 + cpu_s, figures, late))


def test_a_row_is_made_of_its_rounds() -> None:
    rounds = [turn(3.0, cpu_s=0.0225, packets=5_000), turn(3.0, cpu_s=0.0275, packets=5_000)]
    row = row_of(CASE, rounds, HEARD, 211.0, rss_kb=(40_000, 46_000))
    assert row.keys() >= KEYS
    assert row["us_per_packet"] == pytest.approx(5.0)  # 4.5 and 5.5
    assert row["ratio_to_raw"] == pytest.approx(5 / 3, abs=1e-4)
    assert (row["ratio_to_raw_min"], row["ratio_to_raw_max"]) == pytest.approx((1.5, 1.8333), abs=1e-4)
    # 50 ms of CPU for 100 listeners over 4 s
    assert row["server_cpu_ms_per_listener_s"] == pytest.approx(50 / 400)
    assert row["delivered_pct"] == pytest.approx(99.95)
    assert row["ticks_skipped"] == 2
    assert row["tick_late_ms_p99"] == pytest.approx(0.66)  # 640 µs or up to 1/32 later
    assert row["packets_in_per_listener_s"] == pytest.approx(1_000 / 400)
    assert row["rss_kb_per_listener"] == pytest.approx(60.0)
    assert summary([row, row | {"raw_us_per_packet": 4.0}]) == pytest.approx(3.5)


def test_lateness_is_that_of_the_rounds_alone() -> None:
    rounds = [turn(3.0, 0.02, 5_000)]
    assert late_ms(rounds, "native", share=0.5) == pytest.approx(0.20625)
    assert late_ms(rounds, "aioquic", share=0.5) == pytest.approx(0.3)
    nothing = Round(3.0, rounds[0].begin, rounds[0].begin)
    assert late_ms([nothing], "native") == 0


def test_a_policy_that_is_not_the_clients_is_named() -> None:
    rounds = [turn(3.0, 0.02, 5_000)]
    own = row_of(CASE, rounds, HEARD, 211.0, (0, 0))
    other = row_of(replace(CASE, ack_every=2), rounds, HEARD, 211.0, (0, 0))
    assert own["ack_policy"] != other["ack_policy"]


def test_silence_is_no_delivery() -> None:
    nothing = replace(HEARD, expected=0, received=0)
    assert row_of(CASE, [turn(3.0, 0.02, 5_000)], nothing, 211.0, (0, 0))["delivered_pct"] == 0


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(range(1, 101), share) == expected


@pytest.mark.parametrize(("groups", "ticks_each"), [(1, 12), (2, 6), (3, 4)])
def test_bare_packets_reach_each_address_in_its_turn(groups: int, ticks_each: int) -> None:
    """130 addresses are three calls of at most 64; twelve ticks serve each as often as its group's turn."""
    ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(130)]
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sender.setblocking(False)
        for end in ends:
            end.bind(("127.0.0.1", 0))
            end.setblocking(False)
        raw = RawSender(
            sender.fileno(), [packed(end.getsockname()) for end in ends], packet_bytes=170, groups=groups
        )
        sent, refused, cpu_ns = raw.run(12 * 0.02)
        assert (sent, refused) == (130 * ticks_each, 0)
        assert cpu_ns > 0
        for end in ends:
            got = [end.recv(2048) for _ in range(ticks_each)]
            assert {len(packet) for packet in got} == {170}
            assert {packet[0] for packet in got} == {0}
            with pytest.raises(BlockingIOError):
                end.recv(2048)
    finally:
        for each in (*ends, sender):
            each.close()


def test_the_load_passes_bare_packets_over() -> None:
    """In Python each would cost what a thousand listeners cannot pay."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        for each in (listener, sender):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        listener.connect(sender.getsockname())
        swarm = Swarm(1, Board(1))
        swarm.add(listener.fileno())
        raw = RawSender(sender.fileno(), [packed(listener.getsockname())], packet_bytes=170)
        assert raw.run(0.1)[0] == 5
        assert swarm.pump(1_000_000, 0) == []
        assert (swarm.stats.packets_in, swarm.stats.dropped) == (5, 5)
        swarm.drop(0)


def test_bare_packets_also_go_over_ipv6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as end:
        end.bind(("::1", 0))
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            address = packed(end.getsockname()[:2])
            assert RawSender(sender.fileno(), [address], packet_bytes=64).run(0.02)[0] == 1
        assert len(end.recv(100)) == 64


@pytest.mark.parametrize(
    ("addresses", "packet_bytes", "groups"),
    [
        ([], 100, 1),
        ([packed(("127.0.0.1", 9))], 0, 1),
        ([packed(("127.0.0.1", 9))], MAX_PACKET_BYTES + 1, 1),
        ([packed(("127.0.0.1", 9))], 100, 0),
        ([packed(("127.0.0.1", 9)), packed(("::1", 9))], 100, 1),
    ],
)
def test_a_sender_that_makes_no_sense_is_refused(
    addresses: list[bytes], packet_bytes: int, groups: int
) -> None:
    with pytest.raises(ValueError, match=r"\d"):
        RawSender(0, addresses, packet_bytes=packet_bytes, groups=groups)


def test_a_bare_timer_never_wakes_early() -> None:
    late = timer_late_ns(0.1)
    assert len(late) == 5
    assert min(late) >= 0
    with pytest.raises(ValueError, match=r"20 ms"):
        timer_late_ns(0.001)


def test_a_timer_does_not_hold_the_interpreter() -> None:
    """Another thread goes on while it sleeps."""
    turns = 0
    over = threading.Event()

    def count() -> None:
        nonlocal turns
        while not over.wait(0.005):
            turns += 1

    beside = threading.Thread(target=count)
    beside.start()
    timer_late_ns(0.2)
    over.set()
    beside.join()
    assert turns > 1


def test_packets_that_find_nobody_are_no_ceiling() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        nobody = gone.getsockname()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        RawProcess(first_core(), sender) as raw,
    ):
        raw.aim([nobody] * 50)
        with pytest.raises(BenchError, match="found no listener"):
            raw.send(0.1, 100, 1)


def test_a_child_that_dies_says_its_last_words() -> None:
    script = "raise SystemExit('out of breath')"
    with (
        Child("talker", ["-c", script], core=first_core()) as child,
        pytest.raises(BenchError, match="out of breath"),
    ):
        child.wait_for("something")


def test_a_child_is_stamped_with_its_cpu_time() -> None:
    script = 'print(\'{"event": "word"}\', flush=True); input()'
    with Child("talker", ["-c", script], core=first_core(), stamped="word") as child:
        line = child.wait_for("word")
        assert 0 < line["used_s"] <= child.cpu_s
        assert child.rss_kb > 0


def first_core() -> int:
    return two_cores()[0]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "",
            17,
        ),  # 3 bundles × 5 sizes, one with another ACK policy, plain aioquic; native at 100 is in the ladder
        ("--listeners 20", 5),
        ("--listeners 20 --bundle 1 --ack-every 2 --compare 0", 1),
        ("--listeners 20 --bundle 1 --compare 20", 2),
        ("--memory", 0),
        ("--joins 10", 0),
        ("--long", 1),
        ("--full", 18),
    ],
)
def test_what_is_measured(line: str, expected: int) -> None:
    cases = capacity.cases_of(capacity.parse(line.split()))
    assert len(cases) == expected
    assert len(set(cases)) == len(cases)


@pytest.mark.parametrize(
    "line", ["--bundle 4", "--listeners 0", "--listeners x", "--seconds 0", "--rounds 0"]
)
def test_what_cannot_be_measured_is_misuse(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        capacity.parse(line.split())
    assert stopped.value.code == 2
    assert line.split(maxsplit=1)[0] in capsys.readouterr().err


def drawn_rows() -> list[dict[str, object]]:
    row = row_of(CASE, [turn(3.0, 0.02, 5_000)], HEARD, 211.0, (0, 0))
    rows = [
        row | {"bundle": bundle, "listeners": n, "server_cpu_ms_per_listener_s": cost}
        for bundle, cost in ((1, 0.2), (2, 0.11), (3, 0.08))
        for n in (100, 3000)
    ]
    return [*rows, row | {"plane": "aioquic", "bundle": 1, "server_cpu_ms_per_listener_s": 6.0}]


def test_the_picture_has_a_line_for_each_kind() -> None:
    picture = plot.svg({"rows": drawn_rows(), "conditions": {"cpu": "a <fast> one"}})
    found = ElementTree.fromstring(picture)  # noqa: S314 - our own
    words = " ".join(found.itertext())
    for name in ("native, 1 frame a packet", "native, 3 frames", "bare sendmmsg, 2 frames", "plain aioquic"):
        assert name in words
    assert "prefers-color-scheme: dark" in words
    lines = [each for each in found.iter() if each.tag.endswith("polyline")]
    assert len(lines) == 7
    for each in lines:
        for place in each.attrib["points"].split():
            x, y = (float(part) for part in place.split(","))
            assert plot.LEFT <= x <= plot.WIDTH - plot.RIGHT
            assert plot.TOP <= y <= plot.HEIGHT - plot.BOTTOM


def test_the_tables_hold_every_row_and_part() -> None:
    found = {
        "conditions": {"commit": "abc", "cpu": "a cpu", "system": "Linux", "python": "3", "load_1min": 0.1}
        | {"server_core": 0, "load_core": 1},
        "timer_late_ms": {"p50": 0.1, "p99": 0.2, "max": 0.3},
        "rows": drawn_rows(),
        "joins": {"joins_per_s": 400.0},
        "memory": {"above_kb": 12.5},
    }
    for told in (tables.markdown_of(found), tables.text_of(found)):
        assert told.count("99.950") == len(drawn_rows())
        for word in ("a cpu", "0.300 ms", "joins_per_s", "12.5"):
            assert word in told
    pipes = {line.count("|") for line in tables.markdown_of(found).splitlines() if line.startswith("| p")}
    assert pipes == {len(tables.TABLE) + 1}


def test_nothing_measured_is_no_picture() -> None:
    with pytest.raises(ValueError, match="no row"):
        plot.svg({"rows": []})


@pytest.mark.timeout(180)
def test_a_small_run_on_both_planes() -> None:
    """Real servers, real listeners; keys and delivery only, no times: other tests run beside it."""
    line = "--json --listeners 20 --bundle 1 --compare 20 --seconds 2 --rounds 1 --timer-seconds 0.5"
    done = subprocess.run(
        [sys.executable, "-m", "bench.capacity", *line.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["raw_us_per_packet"] > 0
    assert found["timer_late_ms_p99"] > 0
    assert {row["plane"] for row in found["rows"]} == {"native", "aioquic"}
    for row in found["rows"]:
        assert row.keys() >= KEYS
        assert row["delivered_pct"] > 99, row
        assert row["mismatched"] == 0, row
        assert row["ratio_to_raw"] > 0
