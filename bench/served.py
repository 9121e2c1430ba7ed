"""The server under test: `spaces serve` in a process of its own, on its own core, with figures."""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from bench.children import BenchError, Child
from bench.rows import Case, Sample

_STATISTICS_EVERY_S = 1.0
_JITTER_S = 0.2  # they come every second, some a little early
_SYS_PIDFD_GETFD = 438  # of every architecture; Linux 5.6


class Served(Child):
    """A server that listens on loopback, with data that is thrown away. `settings` go beside the defaults."""

    def __init__(self, case: Case, core: int, settings: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="spaces-bench-")
        super().__init__(
            "server",
            [
                *("-m", "signaling.cli", "serve", "--dev", "--json", "--host", "127.0.0.1", "--port", "0"),
                *("--data-dir", str(Path(self._folder.name) / "data")),
                *("--stats-every", f"{_STATISTICS_EVERY_S:g}"),
            ],
            core=core,
            environment={
                "SPACES_MEDIA_PLANE": case.plane,
                "SPACES_MEDIA_BUNDLE": str(case.bundle),
                **raised_limits(case.listeners),
                **(settings or {}),
            },
            stamped="statistics",
        )
        try:
            first = self.wait_for("listening")
        except BaseException:
            self.stop()
            raise
        self.address: str = first["address"]
        self.port: int = first["port"]
        self.fingerprint: str = first["fingerprint"]
        self.key = Path(first["data_dir"]) / "signing-key.pem"
        self.plane: str = first.get("plane", case.plane)
        if self.plane != case.plane:
            self.stop()
            raise BenchError(
                f"the server runs on plane {self.plane!r} where {case.plane!r} was asked for; "
                "`spaces doctor` says what it lacks"
            )

    def sample(self, not_before_s: float = 0.0) -> Sample:
        """Its next figures, or the first from that time on, with the CPU time that it had used by then."""
        self.forget()
        line = self.wait_for("statistics")
        while line["at_s"] < not_before_s - _JITTER_S:
            line = self.wait_for("statistics")
        late = dict(line["lateness_us"])
        return Sample(line["at_s"], line["used_s"], line["statistics"], late)

    def udp_socket(self) -> socket.socket:
        """A second handle on its UDP socket, so that another process can send from the very same address.

        The listeners' sockets are connected: a packet from any other address would be refused by the kernel,
        which costs many times what a delivered one does. BenchError where the kernel does not give it out.
        """
        inode = _inode_of(self.pid, self.port)
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            if str(link.readlink()) == f"socket:[{inode}]":
                return socket.socket(fileno=_borrow(self.pid, int(link.name)))
        raise BenchError(f"the server has no UDP socket on port {self.port}")

    def stop(self, timeout_s: float = 10.0) -> None:
        super().stop(timeout_s)
        self._folder.cleanup()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def raised_limits(listeners: int) -> dict[str, str]:
    """Limits that would be measured otherwise: all listeners come from one machine. Printed with figures."""
    wanted = str(2 * listeners + 10_000)
    return {
        "SPACES_LIMITS_CONNECTIONS": wanted,
        "SPACES_LIMITS_CONNECTIONS_PER_PREFIX": wanted,
        "SPACES_LIMITS_HALF_OPEN_PER_PREFIX": "512",
    }


def _inode_of(pid: int, port: int) -> str:
    for table in ("udp", "udp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text("ascii").splitlines()[1:]:
            fields = line.split()
            if int(fields[1].rsplit(":", 1)[1], 16) == port:
                return fields[9]
    raise BenchError(f"nothing listens on UDP port {port}")


def _borrow(pid: int, number: int) -> int:
    """A descriptor of ours for one of a child's; a process may do that with its own children."""
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        found = libc.syscall(_SYS_PIDFD_GETFD, process, number, 0)
        if found < 0:
            failed = os.strerror(ctypes.get_errno())
            raise BenchError(
                f"the kernel does not hand out the server's socket ({failed}); "
                "allow a process to trace its children (kernel.yama.ptrace_scope 0 or 1, no seccomp filter)"
            )
        return int(found)
    finally:
        os.close(process)
