"""Types of spacecore._loudness; the documentation is in `_loudness.pyx`."""

from typing import Any, Protocol, TypeAlias

from typing_extensions import Buffer

__all__ = ["Loudness", "true_peak"]

class _Array(Protocol):
    """A numpy array, which below Python 3.12 is no Buffer to type checkers."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

_Pcm: TypeAlias = Buffer | _Array

def true_peak(pcm: _Pcm) -> float: ...

class Loudness:
    def __init__(self) -> None: ...
    def feed(self, pcm: _Pcm) -> None: ...
    def unmeasured(self, n_samples: int) -> None: ...
    @property
    def gain_db(self) -> float: ...
    @property
    def gain(self) -> float: ...
    @property
    def lufs(self) -> float | None: ...
    @property
    def momentary_lufs(self) -> float | None: ...
