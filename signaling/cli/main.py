"""The entry point of `spaces`."""

from __future__ import annotations

import io
import os
import signal
import sys
from importlib import import_module

from signaling.cli.failures import EXIT_FAILED, EXIT_INTERRUPTED

__all__ = ["main"]


def main() -> None:
    """Run the command that the command line names, and exit with its status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # where a locale has no ✓ a question mark must do
    # Nothing is under way yet, and what half of an import would say about Ctrl-C helps nobody.
    usual = signal.signal(signal.SIGINT, lambda number, frame: os._exit(EXIT_INTERRUPTED))
    try:
        commands = import_module("signaling.cli.commands")
    except ModuleNotFoundError as error:
        # Who installed the engine alone has the script too, and nothing to run it with.
        sys.stderr.write(
            f"spaces: the package {error.name!r} is missing; install it:  pip install '.[cli]' "
            "[package_missing]\n"
        )
        sys.exit(EXIT_FAILED)
    finally:
        signal.signal(signal.SIGINT, usual)
    commands.app(prog_name="spaces")
