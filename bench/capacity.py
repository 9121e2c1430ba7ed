"""How many listeners a core serves, and what each costs: `python -m bench.capacity [--json]`.

The server has one core, the load another. A row is a server of its own with so many listeners who really
joined; one person talks. In turns, the room is hushed while bare packets of the same size go to the same
addresses from the same socket by `sendmmsg`, 64 a call, without segmentation offload; then somebody talks and
the server's CPU is read: all of its process, divided by all UDP packets that it sent. `ratio_to_raw` is the
median of these pairs. Listeners check that all of them get the same bytes. Where `ack_every` is not 10, they
acknowledge otherwise than our client does (at the 10th packet or after 600 ms).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import idle
from bench.bursts import measure_joins
from bench.children import BenchError, allow_many_files, two_cores
from bench.conditions import conditions
from bench.ladder import SETTINGS, Cores, measure
from bench.raw import RawProcess
from bench.rows import CLIENT_ACK_EVERY, Case, Row, summary, tidy
from bench.served import raised_limits
from bench.tables import text_of

LISTENERS = (100, 500, 1000, 2000, 3000)
BUNDLES = (1, 2, 3)
OTHER_ACK = (1000, 1, 2)  # listeners, bundle, ACK at every 2nd: as a foreign client, RFC 9000 section 13.2.2
COMPARED = 100  # listeners with whom both planes are measured
LONG = Case("native", 3000, 2, CLIENT_ACK_EVERY, seconds=60.0, rounds=1)
MEMORY_LISTENERS = 1000
JOINS, WHILE = 1000, 500
TIMER_S = 10.0


def cases_of(chosen: argparse.Namespace) -> list[Case]:
    """What is to be measured, in order; the long run and the pair on both planes included."""
    found: list[Case] = []

    def add(plane: str, listeners: int, bundle: int, ack_every: int) -> None:
        case = Case(plane, listeners, bundle, ack_every, chosen.seconds, chosen.rounds)
        if case not in found:
            found.append(case)

    if chosen.ladder:
        acks = chosen.ack_every or [CLIENT_ACK_EVERY]
        for plane in ("aioquic", "native") if chosen.compare else ():
            add(plane, chosen.compare, 1, acks[0])
        for bundle in chosen.bundle or BUNDLES:
            for listeners in chosen.listeners or LISTENERS:
                for ack_every in acks:
                    add("native", listeners, bundle, ack_every)
        if not (chosen.listeners or chosen.bundle or chosen.ack_every):
            add("native", *OTHER_ACK)
    if chosen.long:
        found.append(LONG)
    return found


def run(chosen: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """All that was asked for; and what could not be measured, in sentences."""
    allow_many_files()
    cores = Cores(*two_cores())
    tell(f"a bare timer on core {cores.server} for {chosen.timer_seconds:g} s")
    with RawProcess(cores.server) as raw:
        timer = raw.timer(chosen.timer_seconds)
    rows: list[Row] = []
    failures: list[str] = []
    found: dict[str, Any] = {
        "conditions": conditions()
        | {"server_core": cores.server, "load_core": cores.load}
        | {"settings_of_rows": SETTINGS, "raised_limits": raised_limits(MEMORY_LISTENERS)},
        "raw_us_per_packet": 0.0,
        "timer_late_ms_p99": tidy(timer["p99"]),
        "timer_late_ms": {name: tidy(value) for name, value in timer.items()},
        "rows": rows,
    }
    for case in cases_of(chosen):
        tell(
            f"{case.listeners} listeners, {case.plane}, bundle {case.bundle}, ACK every {case.ack_every}, "
            f"{case.seconds:g} s in {case.rounds}"
        )
        try:
            row = measure(case, cores)
            rows.append(row)
            if row["mismatched"]:
                failures.append(f"{case}: {row['mismatched']} frames were not the same at all listeners")
        except BenchError as error:
            failures.append(f"{case}: {error}")
    try:
        if chosen.joins:
            tell(f"{chosen.joins} joins while {chosen.listening} listen")
            found["joins"] = measure_joins(chosen.joins, chosen.listening, cores, timer["p99"])
        if chosen.memory:
            found["memory"] = memory(rows, cores)
    except BenchError as error:
        failures.append(str(error))
    found["raw_us_per_packet"] = summary(rows)
    return found, failures


def memory(rows: Sequence[Row], cores: Cores) -> dict[str, float]:
    """KB for a listener on the native plane, and for an idle connection of a stock aioquic server."""
    native = [row for row in rows if row["plane"] == "native" and row["listeners"] == MEMORY_LISTENERS]
    if not native:
        tell(f"{MEMORY_LISTENERS} listeners for their memory")
        native = [measure(Case("native", MEMORY_LISTENERS, 1, CLIENT_ACK_EVERY, 5.0, 1), cores)]
    tell(f"{MEMORY_LISTENERS} idle connections to a stock aioquic server")
    listener_kb = max(row["rss_kb_per_listener"] for row in native)
    idle_kb = idle.measure(MEMORY_LISTENERS, (cores.server, cores.load))
    return {
        "connections": MEMORY_LISTENERS,
        "rss_kb_per_listener": tidy(listener_kb),
        "rss_kb_per_idle_aioquic_connection": tidy(idle_kb),
        "above_kb": tidy(listener_kb - idle_kb),
    }


def tell(sentence: str) -> None:
    """Progress; the figures alone are on stdout."""
    print(f"bench.capacity: {sentence}", file=sys.stderr, flush=True)


def counts(text: str) -> list[int]:
    """`N,…`, each 1 or more."""
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: whole numbers from 1, with commas between")
    return found


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.capacity", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object")
    add("--out", type=Path, help="also write that object to this file")
    add("--listeners", type=counts, metavar="N,…", help=f"the ladder ({','.join(map(str, LISTENERS))})")
    add("--bundle", type=counts, metavar="B,…", help="frames a packet (1,2,3)")
    add("--ack-every", type=counts, metavar="A,…", help="listeners acknowledge the A-th packet (10; once 2)")
    add("--seconds", type=float, default=20.0, help="of talk for each row, all rounds together (20)")
    add("--rounds", type=int, default=5, help="pairs of bare packets and talk in each row (5)")
    add("--compare", type=int, default=COMPARED, help=f"listeners on both planes ({COMPARED}; 0: not)")
    add("--timer-seconds", type=float, default=TIMER_S, help=f"of the bare timer ({TIMER_S:g})")
    add("--joins", type=int, metavar="N", help="so many joins as fast as they come …")
    add("--while", type=int, dest="listening", default=WHILE, metavar="N", help=f"… while N listen ({WHILE})")
    add("--memory", action="store_true", help="a listener's memory against an idle aioquic connection's")
    add("--long", action="store_true", help="3,000 listeners, bundle 2, 60 s without a pause")
    add("--full", action="store_true", help="the ladder and all of these")
    chosen = parser.parse_args(arguments)
    if not chosen.seconds > 0 or chosen.rounds < 1 or not chosen.timer_seconds >= 0.02:
        parser.error("--seconds is more than 0, --rounds 1 or more, --timer-seconds 0.02 or more")
    if any(bundle > max(BUNDLES) for bundle in chosen.bundle or ()):
        parser.error(f"--bundle: a packet holds at most {max(BUNDLES)} frames")
    if chosen.full:
        chosen.joins, chosen.memory, chosen.long = chosen.joins or JOINS, True, True
    given = chosen.listeners or chosen.bundle or chosen.ack_every
    chosen.ladder = chosen.full or given or not (chosen.joins or chosen.memory or chosen.long)
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    try:
        found, failures = run(chosen)
    except BenchError as error:
        found, failures = {}, [str(error)]
    if found:
        told = json.dumps(found, indent=2)
        if chosen.out:
            chosen.out.parent.mkdir(parents=True, exist_ok=True)
            chosen.out.write_text(told + "\n", "utf-8")
        print(told if chosen.json else text_of(found))
    for failure in failures:
        tell(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
