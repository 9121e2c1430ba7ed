"""The listeners: `spaces load --control` in a process of its own, on its own core, told what to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.children import BenchError, Child, Line
from bench.raw import Address
from bench.rows import Case, Heard

_JOIN_S = 0.1  # for each listener at most, beside the start
_START_S = 30.0
_PATIENCE_S = 60.0  # of one join, on a machine that is busy
_ACK_DELAY_MS = 600.0  # the client's own; only at which packet is varied here


class Crowd(Child):
    """Who talks in a Space of its own, and those who listen. One has come when it is made: the host.

    With `space` it has no host, and its listeners join that Space. `more`: other options of `spaces load`.

    Each has a token that is signed with the server's key, as people of a real server have: what a development
    server does to register somebody by name is no part of a join.
    """

    def __init__(
        self,
        server: str,
        fingerprint: str,
        key: Path,
        case: Case,
        core: int,
        *,
        space: str | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self.case = case
        theirs = [] if space is None else ["--space", space, "--speakers", "0"]
        super().__init__(
            "load generator",
            [
                *("-m", "signaling.cli", "load", "--control"),
                *("--server", server, "--fingerprint", fingerprint, "--key", str(key)),
                *(
                    "--listeners",
                    str(case.listeners),
                    "--bundle",
                    str(case.bundle),
                    "--timeout",
                    f"{_PATIENCE_S:g}",
                ),
                *("--ack-every", str(case.ack_every), "--ack-delay-ms", f"{_ACK_DELAY_MS:g}"),
                *theirs,
                *more,
            ],
            core=core,
        )
        try:
            self.space = str(self.wait_for("ready", _START_S)["space"])
        except BaseException:
            self.stop()
            raise

    def stop(self, timeout_s: float = 0.0) -> None:
        """At once: thousands who take their leave would hold up the next measurement."""
        super().stop(timeout_s)

    def join(self, listeners: int) -> None:
        """So many more listen, as fast as they come in. BenchError unless all of them do."""
        told = self._do("join", _START_S + listeners * _JOIN_S, n=listeners, rate=0)
        if told["failed"]:
            reasons = "; ".join(
                f"{each['n']} × {each['at']}: {each['message']}" for each in self._measured()["failures"]
            )
            raise BenchError(f"{told['failed']:g} of {listeners} listeners did not get in ({reasons})")

    def addresses(self) -> list[Address]:
        """Where the listeners' sockets are."""
        # The first one is the host's, who is sent nothing of what he says.
        found = [each.rsplit(":", 1) for each in self._do("addresses")["addresses"][1:]]
        return [(host.strip("[]"), int(port)) for host, port in found]

    def talk(self) -> None:
        """The host talks without a pause."""
        self._do("talk")

    def hush(self) -> None:
        """Nobody talks."""
        self._do("hush")

    def mark(self) -> None:
        """What is counted begins here."""
        self._do("mark")

    def packet_bytes(self) -> float:
        """Mean UDP payload of what came since the mark."""
        network = self._measured()["network"]
        return float(network["bytes_in"]) / max(1, int(network["packets_in"]))

    def heard(self) -> Heard:
        """What the listeners got since the mark. Wait a second after the last sound, or it counts as lost."""
        phase = self._measured()
        delivery = phase["delivery"]
        return Heard(
            expected=delivery["expected"],
            received=delivery["received"],
            mismatched=delivery["mismatched"],
            gap_ms_p50=phase["gap"]["ms_p50"],
            gap_ms_p99=phase["gap"]["ms_p99"],
            gap_ms_max=phase["gap"]["ms_max"],
            ack_delay_ms=_ACK_DELAY_MS,
            joins_per_s=phase["joins"]["per_s"],
            load_cpu_pct=phase["load"]["cpu_pct"],
        )

    def _measured(self) -> dict[str, Any]:
        return dict(self._do("stats")["phase"])

    def _do(self, command: str, timeout_s: float = 30.0, **fields: Any) -> Line:
        self.tell(do=command, **fields)
        return self.wait_for(command, timeout_s, key="done")
