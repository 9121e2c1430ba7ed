"""Types of the limiter; the documentation is in `_limiter.pyx`."""

from typing import Any, Protocol, TypeAlias

from typing_extensions import Buffer

__all__ = ["Limiter"]

class _Array(Protocol):
    """A numpy array, which below Python 3.12 is no Buffer to type checkers."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

_Pcm: TypeAlias = Buffer | _Array

class Limiter:
    def __init__(self) -> None: ...
    @property
    def envelope(self) -> float: ...
    @property
    def gain(self) -> float: ...
    def apply(self, pcm: _Pcm) -> float: ...
    def reset(self) -> None: ...
