"""speexdsp's jitter buffer itself, as Mumble uses it, through the system's library where there is one."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from bench.quality.outcome import Outcome, fastest_ms, outcome
from bench.quality.traces import FRAME_MS, Trace

LIBRARY = "libspeexdsp.so.1"  # Debian and Ubuntu: libspeexdsp1
_FRAME_TICKS = 960
_SET_MARGIN = 0
_OK = 0
_MOST_BYTES = 64


class _Packet(ctypes.Structure):
    """JitterBufferPacket of speex_jitter.h."""

    _fields_ = (
        ("data", ctypes.c_char_p),
        ("len", ctypes.c_uint32),
        ("timestamp", ctypes.c_uint32),
        ("span", ctypes.c_uint32),
        ("sequence", ctypes.c_uint16),
        ("user_data", ctypes.c_uint32),
    )


@functools.cache
def library() -> Any | None:
    """The loaded library, or None where it is not installed."""
    try:
        found = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    found.jitter_buffer_init.restype = ctypes.c_void_p
    return found


def speexdsp(trace: Trace) -> tuple[Outcome, list[int | None]]:
    """The whole trace through it, with its defaults: figures, and the frame of each 20 ms (None: made up).

    What it inserts to gain time is filled by concealment, so that counts as concealed. RuntimeError without
    `library()`.
    """
    speex = library()
    if speex is None:
        raise RuntimeError(f"{LIBRARY} is not installed; on Debian or Ubuntu:  apt-get install libspeexdsp1")
    buffer = ctypes.c_void_p(speex.jitter_buffer_init(_FRAME_TICKS))
    speex.jitter_buffer_ctl(buffer, _SET_MARGIN, ctypes.byref(ctypes.c_int32(0)))
    room = ctypes.create_string_buffer(_MOST_BYTES)
    offset = ctypes.c_int32()
    arrivals = trace.arrivals()
    base_ms = fastest_ms(trace.delay_ms[~trace.lost])
    at, played, delays_ms = 0, list[int | None](), list[float]()
    for now_ms in range(0, len(trace.delay_ms) * FRAME_MS, FRAME_MS):
        while at < len(arrivals) and arrivals[at][0] <= now_ms:
            number = arrivals[at][1]
            packet = _Packet(
                b"x", 1, number * _FRAME_TICKS & 0xFFFFFFFF, _FRAME_TICKS, number & 0xFFFF, number
            )
            speex.jitter_buffer_put(buffer, ctypes.byref(packet))
            at += 1
        if not at:
            continue
        packet = _Packet(ctypes.cast(room, ctypes.c_char_p), _MOST_BYTES)
        status = speex.jitter_buffer_get(buffer, ctypes.byref(packet), _FRAME_TICKS, ctypes.byref(offset))
        if status == _OK:
            played.append(packet.timestamp // _FRAME_TICKS)
            delays_ms.append(now_ms - base_ms - packet.timestamp * FRAME_MS / _FRAME_TICKS)
        else:
            played.append(None)
        speex.jitter_buffer_update_delay(buffer, None, None)
        speex.jitter_buffer_tick(buffer)
    speex.jitter_buffer_destroy(buffer)
    heard = len(delays_ms)
    found = outcome(
        made_up=[frame is None for frame in played],
        step_ms=FRAME_MS,
        dropped_ms=float((len(arrivals) - heard) * FRAME_MS),
        accelerated_ms=0,
        stretched_ms=0,
        delays_ms=delays_ms,
    )
    return found, played
