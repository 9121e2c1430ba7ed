"""What must not drift: memory, objects, sockets, threads and places, each measured when nobody is there."""

from __future__ import annotations

import ctypes
import gc
import statistics
import threading
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

__all__ = ["Sample", "judge", "sample", "slope"]

# What may grow in each cycle, in which seven people come and go; beside it what one sample may be off, which
# counts in a short run. A connection kept for good is 8 KB of native memory and 60 KB of Python's. SQLite's
# cache of pages takes about 20 KB a cycle until its 2 MB are full, which a short run does not see the end of.
MOST = {
    "traced_bytes": (5_000, 60_000),
    "native_bytes": (4_000, 300_000),
    "objects": (8, 300),
    "files": (0, 1),
    "threads": (0, 0),
    "places": (0, 0),
}
SETTLING = 0.25  # the first part of a run is not looked at: caches fill


@dataclass(frozen=True)
class Sample:
    """A process at rest.

    Native bytes are those that malloc has given out, but for the notes of tracemalloc itself. What is
    resident says less: it grows for long, as free parts of a heap are touched one after the other.
    """

    traced_bytes: int
    native_bytes: int
    objects: int
    files: int
    threads: int
    places: int


class _MallInfo(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def _native_bytes() -> int:
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _MallInfo
    info = mallinfo2()
    return int(info.uordblks + info.hblkhd) - tracemalloc.get_tracemalloc_memory()


def sample(places: int) -> Sample:
    """As of now; `places` are connections that the data plane still holds."""
    gc.collect()
    traced, _ = tracemalloc.get_traced_memory()
    files = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Sample(traced, _native_bytes(), len(gc.get_objects()), files, threading.active_count(), places)


def slope(values: Sequence[float]) -> float:
    """The median of the slopes between all pairs (Theil and Sen): a few wild values do not move it."""
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2))


def judge(samples: Sequence[Sample]) -> list[str]:
    """What drifts, in words; nothing if all is well."""
    steady = samples[int(len(samples) * SETTLING) :]
    found = []
    for name, (most, off) in MOST.items():
        values = [getattr(each, name) for each in steady]
        grows, may = slope(values), most + off / len(values)
        if grows > may:
            found.append(f"{name} grow by {grows:.2f} a cycle and {may:.2f} may: {values}")
    return found
