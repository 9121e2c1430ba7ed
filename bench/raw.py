"""The process that measures what the machine itself allows, on the server's core: `python -m bench.raw [FD]`.

FD is the UDP socket to send through. Lines of JSON come in: `{"timer": s}` asks how late a bare timer wakes,
`{"addresses": [[host, port], …]}` says where to send, `{"send": s, "bytes": n, "groups": g}` sends and asks
what it cost.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._raw import RawSender, timer_late_ns
from bench.children import BenchError, Child

Address = tuple[str, int]

_NEWS = "raw"


class RawProcess(Child):
    """The same from outside. It sends through `sender`, which stays the caller's."""

    def __init__(self, core: int, sender: socket.socket | None = None) -> None:
        number = [] if sender is None else [sender.fileno()]
        super().__init__(
            "raw sender", ["-m", "bench.raw", *(str(each) for each in number)], core=core, hands=number
        )

    def timer(self, seconds: float) -> dict[str, float]:
        """How late a bare timer wakes, ms: p50, p99, max."""
        return dict(self.ask(_NEWS, seconds + 30, timer=seconds)["late_ms"])

    def aim(self, addresses: Sequence[Address]) -> None:
        """Send to these from now on."""
        self.ask(_NEWS, addresses=list(addresses))

    def send(self, seconds: float, packet_bytes: int, groups: int) -> float:
        """CPU µs a packet. BenchError if the socket did not take the packets, or they found nobody."""
        lost = unreachable()
        sent = self.ask(_NEWS, seconds + 30, send=seconds, bytes=packet_bytes, groups=groups)
        if sent["refused"] * 100 > sent["sent"]:
            raise BenchError(
                f"the raw sender's socket refused {sent['refused']} packets and took {sent['sent']}; "
                "this machine is too small or too busy for so many listeners"
            )
        lost = unreachable() - lost
        if lost * 2 > sent["sent"]:  # other programs on this machine may have lost some too
            raise BenchError(
                f"{lost} of {sent['sent']} raw packets found no listener and say nothing of what one costs; "
                "they must come from the server's own address"
            )
        return float(sent["cpu_us"]) / max(1, int(sent["sent"]))


def unreachable() -> int:
    """UDP packets so far that found nobody, on the whole machine."""
    names, values = (
        line.split()
        for line in Path("/proc/net/snmp").read_text("ascii").splitlines()
        if line.startswith("Udp:")
    )
    return int(values[names.index("NoPorts")])


def packed(address: Address) -> bytes:
    """An address as Linux's `sockaddr_in` or `sockaddr_in6`. ValueError for a name."""
    host, port = address
    number = ipaddress.ip_address(host)
    if number.version == 4:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, number.packed)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16sI", port, 0, number.packed, 0)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of them lies (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def timer_late_ms(seconds: float) -> dict[str, float]:
    late = sorted(each / 1e6 for each in timer_late_ns(seconds))
    return {"p50": percentile(late, 0.5), "p99": percentile(late, 0.99), "max": late[-1]}


def serve() -> None:
    """Do what the lines of stdin ask, until it ends."""
    sender = socket.socket(fileno=int(sys.argv[1])) if len(sys.argv) > 1 else None
    addresses: list[bytes] = []
    for text in sys.stdin:
        asked = json.loads(text)
        answer: dict[str, Any] = {}
        if "timer" in asked:
            answer["late_ms"] = timer_late_ms(asked["timer"])
        elif "addresses" in asked:
            addresses = [packed((host, port)) for host, port in asked["addresses"]]
        elif sender is not None:
            raw = RawSender(sender.fileno(), addresses, packet_bytes=asked["bytes"], groups=asked["groups"])
            sent, refused, cpu_ns = raw.run(asked["send"])
            answer |= {"sent": sent, "refused": refused, "cpu_us": cpu_ns / 1000}
        print(json.dumps({"event": _NEWS, **answer}), flush=True)


if __name__ == "__main__":
    serve()
