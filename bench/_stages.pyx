"""Times the stages of a room's tick one by one, in CPU time of the thread, from outside the engine."""

from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from posix.time cimport CLOCK_THREAD_CPUTIME_ID, clock_gettime, timespec

from spacecore._opus cimport encoder_config_t
from spacecore._seat cimport SEAT_OPUS, seat_open
from spacecore._space cimport (
    COMMAND_ADD, command_t, out_t, space_close, space_command, space_decode, space_drain, space_encode, space_init, space_mix, space_pull,
    space_put, space_t, space_tick,
)
from spacecore.libopus cimport OPUS_APPLICATION_VOIP

STAGES = ("jitter", "decode", "mix", "encode")


cdef inline int64_t cpu_ns() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at)
    return at.tv_sec * 1_000_000_000 + at.tv_nsec


cdef class Room:
    """A room whose tick is taken apart. `put` and `tick` as in spacecore.Space; `counts` after that."""

    cdef space_t* space
    cdef out_t* out

    def __cinit__(self, int seats, *, int bitrate_bps=48000, int complexity=9, bint pass_through=True):
        cdef encoder_config_t config = encoder_config_t(
            channels=1, application=OPUS_APPLICATION_VOIP, bitrate=bitrate_bps, complexity=complexity, fec=True, loss_pct=0,
            dtx=False, vbr=True)
        cdef command_t command
        cdef int status = 0
        self.space = <space_t*>calloc(1, sizeof(space_t))
        self.out = <out_t*>calloc(1, sizeof(out_t))
        if self.space == NULL or self.out == NULL or space_init(self.space, &config, 0, pass_through) != 0:
            raise MemoryError
        for seat in range(seats):
            command.kind = COMMAND_ADD
            command.serial = seat + 1
            command.seat = seat
            command.handle = seat_open(seat, SEAT_OPUS, 1.0, &config, &status)
            if command.handle == NULL or not space_command(self.space, &command):
                raise MemoryError
            command.handle.held = True      # to one loudness, as in a Space

    def __dealloc__(self):
        if self.space != NULL:
            space_close(self.space)
        free(self.space)
        free(self.out)

    def put(self, int seat, bytes datagram, long long now_us):
        return space_put(self.space, seat, <const uint8_t*><const char*>datagram, <int>len(datagram), now_us)

    def tick(self, long long now_us):
        """One tick; the CPU nanoseconds of jitter, decode, mix and encode."""
        cdef int64_t at[5]
        cdef space_t* space = self.space
        cdef out_t* out = self.out
        with nogil:     # the clock is read between the stages and nowhere else
            space_drain(space)
            at[0] = cpu_ns()
            space_pull(space, now_us)
            at[1] = cpu_ns()
            space_decode(space)
            at[2] = cpu_ns()
            space_mix(space)
            at[3] = cpu_ns()
            space_encode(space, out)
            at[4] = cpu_ns()
            space.timestamp += 960
        return at[1] - at[0], at[2] - at[1], at[3] - at[2], at[4] - at[3]

    def whole_tick(self, long long now_us):
        """One tick as the engine runs it; its CPU nanoseconds."""
        cdef int64_t start
        cdef int64_t stop
        cdef space_t* space = self.space
        cdef out_t* out = self.out
        with nogil:     # the same work as tick(), undivided
            start = cpu_ns()
            space_tick(space, now_us, out)
            stop = cpu_ns()
        return stop - start

    @property
    def counts(self):
        return self.space.counts.decodes, self.space.counts.encodes, self.space.counts.passed
