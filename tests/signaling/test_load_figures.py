"""What a load's figures are made of: distributions against numpy, merged reports, tick lateness, the plan."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from signaling.load.addresses import loopback_address, make_room_for, resolve
from signaling.load.company import Company, put_together
from signaling.load.errors import LoadError
from signaling.load.figures import Histogram, cuts_of, ms
from signaling.load.lateness import ticks_between
from signaling.load.meter import ServerMeter
from signaling.load.plan import LoadPlan
from signaling.load.speech import Voice, babble, encoded
from signaling.load.timers import Timers
from spacecore import Decoder, parse_audio


@pytest.mark.parametrize("n", [1, 2, 3, 99, 100, 101, 1000])
def test_percentiles_are_those_of_numpy(n):
    values = np.random.default_rng(n).exponential(20_000, n)
    cuts = cuts_of(values.tolist())
    assert cuts.p50 == np.percentile(values, 50, method="inverted_cdf")
    assert cuts.p99 == np.percentile(values, 99, method="inverted_cdf")
    assert (cuts.n, cuts.max) == (n, values.max())
    assert cuts.mean == pytest.approx(values.mean())


@pytest.mark.parametrize("seed", range(10))
def test_a_histogram_is_right_to_half_a_bucket(seed):
    rng = np.random.default_rng(seed)
    values = rng.exponential(30_000, 2_000).astype(int)
    histogram = Histogram(100)
    for value in values:
        histogram.put(int(value))
    cuts = histogram.cuts()
    assert cuts.p50 == pytest.approx(np.percentile(values, 50, method="inverted_cdf"), abs=50)
    assert cuts.p99 == pytest.approx(np.percentile(values, 99, method="inverted_cdf"), abs=50)
    assert cuts.mean == pytest.approx(values.mean(), abs=50)
    assert (cuts.n, cuts.max) == (2_000, values.max())


def test_histograms_add_up_and_travel():
    one, other = Histogram(100), Histogram(100)
    for value in (0, 99, 100, 5_000_000):
        one.put(value)
    other.put(20_050)
    one.add(Histogram.from_json(json.loads(json.dumps(other.to_json()))))
    assert one.counts == {0: 2, 100: 1, 20_000: 1, 1_000_000: 1}
    assert one.cuts().p99 == one.cuts().max == 5_000_000  # beyond the buckets the maximum is what is known
    assert Histogram(100).cuts().to_json() == {"n": 0, "ms_p50": 0, "ms_p99": 0, "ms_max": 0, "ms_mean": 0}
    with pytest.raises(ValueError, match="widths differ"):
        one.add(Histogram(10))
    assert ms(20_123.4) == 20.123


# Ticks


def line(lateness, skipped=0):
    return {"lateness_us": lateness, "statistics": {"media_ticks_skipped": skipped}}


def test_lateness_between_two_lines_of_statistics():
    before = line([(0, 100), (500, 10)], 1)
    after = line([(0, 149), (500, 59), (1_000, 2)], 4)
    ticks = ticks_between(before, after)
    assert (ticks.n, ticks.skipped) == (100, 3)
    assert (ticks.late.p50, ticks.late.p99, ticks.late.max) == (500, 1_000, 1_000)
    assert ticks_between(None, after).n == 210
    assert ticks.to_json()["ms_p99"] == 1.0


def test_a_server_that_does_not_tell_its_lateness():
    assert ticks_between(None, None) is None
    assert ticks_between(None, {"statistics": {}}) is None
    assert ticks_between(line([(0, 5)]), line([(0, 5)])) is None


# Several processes


def part(**changed):
    base = {
        "elapsed_us": 1_000_000,
        "delivery": {"listeners": 1, "expected": 50, "received": 49, "longest_gap_us": 40_000},
        "gaps": Histogram(100, {20_000: 48}, 40_000).to_json(),
        "jitters": Histogram(10, {100: 1}).to_json(),
        "turns": Histogram(100, {0: 200}).to_json(),
        "joins_us": [1_000],
        "handshakes_us": [900],
        "joining_us": 1_000,
        "failures": {"join: busy": 1},
        "examples": {"join: busy": "full"},
        "swarm": {"packets_in": 50},
        "spoken": 50,
        "talk_late_us": 10,
        "cpu_s": 0.5,
        "rss_bytes": 100,
        "worst": [
            {"ear": 0, "expected": 50, "received": 49, "longest_gap_us": 40_000, "jitter_us": 3}
            | {"address": "127.0.0.1:5"}
        ],
    }
    return base | changed


def test_parts_are_put_together():
    other = part(
        delivery={"listeners": 2, "expected": 100, "received": 100, "longest_gap_us": 20_000},
        worst=[{"ear": 0, "expected": 50, "received": 50, "longest_gap_us": 20_000, "jitter_us": 1}],
        examples={"join: busy": "another", "hello: busy": "later"},
        talk_late_us=99,
    )
    whole = put_together([part(), other])
    assert whole["delivery"] == {"listeners": 3, "expected": 150, "received": 149, "longest_gap_us": 40_000}
    assert Histogram.from_json(whole["gaps"]).counts == {20_000: 96}
    assert whole["joins_us"] == [1_000, 1_000]
    assert whole["failures"] == {"join: busy": 2}
    assert whole["examples"] == {"join: busy": "full", "hello: busy": "later"}
    assert (whole["cpu_s"], whole["talk_late_us"], whole["joining_us"]) == (1.0, 99, 1_000)
    assert [row["received"] for row in whole["worst"]] == [49, 50]


class Hands:
    """Notes who was asked to join."""

    def __init__(self):
        self.joined = []

    async def join(self, space, n, rate):
        self.joined.append((n, rate))


def test_listeners_are_shared_out_evenly():
    hands = [Hands() for _ in range(3)]
    plan = LoadPlan(listeners=11, workers=3)
    company = Company(plan, hands)
    for n, rate in ((4, 30.0), (1, 0), (6, 0)):
        asyncio.run(company.join("", n, rate))
    assert [each.joined for each in hands] == [
        [(2, 10.0), (2, 0)],
        [(1, 10.0), (1, 0), (2, 0)],
        [(1, 10.0), (2, 0)],
    ]
    taken = [sum(n for n, _ in each.joined) for each in hands]
    assert taken == [plan.share(worker).listeners for worker in range(3)] == [4, 4, 3]
    with pytest.raises(LoadError, match="11 is the most"):
        asyncio.run(company.join("", 1, 0))


# The plan


def test_a_share_of_the_plan():
    plan = LoadPlan(listeners=10, speakers=3, workers=4, ramp_s=5, at_once=100, seed=9)
    shares = [plan.share(worker) for worker in range(4)]
    assert [share.listeners for share in shares] == [3, 3, 2, 2]
    assert [share.speakers for share in shares] == [3, 0, 0, 0]
    assert [share.people for share in shares] == [6, 3, 2, 2]
    assert sum(share.rate for share in shares) == plan.rate == 2
    assert len({share.seed for share in shares}) == 4
    numbers = [set(range(share.first_number, share.first_number + share.people)) for share in shares]
    assert len(set().union(*numbers)) == 13
    assert LoadPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_who_comes_when_there_is_no_speaker():
    assert LoadPlan(listeners=5, speakers=0).people == 6  # the host
    assert LoadPlan(listeners=5, speakers=0, space="0" * 32).people == 5
    assert LoadPlan(listeners=5, speakers=2).people == 7


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"listeners": -1}, "listeners is -1"),
        ({"listeners": 100_000}, "--processes 2"),
        ({"bundle": 4}, "bundle is 4; it may be 1 to 3"),
        ({"ack_delay_ms": 601}, "ack_delay_ms is 601"),
        ({"loss_pct": 100.5}, "loss_pct is 100.5"),
        ({"plane": "rust"}, "plane is 'rust'"),
        ({"addresses": "mine"}, "addresses 'mine'"),
        ({"ramp_s": 1, "join_rate": 1}, "leave one out"),
        ({"duration_s": float("nan")}, "duration_s is nan"),
    ],
)
def test_a_plan_that_cannot_be(wrong, says):
    with pytest.raises(LoadError) as raised:
        LoadPlan(**wrong)
    assert says in str(raised.value)
    assert raised.value.code == "bad_value"


# Sound


def test_babble_is_speech_enough_to_be_heard():
    frames = babble(1.0)
    assert len(frames) == 50
    track = encoded(frames)
    assert len(track.packets) == 50
    assert all(level <= 40 for level in track.levels)
    sound = np.frombuffer(b"".join(bytes(frame) for frame in frames), np.float32)
    assert 0.2 < np.abs(sound).max() <= 0.25
    decoder = Decoder()
    assert all(len(decoder.decode(packet)) == 960 for packet in track.packets)
    with pytest.raises(LoadError, match="less than one frame"):
        encoded([])


def test_a_voice_keeps_its_time():
    track = encoded(babble(0.1))
    voice = Voice(track, offset=3, seq=65_534)
    assert voice.say(0) == []
    assert voice.hush(0) is None
    voice.talk(1_000_000)
    first = [parse_audio(data, down=False) for data in voice.say(1_000_000)]
    late = [parse_audio(data, down=False) for data in voice.say(1_065_000)]
    assert [packet.seq for packet in first + late] == [65_534, 65_535, 0, 1]
    assert [packet.timestamp for packet in first + late] == [0, 960, 1920, 2880]
    assert [packet.frames[0] for packet in first + late] == [track.packets[k % 5] for k in range(3, 7)]
    assert voice.late_us == 45_000
    assert voice.next_us == 1_080_000
    end = parse_audio(voice.hush(1_070_000), down=False)
    assert (end.frames, end.level & 127) == ((b"\x78",), 127)
    assert voice.next_us is None
    voice.talk(2_070_000)
    again = parse_audio(voice.say(2_070_000)[0], down=False)
    assert (again.seq, again.timestamp) == (3, 5 * 960 + 50 * 960)


def test_a_voice_leaps_over_what_is_too_late():
    voice = Voice(encoded(babble(0.1)))
    voice.talk(0)
    voice.say(0)
    packets = [parse_audio(data, down=False) for data in voice.say(1_000_000)]
    assert [(packet.seq, packet.timestamp) for packet in packets] == [(1, 960 * 50)]


# The machine


def test_timers_tell_the_earliest_time_once():
    timers = Timers()
    for who, at_us in ((1, 50), (2, 20), (1, 10), (1, 30), (3, 40)):
        timers.ask(who, at_us)
    timers.forget(3)
    assert timers.next_us == 10
    assert list(timers.due(25)) == [1, 2]
    assert list(timers.due(100)) == []
    assert timers.next_us is None


def test_everybody_has_a_loopback_address():
    found = {loopback_address(worker, number) for worker in (0, 1, 63) for number in (0, 1, 254, 255, 59_999)}
    assert len(found) == 15
    assert all(address.startswith("127.") for address in found)
    assert loopback_address(0, 0) == "127.1.0.1"


def test_a_name_that_cannot_be_resolved():
    with pytest.raises(LoadError, match="check --server") as raised:
        resolve("no.such.host.invalid", 1)
    assert raised.value.code == "bad_address"


def test_the_limit_of_open_files(monkeypatch):
    set_to = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1_024, 4_096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: set_to.append(limits))
    make_room_for(900)
    assert set_to == []
    make_room_for(3_000)
    assert set_to == [(4_096, 4_096)]
    with pytest.raises(LoadError, match=r"10000 sockets need 10064 .* may have 4096.*--processes 3"):
        make_room_for(10_000)


def test_the_cpu_time_of_another_process():
    program = (
        "import time\nwhile time.process_time() < 0.2: pass\nprint(time.process_time(), flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as busy:
        meter = ServerMeter(busy.pid)
        said_s = float(busy.stdout.readline())
        reading = meter.read()
        assert said_s <= reading.cpu_s < said_s + 0.2
        assert 1_000_000 < reading.rss_bytes < 200_000_000
        busy.communicate("\n")
    assert meter.read() is None


def test_a_process_that_is_not_there():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (0, -1, gone.pid):
        with pytest.raises(LoadError, match="there is no process") as raised:
            ServerMeter(pid)
        assert raised.value.code == "no_such_pid"
    assert ServerMeter(os.getpid()).read() is not None


def test_a_plan_is_plain_data():
    assert all(
        isinstance(value, str | int | float | None) for value in dataclasses.asdict(LoadPlan()).values()
    )
