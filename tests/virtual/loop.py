"""VirtualLoop: an asyncio event loop whose time jumps to the next timer when nothing else is to do."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

__all__ = ["NothingToDoError", "TookTooLongError", "VirtualLoop", "run"]

T = TypeVar("T")

_REAL_POLL_S = 0.02  # how long real I/O is awaited before the hook is asked again; a wake-up ends it at once


class NothingToDoError(RuntimeError):
    """Everything waits and no timer is set: the program under test would hang for ever."""


class TookTooLongError(RuntimeError):
    """More virtual time passed, or a thread was waited for longer in real time, than the test allows."""


class _Selector(selectors.DefaultSelector):
    """Waits in virtual time if it can, in real time while something outside the loop is at work."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.loop.outside_is_busy():
            return super().select(_REAL_POLL_S)
        self.loop.skip(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop for tests: `time()` is virtual, starts at 1,000 s and moves only in jumps to the next timer.

    Code that uses `loop.time()` as its clock, timers and `asyncio.sleep` runs as fast as the machine can, in
    the same order every time. Threads are real: while `external_busy()` is true, or something handed to
    `run_in_executor` is under way, time stands still and the loop waits for them in real time.
    """

    def __init__(
        self,
        external_busy: Callable[[], bool] | None = None,
        *,
        limit_s: float = 24 * 3600.0,
        real_limit_s: float = 30.0,
    ) -> None:
        self._virtual_s = 1000.0
        self._end_s = self._virtual_s + limit_s
        self._in_executor = 0
        self._real_limit_s = real_limit_s
        self._waiting_since: float | None = None
        self.external_busy: Callable[[], bool] = external_busy or (lambda: False)
        """Set it to whatever tells that a thread, or a real socket, is going to wake the loop."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual_s

    def skip(self, timeout: float | None) -> None:
        """Let virtual time pass; for the selector."""
        self._waiting_since = None
        if timeout is None:
            raise NothingToDoError(f"at {self._virtual_s:.6f} s every task waits and no timer is set")
        self._virtual_s += timeout
        if self._virtual_s > self._end_s:
            raise TookTooLongError(
                f"virtual time reached {self._virtual_s:.3f} s; the limit is {self._end_s:.3f} s"
            )

    def outside_is_busy(self) -> bool:
        """Whether time must stand still, because something real will wake the loop."""
        if not (self._in_executor or self.external_busy()):
            return False
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since > self._real_limit_s:
            raise TookTooLongError(
                f"something outside the loop was busy for more than {self._real_limit_s} s"
            )
        return True

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """As usual; the virtual clock waits for the result."""
        future = super().run_in_executor(executor, func, *args)
        self._in_executor += 1
        future.add_done_callback(self._leave_executor)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """As usual; the virtual clock waits for the threads."""
        self._in_executor += 1
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._in_executor -= 1

    def _leave_executor(self, _: asyncio.Future[Any]) -> None:
        self._in_executor -= 1
        self._waiting_since = None


def run(
    main: Coroutine[Any, Any, T],
    *,
    external_busy: Callable[[], bool] | None = None,
    limit_s: float = 24 * 3600.0,
) -> T:
    """Run a coroutine to its end on a fresh VirtualLoop, and fail if a callback of the loop failed."""
    errors: list[Mapping[str, Any]] = []

    def make() -> VirtualLoop:
        loop = VirtualLoop(external_busy, limit_s=limit_s)
        loop.set_exception_handler(lambda _, context: errors.append(context))
        return loop

    with asyncio.Runner(loop_factory=make) as runner:
        result = runner.run(main)
    for context in errors:
        raise context.get("exception") or RuntimeError(context["message"])
    return result
