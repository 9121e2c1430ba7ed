"""How every command runs and ends: errors become one sentence and an exit status, Ctrl-C a clean leave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, TypeVar

from signaling.cli.failures import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_MISUSE, Failure

T = TypeVar("T")

__all__ = [
    "TRACEBACK_VARIABLE",
    "Interrupted",
    "guarded",
    "run_loop",
    "sentence_of",
    "stop_signals",
    "together",
]

TRACEBACK_VARIABLE: Final = "SPACES_TRACEBACK"
"""Set it to 1 and an error that nobody foresaw is shown whole: for who wants to repair it."""

_OURS: Final = ("signaling", "spacecore")
# Codes by which the libraries say that what was given cannot be meant like this.
_MISUSE: Final = frozenset({"bad_address", "bad_trust", "pin_malformed", "bad_value"})

# What to do about a connection that is over.
_AFTERWARDS: Final = {
    "idle_timeout": "see whether the server still runs, then start again",
    "network_lost": "check the network, then start again",
    "server_stopping": "start again when it is back",
    "replaced": "what you do there goes on over that one",
}


class Interrupted(Exception):  # noqa: N818 - no error: somebody wants to leave
    """One of `stop_signals` came, and the work was cancelled and has cleaned up."""


def guarded(command: str, work: Callable[[], int]) -> int:
    """Run a command; returns its exit status. Never raises, never shows a traceback unasked."""
    try:
        return work()
    except (Interrupted, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output is gone; what Python still holds of it cannot be written either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE) == "1":
            traceback.print_exc()
        message, status = sentence_of(error)
        with contextlib.suppress(OSError):  # a terminal that was closed takes nothing
            sys.stderr.write(f"spaces {command}: {message}\n")
        return status


def sentence_of(error: Exception) -> tuple[str, int]:
    """What to tell about an error, its code in brackets at the end, and the exit status."""
    code = getattr(error, "code", None)
    text = " ".join(str(error).split())
    if isinstance(error, Failure):
        return f"{text} [{error.code}]", error.exit_status
    if isinstance(code, str) and type(error).__module__.split(".")[0] in _OURS:
        is_misuse = code in _MISUSE or type(error).__name__ == "ConfigError"
        if code in _AFTERWARDS:
            text = f"{text}; {_AFTERWARDS[code]}"
        return f"{text} [{code}]", EXIT_MISUSE if is_misuse else EXIT_FAILED
    if isinstance(error, ModuleNotFoundError):
        return (
            f"the package {error.name!r} is missing; install it:  pip install '.[cli]'  "
            "(spaces doctor shows what else) [package_missing]",
            EXIT_FAILED,
        )
    return (
        f"an error that was not foreseen: {type(error).__name__}: {text}; run it again with "
        f"{TRACEBACK_VARIABLE}=1 and report what it shows [internal]",
        EXIT_FAILED,
    )


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop. The `stop_signals` cancel the work; when it has cleaned up, Interrupted is raised."""
    try:
        import uvloop  # noqa: PLC0415 - not there on every system
    except ImportError:
        return asyncio.run(_watched(work))
    return uvloop.run(_watched(work))


def stop_signals() -> tuple[signal.Signals, ...]:
    """Ctrl-C, a service manager's stop, and a terminal that was closed, but for who started it with nohup."""
    ending = (signal.SIGINT, signal.SIGTERM)
    return ending if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (*ending, signal.SIGHUP)


async def together(*work: Coroutine[Any, Any, Any]) -> None:
    """Run these at once; the first that fails ends the others, and its error is raised as it was."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


async def _watched(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    was_stopped = False

    def stop() -> None:
        nonlocal was_stopped
        was_stopped = True
        task.cancel()

    with _on_signals(stop):
        try:
            result = await task
        except asyncio.CancelledError:
            if was_stopped:
                raise Interrupted from None
            raise
    if was_stopped:
        raise Interrupted
    return result


@contextlib.contextmanager
def _on_signals(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = stop_signals()
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
