"""The command: which parts run, how much of each, and what is printed."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from bench.conditions import conditions
from bench.quality import drift, jitter, latency, loss, mixing, passthrough
from bench.quality.page import page
from bench.quality.verdicts import Part

_JUDGES: Final = ("pesq", "visqol-python", "pystoi", "pyebur128", "scipy")

PARTS: Final = ("jitter", "drift", "loss", "mixing", "passthrough", "latency")
QUICK_FRAMES: Final = 500


def parts(given: argparse.Namespace) -> dict[str, Callable[[], Part]]:
    """What `--only` names, smaller with `--quick`."""
    if given.quick:
        return {
            "jitter": lambda: jitter.measure(
                seeds=jitter.SEEDS[:1], files=given.trace, n_frames=QUICK_FRAMES, listen=False
            ),
            "drift": lambda: drift.measure(n_frames=QUICK_FRAMES),
            "loss": lambda: loss.measure(sentences=1, shares=(0.1,), models=("random",), seeds=1),
            "mixing": lambda: mixing.measure(counts=(6,), mixtures=1, seconds=4),
            "passthrough": lambda: passthrough.measure(sentences=1, turns=3, cpu_ticks=50, rates=(32,)),
            "latency": lambda: latency.measure(rooms=1, spurts=3, demo=False),
        }
    return {
        "jitter": lambda: jitter.measure(seeds=jitter.SEEDS[: given.seeds], files=given.trace),
        "drift": drift.measure,
        "loss": loss.measure,
        "mixing": mixing.measure,
        "passthrough": passthrough.measure,
        "latency": latency.measure,
    }


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """The whole JSON."""
    told: dict[str, Any] = {"conditions": conditions() | judges(), "verdicts": [], "remarks": [], "cpu_s": {}}
    for name, measure in parts(given).items():
        if given.only and name not in given.only:
            continue
        began_s = time.process_time()
        part = measure()
        told |= part.rows
        told["verdicts"] += [each.to_json() for each in part.verdicts]
        told["remarks"] += part.remarks
        told["cpu_s"][name] = round(time.process_time() - began_s, 1)
    return told


def judges() -> dict[str, str]:
    """Versions of what judges."""
    found = {}
    for name in _JUDGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def rounded(value: Any) -> Any:
    """Four digits after the point are more than any figure here holds."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else value


def lines_of(told: dict[str, Any]) -> list[str]:
    """The figures as tables of text, conditions first, verdicts last."""
    lines = [f"# {name}: {value}" for name, value in told["conditions"].items()]
    for name, rows in told.items():
        if name in ("conditions", "verdicts", "remarks", "cpu_s"):
            continue
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines += ["", f"## {name}", "\t".join(columns)]
        lines += ["\t".join(str(row.get(column, "–")) for column in columns) for row in rows]
    lines += ["", "## bars"]
    lines += [
        f"{'met   ' if each['met'] else 'MISSED'}  {each['name']}: {each['found']} ({each['bar']})"
        for each in told["verdicts"]
    ]
    return lines + [f"remark: {remark}" for remark in told["remarks"]]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    made.add_argument("--json", action="store_true", help="print JSON instead of tables")
    made.add_argument("--page", type=Path, help="write plots and tables to this HTML file")
    made.add_argument("--out", type=Path, help="write the JSON to this file")
    made.add_argument(
        "--quick", action="store_true", help="a small run of everything; its figures mean nothing"
    )
    made.add_argument("--only", action="append", choices=PARTS, help="one part; may be repeated")
    made.add_argument("--seeds", type=int, default=len(jitter.SEEDS), help="how many seeds of each network")
    made.add_argument(
        "--trace", type=Path, action="append", default=[], help="a CSV file of lines  number,arrival_ms"
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Exit status 0, also where a bar is missed: it says so."""
    given = parser().parse_args(arguments)
    told = rounded(measured(given))
    if given.page:
        given.page.write_text(page(told), "utf-8")
    text = json.dumps(told, indent=2) if given.json or given.out else "\n".join(lines_of(told))
    if given.out:
        given.out.write_text(text + "\n", "utf-8")
    else:
        print(text)
    return 0
