"""Starts what a command does, in a module that is imported for it, and ends with its exit status."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NoReturn

import typer

from signaling.cli.running import guarded

__all__ = ["launch"]


def launch(command: str, call: Callable[[Any], int], module: str = "") -> NoReturn:
    """`call` gets the module `signaling.cli.<module>`, by default the one that is called like the command.

    A package that is missing for it is told like any other failure.
    """
    name = f"signaling.cli.{module or command.replace(' ', '_')}"
    raise typer.Exit(guarded(command, lambda: call(import_module(name))))
