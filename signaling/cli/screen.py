"""The screen of a command that goes on for a while: a live view on a terminal, lines anywhere else."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from typing import Final, Self

from rich.console import Console, RenderableType
from rich.live import Live

__all__ = ["Screen", "keys"]

_SWITCH_S: Final = 0.0005
_REFRESH_HZ: Final = 8  # more costs the sound its time and shows nothing new


class Screen:
    """`with Screen(view)`: on a terminal `view()` is drawn eight times a second; `say` prints above it."""

    def __init__(self, view: Callable[[], RenderableType], console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self.is_live = self.console.is_terminal
        self._switch_s = sys.getswitchinterval()
        self._live: Live | None = None
        if self.is_live:
            self._live = Live(
                get_renderable=view, console=self.console, refresh_per_second=_REFRESH_HZ, transient=False
            )

    def __enter__(self) -> Self:
        if self._live is not None:
            # The view is drawn in a thread; the loop with the sound must not wait 5 ms for each of its turns.
            sys.setswitchinterval(_SWITCH_S)
            self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        if self._live is not None:
            self._live.stop()
            sys.setswitchinterval(self._switch_s)

    def say(self, text: RenderableType) -> None:
        """One line that stays. It may hold what others call themselves: it is never read as markup."""
        self.console.print(text, soft_wrap=True, markup=False)


@contextlib.contextmanager
def keys(loop_add_reader: Callable[..., None], loop_remove_reader: Callable[[int], object]) -> Iterator[Keys]:
    """Single keys from the terminal while the context lasts; Ctrl-C still interrupts.

    Yields Keys, whose `on_key` is called with each; `usable` is False where nobody can type.
    """
    taken = Keys(sys.stdin.isatty())
    if not taken.usable:
        yield taken
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    loop_add_reader(descriptor, lambda: taken.pressed(os.read(descriptor, 32).decode(errors="ignore")))
    try:
        yield taken
    finally:
        loop_remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


class Keys:
    """Where the pressed keys go."""

    def __init__(self, usable: bool) -> None:
        self.usable = usable
        self.on_key: Callable[[str], None] = lambda key: None

    def pressed(self, text: str) -> None:
        """Hand on each key."""
        for key in text:
            self.on_key(key)
