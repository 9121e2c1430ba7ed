# cython: language_level=3
"""A room without a Space object: set up, driven and taken down in C, ticking without the interpreter."""

from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from spacecore._mixer cimport FRAME_SAMPLES
from spacecore._opus cimport encoder_config_t, opus_error
from spacecore._seat cimport SEAT_PCM, seat_open, seat_put_pcm, seat_t
from spacecore._space cimport COMMAND_ADD, command_t, out_t, space_close, space_command, space_init, space_t, space_tick
from spacecore.libopus cimport OPUS_APPLICATION_VOIP, OPUS_OK


cdef int run(space_t* space, seat_t* seat, out_t* out, int ticks) noexcept nogil:
    """Feed a seat a square wave for so many ticks; the datagrams there were for all who listen."""
    cdef float pcm[FRAME_SAMPLES]
    cdef int n_datagrams = 0
    cdef int i
    cdef int k
    for i in range(FRAME_SAMPLES):
        pcm[i] = <float>0.2 if i % 96 < 48 else <float>-0.2
    for i in range(ticks):
        seat_put_pcm(seat, pcm)
        space_tick(space, <int64_t>i * 20000, out)
        for k in range(out.n_packets):
            n_datagrams += out.packets[k].audience == -1
    return n_datagrams


def drive(int ticks):
    """Run a room with one speaker; (datagrams for the listeners, level of the seat, serial applied)."""
    cdef encoder_config_t config = encoder_config_t(
        channels=1, application=OPUS_APPLICATION_VOIP, bitrate=32000, complexity=5, fec=1, loss_pct=0, dtx=0, vbr=1)
    cdef space_t* space = <space_t*>calloc(1, sizeof(space_t))
    cdef out_t* out = <out_t*>calloc(1, sizeof(out_t))
    cdef command_t command
    cdef int status = OPUS_OK
    cdef int n_datagrams
    if space == NULL or out == NULL:
        raise MemoryError
    try:
        status = space_init(space, &config, 250, True)
        if status != OPUS_OK:
            raise opus_error(status)
        command.kind = COMMAND_ADD
        command.serial = 1
        command.seat = 7
        command.handle = seat_open(7, SEAT_PCM, 1.0, &config, &status)
        if command.handle == NULL:
            raise opus_error(status)
        space_command(space, &command)      # from here the seat is the room's, which frees it
        with nogil:     # all ticks in one go: another thread could run Python meanwhile
            n_datagrams = run(space, command.handle, out, ticks)
        return n_datagrams, out.levels[0], out.applied
    finally:
        space_close(space)
        free(space)
        free(out)
