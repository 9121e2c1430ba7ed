"""How long `spaces import-graph` takes: `python -m bench.graph`, a million edges among 200,000 people.

The file is the same for the same numbers; who is followed is drawn so that few have many followers.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.conditions import conditions

_SEED = 7


def write_graph(path: Path, edges: int, people: int) -> None:
    """A CSV file of so many random edges; some come twice."""
    rng = random.Random(_SEED)
    with path.open("w") as stream:
        stream.write("follower,followed\n")
        for _ in range(edges):
            follower, followed = rng.randrange(people), int(people * rng.random() ** 3)
            followed += 1 if followed == follower else 0
            stream.write(f"user{follower:07d},user{followed % people:07d}\n")


def measure(edges: int, people: int) -> dict[str, float]:
    """Seconds that passed, seconds of CPU and the most memory of one import into a new file of SQLite."""
    with tempfile.TemporaryDirectory(prefix="spaces-bench-") as folder:
        write_graph(Path(folder, "graph.csv"), edges, people)
        line = [sys.executable, "-m", "signaling.cli", "import-graph", "--json"]
        began_s = time.monotonic()
        done = subprocess.run(
            [*line, "--data-dir", f"{folder}/data", f"{folder}/graph.csv"], capture_output=True, check=True
        )
        passed_s = time.monotonic() - began_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = json.loads(done.stdout)
        return {
            "edges": told["edges"],
            "accounts": told["accounts"],
            "passed_s": round(passed_s, 1),
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "most_memory_mb": round(used.ru_maxrss / 1024),
        }


def main() -> None:
    """Measure once and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=200_000)
    given = parser.parse_args()
    print(json.dumps({"conditions": conditions(), "row": measure(given.edges, given.people)}, indent=2))


if __name__ == "__main__":
    main()
