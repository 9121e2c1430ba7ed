"""Types of spacecore._recovery."""

from spacecore._packet import Advice

__all__ = ["Recovery"]

class Recovery:
    def note(self, expected: int, lost: int, bursts: int, now_us: int) -> Advice: ...
