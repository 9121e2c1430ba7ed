"""How long it takes to be heard: the first packet of a talk spurt through a room, and mouth to ear."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from bench.quality.room import START_US, room, speech_packets
from bench.quality.verdicts import Part, Verdict, at_most
from bench.quality.voices import cast, spoken
from signaling.cli.sound.samples import FRAME_SAMPLES
from spacecore import Space, pack_audio, parse_audio

SPURTS: Final = 12
ROOMS: Final = 40
OVER_TARGET_MS: Final = 25
CLEAN_TARGET_MS: Final = 20
MOUTH_TO_EAR_MS: Final = 110
_TALKER: Final = 3
_TICK_US: Final = 20_000
_SEED: Final = 1000
_DEMO_LONGEST_S: Final = 180


def measure(*, rooms: int = ROOMS, spurts: int = SPURTS, demo: bool = True) -> Part:
    """Rows `spurt` (a clean network, in virtual time) and, with `demo`, `mouth_to_ear`."""
    rng = np.random.default_rng(_SEED)
    pairs = [pair for _ in range(rooms) for pair in spurts_through(rng, spurts)]
    waits_ms = [wait_ms for wait_ms, _ in pairs]
    targets_ms = [target_ms for _, target_ms in pairs]
    over_ms = [wait_ms - target_ms for wait_ms, target_ms in pairs]
    rows: list[dict[str, Any]] = [
        {
            "kind": "spurt",
            "spurts": len(pairs),
            "ms_p50": float(np.percentile(waits_ms, 50)),
            "ms_p99": float(np.percentile(waits_ms, 99)),
            "over_target_ms_p99": float(np.percentile(over_ms, 99)),
            "over_target_ms_max": max(over_ms),
            "target_ms_p50": float(np.percentile(targets_ms, 50)),
        }
    ]
    if demo:
        rows.append({"kind": "mouth_to_ear", **mouth_to_ear()})
    return Part({"latency": rows}, verdicts(rows), [])


def spurts_through(rng: np.random.Generator, spurts: int) -> list[tuple[float, float]]:
    """Spurts of one talker with pauses in which nothing is sent, the tick's phase drawn once.

    Returns for each spurt ms from the arrival of its first packet to the tick that sends a datagram with the
    talker's voice, and the ms of delay that the seat aimed at then.
    """
    space = room(_TALKER, bitrate_bps=48_000)
    packets = voiced(speech_packets(spoken(cast(1)[0]), 32_000, complexity=5))
    phase_us = int(rng.integers(_TICK_US))
    arrivals: list[tuple[int, bytes]] = []
    firsts, seq, slot = [], 0, 0
    for _ in range(spurts):
        slot += int(rng.integers(40, 120))
        length = int(rng.integers(15, len(packets)))
        at_us = START_US + slot * _TICK_US
        firsts.append(at_us)
        for i in range(length):
            packet = datagram_at(packets[i], seq + i, slot + i)
            arrivals.append((at_us + i * _TICK_US, packet))
        seq += length
        slot += length
    sounding = sounding_ticks(space, arrivals, START_US + phase_us)
    heard = [next((at_us, target_ms) for at_us, target_ms in sounding if at_us >= first) for first in firsts]
    return [
        ((at_us - first) / 1000, target_ms) for first, (at_us, target_ms) in zip(firsts, heard, strict=True)
    ]


def voiced(packets: Sequence[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """From the first loud frame on: a client's own gate sends nothing before."""
    return list(packets[next(i for i, (_, level) in enumerate(packets) if level < 40) :])


def datagram_at(packet: tuple[bytes, int], seq: int, slot: int) -> bytes:
    """A speaker's datagram whose number and moment do not go together: there was a pause before."""
    payload, level = packet
    return pack_audio([payload], seq=seq & 0xFFFF, timestamp=slot * FRAME_SAMPLES, level=level)


def sounding_ticks(
    space: Space, arrivals: Sequence[tuple[int, bytes]], first_us: int
) -> list[tuple[int, float]]:
    """The ticks whose datagrams have the talker in them: µs, and ms of the seat's target then."""
    found: list[tuple[int, float]] = []
    at = 0
    end_us = arrivals[-1][0] + 20 * _TICK_US
    for now_us in range(first_us, end_us, _TICK_US):
        while at < len(arrivals) and arrivals[at][0] <= now_us:
            space.put(_TALKER, arrivals[at][1], arrivals[at][0])
            at += 1
        before = space.stats
        packets = space.tick(now_us).packets
        after = space.stats
        frames = max(after.buffered - before.buffered, 1)
        if any(_TALKER in (parse_audio(packet, down=True).seats or ()) for _, packet in packets):
            found.append((now_us, (after.target_us - before.target_us) / frames / 1000))
    return found


def mouth_to_ear() -> dict[str, float]:
    """What `spaces demo` finds: a real server, two speakers, two listeners on the loopback."""
    with tempfile.TemporaryDirectory(prefix="spaces-bench-") as folder:
        line = [sys.executable, "-m", "signaling.cli", "demo", "--json", "--out", f"{folder}/demo.wav"]
        done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=_DEMO_LONGEST_S)
    told = json.loads(done.stdout)
    return {
        "ms_p50": told["mouth_to_ear_ms_p50"],
        "ms_p99": told["mouth_to_ear_ms_p99"],
        "concealed_pct": told["concealed_pct"],
        "delivered_pct": told["delivered_pct"],
    }


def verdicts(rows: Sequence[dict[str, Any]]) -> list[Verdict]:
    found = []
    for row in rows:
        if row["kind"] == "spurt":
            name = "first packet of a spurt to its audio in a datagram, ms above the target, p99"
            found += [
                at_most(name, row["over_target_ms_p99"], OVER_TARGET_MS),
                at_most(
                    "a seat's target on a clean network, median ms", row["target_ms_p50"], CLEAN_TARGET_MS
                ),
            ]
        else:
            found.append(at_most("mouth to ear on the loopback, p50 ms", row["ms_p50"], MOUTH_TO_EAR_MS))
    return found
