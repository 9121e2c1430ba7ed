"""LoadError: what keeps a load from being made. A sentence and a stable code."""

from __future__ import annotations

__all__ = ["LoadError"]


class LoadError(Exception):
    """Codes: bad_value, bad_address, bad_command, too_few_files, too_few_ports, too_few_tokens, no_such_pid,
    no_cpu_clock, server_failed, host_failed, not_admitted, nobody_joined, worker_failed, network_error.

    `code` is a stable word in lower case that programs may compare; the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
