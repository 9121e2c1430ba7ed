"""What attacks do to an honest room: `python -m bench.adversary [--json] [--attack NAME] [--seconds S]`.

A server in a process of its own, with the production profile of limits; 4 people talk at once and 50 listen;
beside them an adversary who speaks valid QUIC (`tests/adversary`), one attack after the other, each at a
server of its own. Heap and CPU of single packets are measured in memory, and so is `handlers`: messages of
every verb, valid and mutated, by people of every standing. `--attack soak` is all attacks at once, half an
hour long, and not among those that run unasked.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from bench.adversary_rows import HANDLERS, SOAK, rows_of
from bench.adversary_run import PROFILE, Siege, besiege
from bench.children import BenchError, allow_many_files, two_cores
from bench.conditions import conditions
from bench.ladder import Cores
from tests.adversary.attacks import ATTACKS
from tests.adversary.handlers import Coverage, pelt

SECONDS = 5.0
LONG = {"garbage_initials": 20.0, "stalled_listener": 8.0}
"""Attacks that take their own time unless `--seconds` says otherwise."""
SOAK_S = 1_800.0
MESSAGES = 100_000


def run(chosen: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Everything that was asked for; and what could not be measured, in sentences."""
    allow_many_files()
    cores = Cores(*two_cores())
    rows: list[dict[str, Any]] = []
    details: dict[str, Any] = {}
    failures: list[str] = []
    for name in [chosen.attack] if chosen.attack else [*ATTACKS, HANDLERS]:
        try:
            if name == HANDLERS:
                tell(f"{chosen.messages} messages to the handlers")
                coverage: Coverage | None = pelt(chosen.messages, chosen.seed)
                siege = None
            else:
                seconds = chosen.seconds or (SOAK_S if name == SOAK else LONG.get(name, SECONDS))
                tell(f"{name} for {seconds:g} s")
                coverage, siege = None, besiege(name, seconds, chosen.seed, cores)
            rows += rows_of(name, siege, coverage, chosen.seed)
            details[name] = detail_of(siege, coverage)
        except BenchError as error:
            failures.append(f"{name}: {error}")
    found = {
        "conditions": conditions()
        | {
            "server_core": cores.server,
            "load_core": cores.load,
            "seed": chosen.seed,
            "raised_limits": PROFILE,
        },
        "rows": rows,
        "details": details,
    }
    return found, failures


def detail_of(siege: Siege | None, coverage: Coverage | None) -> dict[str, Any]:
    """What stands behind a row."""
    if coverage is not None:
        return coverage.summary()
    return {} if siege is None else siege.summary()


def text_of(found: dict[str, Any]) -> str:
    """For a terminal."""
    lines = [f"# {name}: {value}" for name, value in found["conditions"].items()]
    titles = ("attack", "figure", "value", "limit", "late p99 ms", "gap max ms", "ok")
    shown = [titles, *(tuple(str(cell) for cell in row.values()) for row in found["rows"])]
    widths = [max(len(str(row[at])) for row in shown) for at in range(len(titles))]
    lines += [
        "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)) for row in shown
    ]
    return "\n".join(lines)


def tell(sentence: str) -> None:
    """Progress; the figures alone are on stdout."""
    print(f"bench.adversary: {sentence}", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.adversary", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--json", action="store_true", help="print one JSON object")
    add("--attack", choices=[*ATTACKS, SOAK, HANDLERS], help="this one alone")
    add("--seconds", type=float, help=f"of each attack ({SECONDS:g}; garbage_initials 20; soak {SOAK_S:g})")
    add("--seed", type=int, default=1)
    add(
        "--messages",
        type=int,
        default=MESSAGES,
        help=f"to the handlers ({MESSAGES}; the figure is of 1000000)",
    )
    chosen = parser.parse_args(arguments)
    if chosen.seconds is not None and not chosen.seconds >= 1:
        parser.error(f"--seconds is {chosen.seconds:g}; it is 1 or more")
    if chosen.messages < 1:
        parser.error(f"--messages is {chosen.messages}; it is 1 or more")
    return chosen


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = parse(arguments)
    try:
        found, failures = run(chosen)
    except BenchError as error:
        found, failures = {}, [str(error)]
    if found:
        print(json.dumps(found, indent=2) if chosen.json else text_of(found))
    for failure in failures:
        tell(failure)
    missed = [row for row in found.get("rows", []) if not row["ok"]]
    for row in missed:
        tell(f"missed: {row}")
    return 1 if failures or missed else 0


if __name__ == "__main__":
    sys.exit(main())
