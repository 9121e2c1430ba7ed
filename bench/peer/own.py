"""spacecore's rows for the table, measured by bench.capacity in a process of its own."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.peer.server import MissingError, PeerError
from bench.peer.window import Row

NAME = "spacecore"
CAPACITY = "bench.capacity"
_ROOT = Path(__file__).parents[2]


def measure(listeners: Sequence[int], *, seconds: float, extra: Sequence[str] = ()) -> list[Row]:
    """The rows of `python -m bench.capacity --json` for so many listeners; `extra` is handed on.

    Raises:
        MissingError: this tree has no bench.capacity.
        PeerError: it fails.
    """
    if importlib.util.find_spec(CAPACITY) is None:
        raise MissingError(
            f"{NAME}: this tree has no {CAPACITY}, which measures it; bench.room times its ticks alone"
        )
    numbers = ",".join(str(number) for number in listeners)
    command = [
        sys.executable,
        "-m",
        CAPACITY,
        "--json",
        "--listeners",
        numbers,
        "--seconds",
        f"{seconds:g}",
        *extra,
    ]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"{' '.join(command[1:])} ended with {done.returncode}: {done.stderr.strip()[-800:]}")
    return [row(each) for each in json.loads(done.stdout)["rows"]]


def row(measured: Mapping[str, Any]) -> Row:
    """One of its rows in the words of this table."""
    cpu = measured["server_cpu_ms_per_listener_s"]
    return Row(
        server=NAME,
        mode=f"{measured['plane']}, bundle {measured['bundle']}, ACK every {measured['ack_every']}",
        listeners=measured["listeners"],
        delivered_pct=measured["delivered_pct"],
        lost_pct=None,
        gap_ms_p50=measured["gap_ms_p50"],
        gap_ms_p99=measured["gap_ms_p99"],
        gap_ms_max=measured["gap_ms_max"],
        server_cpu_ms_per_listener_s=cpu,
        us_per_packet=measured.get("us_per_packet"),
        server_core_pct=round(cpu * measured["listeners"] / 10, 1),
        others_core_pct=None,
        load_core_pct=None,
        packet_bytes=None,
    )
