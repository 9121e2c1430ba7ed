"""What a room allocated is given back, whoever finds that nobody refers to it any more."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: its peak of memory is not that of other tests.
ROOMS = """
import gc, resource, sys
from spacecore import Space

class Owner:
    def __init__(self, space):  # the room is older, so that the collector comes to it first
        self.itself = self      # as an application's own objects do: only the collector finds it
        self.space = space
        for seat in range(8):
            self.space.add_seat(seat)
        self.space.tick(0)
        for seat in range(8):
            self.space.remove_seat(seat)
        self.space.tick(20_000)

def peak_bytes(rooms):
    for _ in range(rooms):
        Owner(Space(complexity=0))
        gc.collect()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

before = peak_bytes(10)
print(peak_bytes(40) - before)
"""


def test_a_room_that_the_garbage_collector_finds_frees_the_seats_that_were_taken_out() -> None:
    done = subprocess.run([sys.executable, "-c", ROOMS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5_000_000  # 320 seats of more than 100 kB each
