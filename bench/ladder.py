"""One rung of the ladder: a server, its listeners and bare packets to the same addresses, in turns."""

from __future__ import annotations

import time
from dataclasses import dataclass

from bench.children import BenchError
from bench.crowd import Crowd
from bench.raw import RawProcess
from bench.rows import Case, Round, Row, row_of
from bench.served import Served

# How many are there is told to all of them whenever somebody comes: before the measurement that only costs
# time, and it must not happen within.
SETTINGS = {"SPACES_LIMITS_AUDIENCE_MESSAGES_PER_S": "1"}

_WARM_UP_S = 2.0
_SETTLE_S = 0.5
_RAW_SHARE = 0.5  # bare packets are sent half as long as somebody talks
_LEAST_RAW_S = 0.5
_LAST_FRAMES_S = 0.7  # after half a second a frame that has not come counts as lost


@dataclass(frozen=True)
class Cores:
    server: int
    load: int


def measure(case: Case, cores: Cores) -> Row:
    """The row of this case. BenchError if it cannot be measured."""
    with (
        Served(case, cores.server, SETTINGS) as server,
        Crowd(server.address, server.fingerprint, server.key, case, cores.load) as crowd,
    ):
        time.sleep(_SETTLE_S)
        empty_kb = server.rss_kb
        crowd.join(case.listeners)
        with server.udp_socket() as sender, RawProcess(cores.server, sender) as raw:
            raw.aim(crowd.addresses())
            packet_bytes = _warm_up(crowd)
            crowd.mark()
            rounds = [_round(case, server, crowd, raw, round(packet_bytes)) for _ in range(case.rounds)]
            time.sleep(_LAST_FRAMES_S)
            heard = crowd.heard()
            full_kb = server.rss_kb
    return row_of(case, rounds, heard, packet_bytes, (empty_kb, full_kb))


def _warm_up(crowd: Crowd) -> float:
    """Talk until sizes have settled; the mean UDP payload of a packet, in bytes."""
    crowd.talk()
    time.sleep(_WARM_UP_S / 2)
    crowd.mark()
    time.sleep(_WARM_UP_S)
    packet_bytes = crowd.packet_bytes()
    crowd.hush()
    if packet_bytes <= 0:
        raise BenchError("no listener got anything while somebody talked; the server sends nothing")
    time.sleep(_LAST_FRAMES_S)
    return packet_bytes


def _round(case: Case, server: Served, crowd: Crowd, raw: RawProcess, packet_bytes: int) -> Round:
    """Bare packets while the room is hushed, then talk."""
    seconds = case.seconds / case.rounds
    raw_us = raw.send(max(_LEAST_RAW_S, seconds * _RAW_SHARE), packet_bytes, case.bundle)
    time.sleep(_SETTLE_S)
    crowd.talk()
    time.sleep(_SETTLE_S)
    begin = server.sample()
    end = server.sample(begin.at_s + seconds)
    crowd.hush()
    time.sleep(_SETTLE_S)
    return Round(raw_us, begin, end)
