"""What a room's tick costs by seats and audible seats, split into stages: `python -m bench.room [--json]`.

CPU time of the thread, medians over ticks; the talkers send seeded sound, encoded once beforehand. Rooms of
up to three talkers are measured twice, second with `pass_through=False`; at the end one talker both ways in
the same moments, means, all included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from itertools import cycle

from bench._stages import STAGES, Room
from bench.conditions import conditions, header
from spacecore import Encoder, pack_audio
from tests.signals import frames, voice

TICK_US = 20_000
WARM_UP_TICKS = 50
SOUND_S = 4.0
DEFAULT_ROOMS = ((1, 1), (5, 1), (10, 1), (5, 2), (10, 3), (5, 5), (13, 5), (13, 13))
ROW = (
    "seats",
    "audible",
    "passed_per_tick",
    "decodes_per_tick",
    "encodes_per_tick",
    *(f"{stage}_us" for stage in STAGES),
    "tick_us",
    "tick_us_p99",
)


def talk(seed: int) -> list[bytes]:
    """Opus packets of one talker, `SOUND_S` of them."""
    encoder = Encoder(bitrate_bps=48000, dtx=False)
    return [encoder.encode(pcm) for pcm in frames(voice(seed, SOUND_S))]


def compare(seats: int, ticks: int) -> dict[str, float]:
    """One talker of `seats`, passed on and, in the same moments, mixed: CPU of whole ticks, all included."""
    ways = {"passed": Room(seats), "mixed": Room(seats, pass_through=False)}
    source = cycle(talk(0))
    took: dict[str, list[int]] = {way: [] for way in ways}
    for i in range(WARM_UP_TICKS + ticks):
        now_us = 1_000_000 + i * TICK_US
        datagram = pack_audio([next(source)], seq=i & 0xFFFF, timestamp=(i * 960) & 0xFFFFFFFF, level=20)
        for way, room in ways.items():
            room.put(0, datagram, now_us)
            cost = room.whole_tick(now_us + 5000)
            if i >= WARM_UP_TICKS:
                took[way].append(cost)
    mean = {way: statistics.fmean(costs) / 1000 for way, costs in took.items()}
    return {
        "seats": seats,
        "passed_us": round(mean["passed"], 2),
        "mixed_us": round(mean["mixed"], 2),
        "ratio": round(mean["passed"] / mean["mixed"], 4),
    }


def measure(seats: int, audible: int, ticks: int, *, pass_through: bool = True) -> dict[str, float]:
    """One room of `seats`, `audible` of which talk without a pause, over `ticks` ticks."""
    split, whole = Room(seats, pass_through=pass_through), Room(seats, pass_through=pass_through)
    sources = [cycle(talk(seed)) for seed in range(audible)]
    parts: list[tuple[int, ...]] = []
    totals: list[int] = []
    first = (0, 0, 0)
    for i in range(WARM_UP_TICKS + ticks):
        now_us = 1_000_000 + i * TICK_US
        if i == WARM_UP_TICKS:
            first = split.counts
        for seat, source in enumerate(sources):
            datagram = pack_audio([next(source)], seq=i & 0xFFFF, timestamp=(i * 960) & 0xFFFFFFFF, level=20)
            for room in (split, whole):
                room.put(seat, datagram, now_us)
        # Turn about, so that a slow moment of the machine does not fall on one of the two.
        part, total = split.tick(now_us + 5000), whole.whole_tick(now_us + 5000)
        if i >= WARM_UP_TICKS:
            parts.append(part)
            totals.append(total)
    decodes, encodes, passed = (after - before for after, before in zip(split.counts, first, strict=True))
    medians = [statistics.median(stage) / 1000 for stage in zip(*parts, strict=True)]
    p99 = statistics.quantiles(totals, n=100)[98] / 1000
    values = [
        seats,
        audible,
        passed / ticks,
        decodes / ticks,
        encodes / ticks,
        *medians,
        statistics.median(totals) / 1000,
        p99,
    ]
    return {name: round(value, 2) for name, value in zip(ROW, values, strict=True)}


def parse_room(text: str) -> tuple[int, int]:
    """`SEATS:AUDIBLE`."""
    seats, audible = (int(part) for part in text.split(":"))
    if not 1 <= audible <= seats <= 32:
        raise argparse.ArgumentTypeError(f"{text}: audible seats are 1 to seats, and seats at most 32")
    return seats, audible


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.room", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--ticks", type=int, default=1000, help="ticks that are measured for each room (1000)"
    )
    parser.add_argument(
        "--room", type=parse_room, action="append", metavar="SEATS:AUDIBLE", help="may be repeated"
    )
    chosen = parser.parse_args(arguments)
    if chosen.ticks < 10:
        parser.error(f"--ticks {chosen.ticks}: at least 10 are needed for a median and a p99")
    rows = [
        measure(seats, audible, chosen.ticks, pass_through=pass_through)
        for seats, audible in chosen.room or DEFAULT_ROOMS
        for pass_through in ([True, False] if audible <= 3 else [True])
    ]
    ratio = compare(5, chosen.ticks)
    if chosen.json:
        json.dump({"conditions": conditions(), "rows": rows, "one_talker": ratio}, sys.stdout, indent=2)
        print()
        return 0
    print(header())
    print("# CPU µs of the thread, medians; mix: sum, subtract, limiter; levels are in decode and encode")
    print(" ".join(f"{name:>16}" for name in ROW))
    for row in rows:
        print(" ".join(f"{row[name]:>16g}" for name in ROW))
    print(
        f"# one talker of {ratio['seats']} seats, means in the same run: {ratio['passed_us']} µs passed on, "
        f"{ratio['mixed_us']} µs mixed: {ratio['ratio']} ×"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
