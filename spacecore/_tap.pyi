"""Types of spacecore._tap."""

from typing import NamedTuple

__all__ = ["TapFrame"]

class TapFrame(NamedTuple):
    seat: int | None
    timestamp: int
    pcm: memoryview
