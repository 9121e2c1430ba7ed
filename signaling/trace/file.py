"""The file of a trace: a magic, a header in JSON, then records, each behind its length. docs/traces.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

from signaling.trace.records import End, Record, RecordError, parse

__all__ = [
    "MAGIC",
    "MAX_FILE_BYTES",
    "MAX_HEADER_BYTES",
    "Header",
    "TraceError",
    "TraceFile",
    "frame",
    "preface",
    "read_trace",
]

MAGIC: Final = b"SPTRACE1"
"""Its last byte is the version."""
MAX_HEADER_BYTES: Final = 65_536
MAX_FILE_BYTES: Final = 1 << 30
"""The most that is read: a longer file is no trace of ours."""
_SETTINGS: Final = {
    **{"bitrate_bps": int, "complexity": int, "fec": bool, "loss_pct": int, "keep_alive_ms": int},
    **{"loudness": bool, "denoise": bool, "pass_through": bool},
}


class TraceError(ValueError):
    """A file is no trace. `code`: not_a_trace, unknown_version, bad_header, bad_record or too_large."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the records. `settings` are the arguments of spacecore.Space."""

    space: str
    started_us: int  # since the epoch
    audio: bool
    settings: Mapping[str, int | bool]
    version: str = ""
    libopus: str = ""
    plane: str = ""


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace that was read. `cut_off`: it has no last record, so whoever wrote it was cut off."""

    header: Header
    records: tuple[Record, ...] = field(repr=False)

    @property
    def end(self) -> End | None:
        """Why there is no more; None if it was cut off."""
        last = self.records[-1] if self.records else None
        return last if isinstance(last, End) else None

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out between the first record and the last."""
        return self.end is not None and self.end.left_out == 0


def preface(header: Header) -> bytes:
    """What a file begins with."""
    text = json.dumps({**asdict(header), "settings": dict(header.settings)}).encode()
    return MAGIC + len(text).to_bytes(4, "little") + text


def frame(record: bytes) -> bytes:
    """A record as it stands in the file."""
    return len(record).to_bytes(2, "little") + record


def read_trace(path: Path) -> TraceFile:
    """Read a whole file. Raises TraceError, and OSError where it cannot be read."""
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise TraceError(
            "too_large", f"{path} has {size} bytes, and {MAX_FILE_BYTES} are the most that a trace has"
        )
    with path.open("rb") as file:
        return TraceFile(_header(file, str(path)), tuple(_records(file, str(path))))


def _header(file: BinaryIO, name: str) -> Header:
    magic = file.read(len(MAGIC))
    if magic[:-1] != MAGIC[:-1] or len(magic) != len(MAGIC):
        raise TraceError("not_a_trace", f"{name} is no trace: it does not begin with {MAGIC[:-1].decode()}")
    if magic != MAGIC:
        raise TraceError(
            "unknown_version",
            f"{name} is of version {magic[-1:]!r} and {MAGIC[-1:]!r} is known; use the build that made it",
        )
    n_bytes = int.from_bytes(file.read(4), "little")
    if n_bytes > MAX_HEADER_BYTES:
        raise TraceError(
            "bad_header", f"{name}: a header has {MAX_HEADER_BYTES} bytes at most, not {n_bytes}"
        )
    text = file.read(n_bytes)
    try:
        return _header_of(json.loads(text.decode()) if len(text) == n_bytes else None)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TraceError(
            "bad_header", f"{name}: the header is cut off or lacks a field; record it anew"
        ) from None


def _header_of(found: Any) -> Header:
    settings = found["settings"]
    for name, kind in _SETTINGS.items():
        if type(settings[name]) is not kind:
            raise TypeError(name)
    if type(found["audio"]) is not bool or type(found["started_us"]) is not int:
        raise TypeError("audio")
    return Header(
        str(found["space"]),
        found["started_us"],
        found["audio"],
        {name: settings[name] for name in _SETTINGS},
        *(str(found.get(name, "")) for name in ("version", "libopus", "plane")),
    )


def _records(file: BinaryIO, name: str) -> Iterator[Record]:
    """Up to the last whole one: a file may end anywhere, where its writer was killed."""
    number = 0
    while True:
        length = file.read(2)
        data = file.read(int.from_bytes(length, "little"))
        if len(length) < 2 or len(data) < int.from_bytes(length, "little"):
            return
        number += 1
        try:
            yield parse(data)
        except RecordError as error:
            raise TraceError("bad_record", f"{name}: record {number}: {error}") from None
