"""The listeners: `spaces load` in a process of its own, on its own core, driven line by line."""

from __future__ import annotations

from typing import Any

from bench.children import BenchError, Child, Line
from bench.raw import Address
from bench.rows import Case, Heard

_JOIN_S = 0.05  # for each listener at most, beside the start
_START_S = 30.0


class Crowd(Child):
    """Listeners of one Space and one who talks in it when told to; everybody has joined when it is made."""

    def __init__(self, server: str, fingerprint: str, case: Case, core: int, space: str = "") -> None:
        self.case = case
        super().__init__(
            "load generator",
            [
                *(
                    "-m",
                    "signaling.cli",
                    "load",
                    "--control",
                    "--server",
                    server,
                    "--fingerprint",
                    fingerprint,
                ),
                *("--listeners", str(case.listeners), "--bundle", str(case.bundle)),
                *("--ack-every", str(case.ack_every)),
                *(("--space", space, "--speakers", "0") if space else ("--speakers", "1")),
            ],
            core=core,
        )
        try:
            self.ready = self.wait_for("ready", _START_S + case.listeners * _JOIN_S)
        except BaseException:
            self.stop()
            raise

    def addresses(self) -> list[Address]:
        """Where the listeners' sockets are."""
        return [(host, port) for host, port in self._do("addresses")["addresses"]]

    def talk(self) -> None:
        self._do("talk")

    def hush(self) -> None:
        self._do("hush")

    def mark(self) -> None:
        """What is counted begins here."""
        self._do("mark")

    def packet_bytes(self) -> float:
        """Mean UDP payload of what came since the mark."""
        swarm = self._do("stats")["stats"]
        return float(swarm["bytes_in"]) / max(1, int(swarm["packets_in"]))

    def heard(self, packet_bytes: float) -> Heard:
        """What the listeners got since the mark."""
        raise NotImplementedError

    def _do(self, command: str, **fields: Any) -> Line:
        answer = self.ask(command, command=command, **fields)
        if "error" in answer:
            raise BenchError(f"the load generator cannot {command}: {answer['error']}")
        return answer
