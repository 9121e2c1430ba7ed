"""The ring between a tick and whoever records or transcribes. Native; `Space.tap()` hands it out."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.string cimport memcpy

from collections import namedtuple

from spacecore.atomics cimport load_u32, store_u32

__all__ = ["TapFrame"]

TapFrame = namedtuple("TapFrame", "seat timestamp pcm")
TapFrame.__doc__ = """20 ms of decoded audio: seat is None for the mix; timestamp is the room's, at 48 kHz, so that gaps are silence;
pcm is a read-only memoryview of 960 float32."""


cdef void tap_put(tap_t* tap, int source, uint32_t timestamp, const float* pcm) noexcept nogil:
    """Called by the tick. A reader that is TAP_FRAMES behind loses the newest: only it may move the tail."""
    cdef uint32_t head = tap.head
    cdef tap_frame_t* frame = &tap.frames[head % TAP_FRAMES]
    if head - load_u32(&tap.tail) >= TAP_FRAMES:
        tap.dropped += 1
        return
    frame.source = source
    frame.timestamp = timestamp
    memcpy(frame.pcm, pcm, FRAME_SAMPLES * sizeof(float))
    store_u32(&tap.head, head + 1)


cdef list tap_take(tap_t* tap):
    cdef tap_frame_t* frame
    cdef uint32_t tail = tap.tail
    taken = []
    while tail != load_u32(&tap.head):
        frame = &tap.frames[tail % TAP_FRAMES]
        pcm = memoryview(PyBytes_FromStringAndSize(<const char*>frame.pcm, FRAME_SAMPLES * sizeof(float))).cast("f")
        taken.append(TapFrame(frame.source if frame.source >= 0 else None, frame.timestamp, pcm))
        tail += 1
        store_u32(&tap.tail, tail)
    return taken
