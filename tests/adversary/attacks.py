"""All attacks by name, and one person after the other who carries out any of them."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping

from tests.adversary import guests, insiders, strangers
from tests.adversary.ground import Attack, Ground

__all__ = ["ATTACKS", "everything"]

ATTACKS: Mapping[str, Attack] = {
    "garbage_initials": Attack("5,000 Initials a second in which nothing opens", strangers.garbage_initials),
    "retry_tokens": Attack("Initials with tokens of no Retry", strangers.retry_tokens),
    "slow_handshakes": Attack("handshakes that are begun and left", strangers.slow_handshakes),
    "sparse_frames": Attack("single bytes all over a stream's window", insiders.sparse_frames),
    "gap_fragments": Attack("a hundred pieces a packet, none next to another", insiders.gap_fragments),
    "stream_flood": Attack("streams opened, reset and stopped", insiders.stream_flood),
    "forged_acks": Attack("ACKs of what was never sent", insiders.forged_acks),
    "datagram_flood": Attack("3,000 datagrams a second of a listener", insiders.datagram_flood),
    "cid_flood": Attack("connection ids announced and retired", insiders.cid_flood),
    "path_flood": Attack("challenges from ever other addresses", insiders.path_flood),
    "odd_frames": Attack("any frames, with bytes changed", insiders.odd_frames),
    "msgpack_bombs": Attack("messages that claim to be huge", guests.msgpack_bombs),
    "replays": Attack("packets, tokens and tickets sent again", guests.replays),
    "stalled_listener": Attack("listeners who acknowledge nothing", guests.stalled_listener),
    "ghosts": Attack("people at every door without a right to it", guests.ghosts),
}


async def everything(ground: Ground, *, share: float = 0.05) -> None:
    """All attacks at the same time, each at this share of its rate."""
    parts = [
        dataclasses.replace(ground, seed=ground.seed + n, scale=ground.scale * share, tally=ground.tally)
        for n in range(len(ATTACKS))
    ]
    async with asyncio.TaskGroup() as group:
        for attack, part in zip(ATTACKS.values(), parts, strict=True):
            group.create_task(attack.run(part))
