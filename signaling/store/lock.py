"""One server a database file: a lock of the operating system on a file beside it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from signaling.store.errors import StoreError


class FileLock:
    """Held from construction until `release`, or until the process is gone, however it went.

    The lock file stays: deleting it would let two servers lock two different files of one name.
    """

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        # Only its owner reads who it is held by; os.open's descriptor is not inherited by programs we start.
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise StoreError(
                "store_locked",
                f"The database {database} is in use by the server with process id {holder}, "
                "one server is the limit; stop that one, or give this one another file.",
            ) from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another server have the database. Once."""
        os.ftruncate(self._file, 0)
        os.close(self._file)
