"""Readiness: whether people may be sent to this server now, and what is in the way if not."""

from __future__ import annotations

from typing import Final

__all__ = ["PARTS", "Readiness"]

PARTS: Final = ("store", "sockets", "media thread")
"""What has to stand before the first person can be let in."""


class Readiness:
    """**Ready while no reason stands against it.** One a server; for its event loop only.

    It begins with a reason for each of PARTS, which `stands` takes away. `not_ready` gives one again: of a
    part that has failed and may come back (`stands` then takes it away), or of the server as a whole, which
    nothing takes away.
    """

    __slots__ = ("_reasons",)

    def __init__(self) -> None:
        self._reasons = {part: f"{part}: not open yet" for part in PARTS}

    @property
    def ready(self) -> bool:
        """Whether people may be sent here."""
        return not self._reasons

    @property
    def why(self) -> str:
        """What is in the way, the oldest reason first; empty where it is ready."""
        return "; ".join(self._reasons.values())

    def stands(self, part: str) -> None:
        """This part works (again)."""
        if part:
            self._reasons.pop(part, None)

    def not_ready(self, why: str, part: str = "") -> None:
        """Say why nobody is to be sent here: for good, or where a `part` is named until that one `stands`."""
        self._reasons[part] = why
