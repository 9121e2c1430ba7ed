"""Compares this tree with another commit on the same work: `python -m bench.compare --base COMMIT`.

Both are built, then run in turn, A B A B …; a figure is the ratio within one round, so that a machine whose
speed drifts does not decide. Printed is the median of the rounds with their smallest and largest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.conditions import header

ROOT = Path(__file__).parent.parent
FIGURES = ("jitter_us", "decode_us", "mix_us", "encode_us", "tick_us")


def build(tree: Path) -> None:
    """Build the native units of `tree` in place, with the same flags for both."""
    environment = os.environ | {"SPACECORE_BENCH": "1", "SPACECORE_DEBUG": "0"}
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{tree} does not build:\n{done.stderr[-3000:]}")


def run(tree: Path, ticks: int) -> dict[tuple[int, int], dict[str, float]]:
    """The rows of `bench.room` as that tree measures them, by (seats, audible)."""
    command = [sys.executable, "-m", "bench.room", "--json", "--ticks", str(ticks)]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"bench.room does not run in {tree}:\n{done.stderr[-3000:]}")
    return {(int(row["seats"]), int(row["audible"])): row for row in json.loads(done.stdout)["rows"]}


def compare(base: Path, rounds: int, ticks: int) -> None:
    """Print, for each room and figure, this tree ÷ base."""
    ratios: dict[tuple[tuple[int, int], str], list[float]] = {}
    for _ in range(rounds):
        ours, theirs = run(ROOT, ticks), run(base, ticks)
        for room in sorted(ours.keys() & theirs.keys()):
            for figure in FIGURES:
                if theirs[room].get(figure):
                    ratios.setdefault((room, figure), []).append(ours[room][figure] / theirs[room][figure])
    print(f"{'seats':>6} {'audible':>8} {'figure':>12} {'ratio':>8} {'min':>8} {'max':>8}")
    for (room, figure), values in ratios.items():
        spread = f"{statistics.median(values):>8.3f} {min(values):>8.3f} {max(values):>8.3f}"
        print(f"{room[0]:>6} {room[1]:>8} {figure:>12} {spread}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("--base", required=True, help="commit, branch or tag to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of runs (5)")
    parser.add_argument("--ticks", type=int, default=500, help="ticks measured for each room and run (500)")
    chosen = parser.parse_args(arguments)
    git = ["git", "-C", str(ROOT)]
    known = subprocess.run(
        [*git, "rev-parse", "--verify", "--quiet", chosen.base + "^{commit}"],
        capture_output=True,
        check=False,
    )
    if known.returncode:
        parser.error(f"--base {chosen.base}: git knows no such commit; `git log --oneline` lists them")
    print(header())
    print(
        f"# ratio: this tree ÷ {chosen.base}, CPU time; below 1 is faster. "
        f"{chosen.rounds} rounds of {chosen.ticks} ticks"
    )
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(base), chosen.base], check=True)
        try:
            build(ROOT)
            build(base)
            compare(base, chosen.rounds, chosen.ticks)
        finally:
            subprocess.run([*git, "worktree", "remove", "--force", str(base)], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
