"""Spoken sentences from espeak-ng, as the espeakng-loader wheel carries it: nothing has to be installed."""

from __future__ import annotations

import atexit
import ctypes
import functools
import importlib
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import numpy as np

from signaling.cli.failures import Failure
from signaling.cli.sound.samples import Samples, resample

__all__ = ["HIGH_VOICE", "LOW_VOICE", "speak"]

LOW_VOICE: Final = "en"
HIGH_VOICE: Final = "en-us+f3"

# speak_lib.h of espeak-ng 1.5x
_AUDIO_OUTPUT_SYNCHRONOUS: Final = 2
_INITIALIZE_DONT_EXIT: Final = 0x8000
_CHARS_UTF8: Final = 1
_RATE, _PITCH = 1, 3
_OK: Final = 0
_MOST_PATH_BYTES: Final = 150
_CALLBACK: Final = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)

_one_at_a_time = threading.Lock()  # the library keeps its voice and its callback in globals


def speak(text: str, *, voice: str = LOW_VOICE, words_per_minute: int = 165, pitch: int = 50) -> Samples:
    """Synthesise a sentence: float32 mono at 48 kHz, peak 0.5, without silence before and after.

    espeak-ng's breath noise is random: no two times are the same. Failure: speech_missing, speech_failed.
    """
    with _one_at_a_time:
        library, rate_hz = _library()
        pieces: list[Samples] = []

        def on_samples(wav: Any, n_samples: int, events: object) -> int:
            if wav and n_samples > 0:
                pieces.append(np.ctypeslib.as_array(wav, (n_samples,)).astype(np.float32) / np.float32(32768))
            return 0  # go on

        callback = _CALLBACK(on_samples)
        library.espeak_SetSynthCallback(callback)
        data = text.encode()
        steps = (
            library.espeak_SetVoiceByName(voice.encode()),
            library.espeak_SetParameter(_RATE, words_per_minute, 0),
            library.espeak_SetParameter(_PITCH, pitch, 0),
            library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _CHARS_UTF8, None, None),
            library.espeak_Synchronize(),
        )
    if any(status != _OK for status in steps) or not pieces:
        raise Failure(
            "speech_failed",
            f"espeak-ng could not speak with the voice {voice!r} (statuses {steps})",
            "name files to speak from instead",
        )
    return _trimmed(resample(np.concatenate(pieces), rate_hz))


@functools.cache
def _library() -> tuple[Any, int]:
    """The loaded library and its sample rate."""
    remedy = "install it with  pip install '.[cli]'  or name files to speak from"
    try:
        loader = importlib.import_module("espeakng_loader")
        library = ctypes.CDLL(loader.get_library_path())
        data_path = _short(Path(loader.get_data_path()))
    except (ImportError, OSError, RuntimeError) as error:
        raise Failure("speech_missing", f"espeak-ng cannot be loaded: {error}", remedy) from error
    rate_hz = library.espeak_Initialize(
        _AUDIO_OUTPUT_SYNCHRONOUS, 0, os.fsencode(data_path), _INITIALIZE_DONT_EXIT
    )
    if rate_hz <= 0:
        raise Failure("speech_missing", f"espeak-ng does not start with its data in {data_path}", remedy)
    return library, int(rate_hz)


def _short(path: Path) -> Path:
    """A path to the same directory that espeak-ng takes: it keeps no more than 160 characters of one."""
    if len(os.fsencode(path)) <= _MOST_PATH_BYTES:
        return path
    folder = tempfile.mkdtemp(prefix="espeak-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # voices are read from there until the end
    link = Path(folder) / "data"
    link.symlink_to(path, target_is_directory=True)
    return link


def _trimmed(sound: Samples) -> Samples:
    """Without the silence at both ends, at a peak of 0.5."""
    peak = float(np.abs(sound).max(initial=0.0))
    loud = np.flatnonzero(np.abs(sound) > 0.01 * peak)
    if not loud.size:
        raise Failure("speech_failed", "espeak-ng spoke only silence", "name files to speak from instead")
    return np.ascontiguousarray(sound[loud[0] : loud[-1] + 1] * np.float32(0.5 / peak))
