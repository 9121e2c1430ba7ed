"""Where a libopus may be: the file the user names, the copy in PyAV's wheel, the system's."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LibraryInfo", "Place", "places"]

ENVIRONMENT = "SPACECORE_LIBOPUS"
SYSTEM_NAMES = (
    # Homebrew's directories are not on macOS's default search path.
    ("libopus.0.dylib", "/opt/homebrew/lib/libopus.0.dylib", "/usr/local/lib/libopus.0.dylib")
    if sys.platform == "darwin"
    else ("libopus.so.0",)
)


@dataclass(frozen=True, slots=True)
class LibraryInfo:
    """The libopus in use: its file, its version ("1.6.1") and which rule found it.

    `source` is "SPACECORE_LIBOPUS", "PyAV" or "system".
    """

    path: str
    version: str
    source: str


@dataclass(frozen=True, slots=True)
class Place:
    """One place to try. Without a `path` there is nothing to open, and `reason` says why."""

    source: str
    path: str = ""
    reason: str = ""


def places() -> list[Place]:
    """All places in the order they are tried.

    A file named by the environment is the only place: who names one does not want to get another in silence.
    """
    named = os.environ.get(ENVIRONMENT, "")
    if named:
        return [Place(ENVIRONMENT, named)]
    return [
        Place(ENVIRONMENT, reason="not set"),
        *_in_pyav(),
        *(Place("system", name) for name in SYSTEM_NAMES),
    ]


def _in_pyav() -> list[Place]:
    """The libopus in PyAV's wheel; `av` is located, not imported: that would load all of FFmpeg."""
    try:
        spec = importlib.util.find_spec("av")
    except ValueError:  # a stand-in without a spec sits in sys.modules
        spec = None
    if spec is None or not spec.submodule_search_locations:
        return [Place("PyAV", reason="PyAV is not installed")]
    package = Path(spec.submodule_search_locations[0])
    folders = (package.parent / "av.libs", package / ".dylibs")
    found = [path for folder in folders for path in sorted(folder.glob("libopus*"))]
    if not found:
        return [Place("PyAV", reason=f"no libopus* in {' or '.join(map(str, folders))}")]
    return [Place("PyAV", str(path)) for path in found]
