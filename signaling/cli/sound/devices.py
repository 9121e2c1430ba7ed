"""sounddevice, where it is there; where it is not, which step brings it."""

from __future__ import annotations

import importlib
from typing import Any

from signaling.cli.failures import Failure

__all__ = ["sounddevice"]


def sounddevice(purpose: str) -> Any:
    """The module. Failure extra_missing; `purpose` begins the sentence (`--play`, `the microphone`)."""
    try:
        return importlib.import_module("sounddevice")
    except ImportError as error:
        raise Failure(
            "extra_missing",
            f"{purpose} needs the extra 'play', which is not installed",
            "install it:  pip install '.[play]'",
        ) from error
    except OSError as error:  # the package is there, PortAudio is not
        raise Failure(
            "extra_missing",
            f"{purpose} needs the PortAudio library beside the extra 'play' ({error})",
            "on Debian or Ubuntu:  sudo apt-get install -y libportaudio2",
        ) from error
