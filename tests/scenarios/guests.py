"""Two people in a process of their own: one speaks, the other says when each frame arrived.

    python -m tests.scenarios.guests HOST:PORT FINGERPRINT

Prints `talking`, and at the end a JSON list: CLOCK_MONOTONIC seconds at which the kernel had each datagram.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from signaling.client import connect
from signaling.protocol.datagram import KIND_AUDIO
from tests.signals import frames, voice


async def main(address: str, fingerprint: str) -> None:
    async with (
        await connect(address, name="Hana", fingerprint=fingerprint) as hana,
        await connect(address, name="Ann", fingerprint=fingerprint, bundle=1) as ann,
    ):
        talk = await hana.open("Held")
        await ann.join(talk.id)
        arrivals = watch(ann._live)
        sys.stdout.write("talking\n")
        sys.stdout.flush()
        await talk.play(frames(voice(35, 2.0)))
        await asyncio.sleep(0.3)
    sys.stdout.write(json.dumps(arrivals))


def watch(connection: Any) -> list[float]:
    """The times of arrival of all audio from now on."""
    arrivals: list[float] = []
    take_in = connection.on_audio

    def on_audio(datagram: bytes, arrived_us: int) -> None:
        if datagram[1] == KIND_AUDIO:
            arrivals.append(arrived_us / 1_000_000)
        take_in(datagram, arrived_us)

    connection.on_audio = on_audio
    return arrivals


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
