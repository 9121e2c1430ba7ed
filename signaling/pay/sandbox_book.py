"""The sandbox's books: what it has seen, in memory and in a file that several servers may share."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from signaling.pay.provider import MoveState, ProviderUnknown

__all__ = ["ENTRIES_MAX", "Entry", "SandboxBook"]

ENTRIES_MAX = 200_000
"""With so many things in its books the sandbox takes nothing new: no answer is given."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A charge, refund or transfer as it stands; a later one of the same kind and id replaces it.

    id: hex. of: the charge of a refund, the account of a transfer. code: why it failed.
    """

    kind: str
    id: str
    amount_minor: int
    currency: str
    state: str
    code: str = ""
    of: str = ""


class SandboxBook:
    """One line of JSON a change, appended before anybody is answered: a killed server loses nothing it said.

    Servers that share a file take turns at it (flock), and read what the others wrote before they look. The
    file is read and written within the loop: that is for development, where nobody waits for it.
    Raises OSError from the constructor where the file cannot be used.
    """

    def __init__(self, file: Path | None) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self._refunded: Counter[str] = Counter()
        self._read_bytes = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = None if file is None else os.open(file, flags, 0o600)

    @contextmanager
    def reading(self) -> Iterator[SandboxBook]:
        """The book as it stands now."""
        with self._turn(fcntl.LOCK_SH):
            yield self

    @contextmanager
    def writing(self) -> Iterator[SandboxBook]:
        """The book, with nobody else at it. **No await within.**"""
        with self._turn(fcntl.LOCK_EX):
            yield self

    def get(self, kind: str, id: bytes) -> Entry | None:  # noqa: A002  # the word of the ledger
        """A charge, refund or transfer, or None."""
        return self._entries.get((kind, id.hex()))

    def refunded_minor(self, charge: str) -> int:
        """What was given back of a charge (hex)."""
        return self._refunded[charge]

    def put(self, entry: Entry) -> Entry:
        """Write an entry; returns it. ProviderUnknown, with nothing written, where the book is full."""
        if len(self._entries) >= ENTRIES_MAX and (entry.kind, entry.id) not in self._entries:
            raise ProviderUnknown(
                f"the sandbox has {len(self._entries)} entries and {ENTRIES_MAX} is the limit; "
                "begin with an empty file"
            )
        line = json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n"
        if self._file is not None:
            self._mend()
            self._read_bytes += os.write(self._file, line)
        self._take(entry)
        return entry

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextmanager
    def _turn(self, how: int) -> Iterator[None]:
        if self._file is None:
            yield
            return
        fcntl.flock(self._file, how)
        try:
            self._catch_up(self._file)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _catch_up(self, file: int) -> None:
        """Take what was appended since; half a line, of a server killed within it, is left."""
        fresh = os.pread(file, max(0, os.fstat(file).st_size - self._read_bytes), self._read_bytes)
        whole, newline, _ = fresh.rpartition(b"\n")
        for line in whole.splitlines():
            self._take(Entry(**json.loads(line)))
        self._read_bytes += len(whole) + len(newline)

    def _mend(self) -> None:
        """Cut off half a line: nobody was answered about it."""
        if self._file is not None and os.fstat(self._file).st_size > self._read_bytes:
            os.ftruncate(self._file, self._read_bytes)

    def _take(self, entry: Entry) -> None:
        known = self._entries.get((entry.kind, entry.id))
        if entry.kind == "refund" and known is None and entry.state == MoveState.SUCCEEDED:
            self._refunded[entry.of] += entry.amount_minor
        self._entries[entry.kind, entry.id] = entry
