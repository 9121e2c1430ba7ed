"""From a siege to rows: which figure each attack is judged by, and its limit. No process, no clock."""

from __future__ import annotations

from typing import Any

from bench.adversary_run import Siege
from bench.rows import tidy
from tests.adversary.handlers import Coverage
from tests.adversary.heap import PIECES, cost_of

__all__ = ["HANDLERS", "SOAK", "rows_of"]

HANDLERS, SOAK = "handlers", "soak"
Row = dict[str, Any]

LATE_MS, GAP_MS = 5.0, 60.0
GROWTH_MIB = 32.0
PACKET_MS = 1.0
TOKEN_US = 25.0
STALLED_OUT_S = 5.0
STALLED_KIB = 256.0
SOAK_GROWTH_MIB = 8.0  # an allocator does not give all back; a leak goes on with the attacks


def rows_of(name: str, siege: Siege | None, coverage: Coverage | None, seed: int) -> list[Row]:
    """All rows of one attack. Each has the honest room's figures beside its own."""
    if coverage is not None:
        return [
            _row(name, None, "escaped exceptions", coverage.escaped, 0),
            _row(name, None, "handlers not reached by some role", len(coverage.missed), 0),
        ]
    if siege is None:
        raise ValueError(f"{name} has neither a siege nor a coverage")
    return [
        *(_row(name, siege, *figure) for figure in _figures(name, siege, seed)),
        _row(name, siege, "exceptions caught", siege.errors, 0),
    ]


def _figures(name: str, siege: Siege, seed: int) -> list[tuple[str, float, float]]:
    growth = ("growth MiB", (siege.most_kb - siege.before_kb) / 1024, GROWTH_MIB)
    own: list[tuple[str, float, float]] = []
    if name == SOAK:
        return _after(siege)
    if name == "stalled_listener":
        return _stalled(siege)
    if name == "retry_tokens":
        own = [("CPU µs a token", siege.cpu_us_per_packet, TOKEN_US)]
    elif name in PIECES:
        cost = cost_of(name, seed)
        own = [
            (f"heap bytes of {cost.sent_bytes} sent", cost.grown_bytes, cost.may_bytes),
            ("CPU ms a packet, p99", cost.packet_ms_p99, PACKET_MS),
        ]
    elif name == "ghosts":
        own = [
            ("datagrams heard outside", siege.tally.get("heard", 0), 0),
            ("doors that opened", siege.tally.get("let_in", 0), 0),
            ("doors that were not answered", siege.tally.get("unanswered", 0), 0),
        ]
    elif name == "replays":
        own = [("sessions resumed by a made-up ticket", siege.tally.get("resumed", 0), 0)]
    return [*own, growth]


def _after(siege: Siege) -> list[tuple[str, float, float]]:
    return [
        ("growth MiB after it", (siege.after_kb - siege.before_kb) / 1024, SOAK_GROWTH_MIB),
        ("descriptors more after it", siege.files[1] - siege.files[0], 0),
        ("tracebacks", siege.tracebacks, 0),
    ]


def _stalled(siege: Siege) -> list[tuple[str, float, float]]:
    held_kb = (siege.most_kb - siege.before_kb) / max(1, siege.tally.get("stalled", 0))
    return [
        ("out after s", siege.marks.get("out_after_s", float("inf")), STALLED_OUT_S),
        ("KiB held for each", held_kb, STALLED_KIB),
        ("not out", siege.tally.get("never_out", 0), 0),
    ]


def _row(name: str, siege: Siege | None, figure: str, value: float, limit: float) -> Row:
    late = None if siege is None else tidy(siege.late_ms)
    gap = None if siege is None else tidy(siege.heard.gap_ms_max)
    calm = siege is None or (siege.late_ms <= LATE_MS and siege.heard.gap_ms_max <= GAP_MS)
    return {
        "attack": name,
        "figure": figure,
        "value": tidy(value),
        "limit": tidy(limit),
        "honest_tick_late_ms_p99": late,
        "honest_gap_ms_max": gap,
        "ok": bool(value <= limit and calm),
    }
