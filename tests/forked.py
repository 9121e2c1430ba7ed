"""Child: a forked process of a test, with a line to it and one back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import traceback
from collections.abc import Callable, Coroutine
from typing import Any


class Child:
    """A forked process; what its coroutine returns comes back as JSON. `tell` writes a line to it."""

    def __init__(self, run: Callable[[Child], Coroutine[Any, Any, Any]]) -> None:
        lines, self._out = os.pipe()
        self._words, tell = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(lines)
            os.close(tell)
            with contextlib.suppress(BaseException):
                try:
                    self.say(asyncio.run(run(self)))
                except BaseException:
                    self.say({"failed": traceback.format_exc()})
            os._exit(0)
        os.close(self._out)
        os.close(self._words)
        self._lines = os.fdopen(lines)
        self._tell = os.fdopen(tell, "w")

    def say(self, what: object) -> None:
        """In the child: a line to the parent."""
        os.write(self._out, json.dumps(what).encode() + b"\n")

    async def word(self) -> Any:
        """In the child: the next line of the parent."""
        return json.loads(await asyncio.to_thread(self._read))

    def _read(self) -> bytes:
        found = b""
        while not found.endswith(b"\n"):
            found += os.read(self._words, 1) or b"null\n"
        return found

    def tell(self, what: object) -> None:
        """In the parent: a line to the child."""
        self._tell.write(json.dumps(what) + "\n")
        self._tell.flush()

    async def heard(self) -> Any:
        """In the parent: the next line of the child. RuntimeError: it failed."""
        line = await asyncio.to_thread(self._lines.readline)
        what = json.loads(line or '{"failed": "it is gone"}')
        if isinstance(what, dict) and "failed" in what:
            raise RuntimeError(what["failed"])
        return what

    def end(self) -> None:
        """Wait for it."""
        self._tell.close()
        self._lines.close()
        os.waitpid(self.pid, 0)
