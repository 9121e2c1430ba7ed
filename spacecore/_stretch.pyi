"""Types of spacecore._stretch."""

from typing import NamedTuple

from typing_extensions import Buffer

__all__ = ["Splice", "find_splice", "lengthen", "shorten"]

class Splice(NamedTuple):
    lag: int
    likeness: float

def find_splice(
    pcm: Buffer,
    place: int,
    *,
    forward: bool = True,
    most: int = 960,
    likeness: float = 0.9,
    channels: int = 1,
) -> Splice: ...
def shorten(pcm: Buffer, lag: int, *, channels: int = 1) -> bytes: ...
def lengthen(pcm: Buffer, place: int, lag: int, *, channels: int = 1) -> bytes: ...
