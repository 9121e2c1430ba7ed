"""Failure: what every command ends with when it cannot do its work. One sentence, a code, a remedy.

Exit statuses of all commands: 0 done, 1 failed, 2 misuse, 130 interrupted before the work was done.
"""

from __future__ import annotations

from typing import Final

__all__ = ["EXIT_FAILED", "EXIT_INTERRUPTED", "EXIT_MISUSE", "Failure", "Misuse"]

EXIT_FAILED: Final = 1
EXIT_MISUSE: Final = 2
EXIT_INTERRUPTED: Final = 130


class Failure(Exception):  # noqa: N818 - it is the outcome of a command
    """The command cannot go on. `code` is a stable word in lower case; `remedy` says what to do about it."""

    exit_status = EXIT_FAILED

    def __init__(self, code: str, message: str, remedy: str = "") -> None:
        joint = "; "
        if message.endswith((".", "?")):  # a sentence of the server's, behind which another one begins
            joint, remedy = " ", remedy if remedy.startswith("spaces ") else remedy[:1].upper() + remedy[1:]
        super().__init__(f"{message}{joint}{remedy}" if remedy else message)
        self.code = code
        self.message = message
        self.remedy = remedy


class Misuse(Failure):
    """The command line itself cannot be meant like this."""

    exit_status = EXIT_MISUSE
