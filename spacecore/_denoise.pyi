"""Types of spacecore._denoise; the documentation is in `_denoise.pyx`."""

from typing import Any, Protocol, TypeAlias

from typing_extensions import Buffer

__all__ = ["Denoiser"]

class _Array(Protocol):
    """A numpy array, which below Python 3.12 is no Buffer to type checkers."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...

_Pcm: TypeAlias = Buffer | _Array

class Denoiser:
    def __init__(self) -> None: ...
    def apply(self, pcm: _Pcm) -> float: ...
