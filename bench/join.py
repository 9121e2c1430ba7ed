"""How long from a tap to the first sound, over real QUIC on loopback: `python -m bench.join [--json]`.

The server is a process of its own; somebody speaks without a pause in it. Each of the people comes alone, one
after the other: connects, joins, waits for the first frame that is no silence, leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import cycle

import numpy as np
import uvloop

from bench.conditions import conditions, header
from signaling.cli.demo.real_server import RealServer, running_server
from signaling.client import Space, connect
from tests.signals import frames, voice

STEPS = ("connect_ms", "join_ms", "sound_ms")
AUDIBLE = 1e-3


async def speak(server: RealServer, opened: asyncio.Future[bytes]) -> None:
    """Open a Space and talk until cancelled."""
    async with await connect(server.address, name="host", fingerprint=server.fingerprint) as client:
        space = await client.open("Joins")
        opened.set_result(space.id)
        await space.play(cycle(frames(voice(1, 4.0))))


async def first_sound(space: Space) -> None:
    """Listen until a frame is no silence."""
    async for frame in space.listen():
        if np.abs(np.frombuffer(frame.pcm, np.float32)).max() > AUDIBLE:
            return


async def come(server: RealServer, space_id: bytes) -> tuple[float, float, float]:
    """One person: ms to be connected; from then to the snapshot; and from then to the first sound."""
    began = time.perf_counter()
    async with await connect(server.address, name="guest", fingerprint=server.fingerprint) as client:
        connected = time.perf_counter()
        space = await client.join(space_id)
        joined = time.perf_counter()
        async with asyncio.timeout(10):
            await first_sound(space)
        heard = time.perf_counter()
    return (connected - began) * 1000, (joined - connected) * 1000, (heard - connected) * 1000


async def measure(people: int) -> list[tuple[float, float, float]]:
    """All of them."""
    async with running_server() as server:
        opened: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        speaking = asyncio.create_task(speak(server, opened))
        space_id = await opened
        await asyncio.sleep(1)  # the host's own buffers have settled
        taken = [await come(server, space_id) for _ in range(people)]
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        await server.stop()
    return taken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.join", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--people", type=int, default=200, help="how many come, one after the other (200)")
    chosen = parser.parse_args(arguments)
    if chosen.people < 2:
        parser.error(f"--people {chosen.people}: at least 2 are needed for a distribution")
    taken = uvloop.run(measure(chosen.people))
    rows = {}
    for name, values in zip(STEPS, zip(*taken, strict=True), strict=True):
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        rows[name] = {"p50": cuts[49], "p90": cuts[89], "p99": cuts[98], "max": max(values)}
    if chosen.json:
        print(json.dumps({"conditions": conditions(), "people": chosen.people, **rows}, indent=2))
        return 0
    print(header())
    print(f"# {chosen.people} people, one after the other; sound_ms: from asking to join to the first sound")
    for name, row in rows.items():
        print(f"{name:>12}  " + "  ".join(f"{cut} {ms:6.1f}" for cut, ms in row.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
