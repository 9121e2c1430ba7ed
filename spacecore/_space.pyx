"""The handle of one live room: seats in, one mix for all who listen, one for each who is heard. `_tick` does the work."""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport pow
from libc.stdint cimport int16_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

from collections import namedtuple

from spacecore._denoise cimport denoise_open, require_rnnoise
from spacecore._mixer cimport FRAME_SAMPLES, pcm_from_int16
from spacecore._opus cimport encoder_config_t, opus_error, unfit_sample
from spacecore._packet cimport DATAGRAM_MAX_BYTES, PACKET_OK, packet_parse_report, report_t
from spacecore._pcm cimport open_pcm
from spacecore._receiver cimport (
    DONE_DECODED, DONE_NOTHING, DONE_SKIPPED, DONE_UNSCALED, checked_clock, put_word, receiver_stats,
)
from spacecore._seat cimport SEAT_OPUS, SEAT_PCM, seat_close, seat_open, seat_put_pcm, seat_t
from spacecore._tap cimport tap_t, tap_take
from spacecore.atomics cimport load_i64
from spacecore.libopus cimport OPUS_APPLICATION_VOIP, OPUS_OK
from spacecore.reports cimport reports_vote
from spacecore.ring cimport ring_close, ring_open, ring_peek, ring_pop
from spacecore._stretch cimport STRETCH_MOST
from spacecore.trace cimport TRACE_RECORDS, trace_t

from spacecore.errors import SeatError

__all__ = ["FULL", "MAX_SEATS", "Space", "SpaceStats", "Tap", "Tick", "Trace", "put_result"]

globals()["FULL"] = FULL
globals()["MAX_SEATS"] = SPACE_MAX_SEATS

Tick = namedtuple("Tick", "packets excluded levels audible loudest timestamp applied reports dominant")
Tick.__doc__ = """What one tick yields.

packets    ((audience, datagram), …): audience FULL is everyone in the room but `excluded`; otherwise it is a seat, and
           the datagram is for the person in it
excluded   seats that must not get FULL in this tick
levels     {seat: RFC 6464 level, measured on decoded audio; 127 for a seat that is not heard}; of a seat whose packets are
           passed on as they claim it, but for the stretches in which it is measured
audible    seats in the mix, loudest first; loudest: the first three of them
timestamp  of the tick, samples at 48 kHz
applied    serial of the last command that took effect
reports    ((seat, datagram), …): once a second, for the person in the seat: how their audio arrives
dominant   the seat that dominates the conversation, judged every 300 ms over the last second, for the screen; it stays
           while nobody takes over. None before anybody spoke, and once it was removed
"""

SpaceStats = namedtuple(
    "SpaceStats",
    "ticks decodes encodes encode_errors packets pauses malformed unknown_seat reports wrong_kind pcm_dropped disbelieved "
    "buffered delay_us target_us told fec_pct passed measured switches primed")
SpaceStats.__doc__ = """Counters of a room since it was made.

`delay_us / buffered` is the mean delay of a frame in its seat's jitter buffer, the wait for the tick included;
`target_us / buffered` the mean delay aimed at. `reports` came from people, `told` went to people in seats; `fec_pct` is the loss
that the encoder of the mix makes FEC for at present. `passed` counts the frames of a lone speaker that were passed on as they
came, `measured` those of them that were decoded all the same; `switches` how often what listeners hear changed between the mix
and a speaker's own packets, or between two speakers; `primed` the frames encoded only to make such a change seamless.
"""


_ROOM_WORDS = {PUT_UNKNOWN_SEAT: "unknown_seat", PUT_WRONG_KIND: "wrong_kind", PUT_REPORT: "report"}


@cython.no_gc           # it holds numbers alone; the collector would clear its lists before __dealloc__ frees by them
cdef class Space:
    """A room.

    Threads: add_seat, remove_seat, mute, set_gain, put_pcm, tap and Tap.read belong to one control thread; put and tick
    belong to one media thread, which may be the same. tick releases the interpreter while it works. What the control
    thread asks for takes effect with the next tick or put; each request returns a serial, and `Tick.applied` says how
    far the room has come.

    bitrate_bps and complexity are those of the mix. loss_pct is the least loss that FEC is made for where `fec` is on; what
    people report adds to it, and without loss there is none. keep_alive_ms is the distance of the tiny packets sent while nobody
    talks, 0 for none. loudness holds each seat to -23 LUFS, within ±12 dB and slowly, on top of its gain; see Loudness.
    pass_through: while one seat alone is heard its own packets are passed on, without a decode and an encode between; False
    mixes always.
    """

    def __cinit__(self, *, int bitrate_bps=48000, int complexity=9, bint fec=True, int loss_pct=0, int keep_alive_ms=5000,
                  bint loudness=True, bint pass_through=True, bint denoise=False):
        self._seats = {}
        self._taps = {}
        self._retired = []
        self._loudness = loudness
        self._denoise = denoise
        self._config = encoder_config_t(
            channels=1, application=OPUS_APPLICATION_VOIP, bitrate=bitrate_bps, complexity=complexity, fec=fec,
            loss_pct=loss_pct, dtx=False, vbr=True)
        self._space = <space_t*>calloc(1, sizeof(space_t))
        self._out = <out_t*>calloc(1, sizeof(out_t))
        if self._space == NULL or self._out == NULL:
            raise MemoryError
        cdef int status = space_init(self._space, &self._config, max(0, keep_alive_ms) // 20, pass_through)
        if status != OPUS_OK:
            raise opus_error(status)

    def __dealloc__(self):
        if self._space != NULL:
            self._collect(True)
            space_close(self._space)
            free(self._space)
        free(self._out)

    def add_seat(self, int seat, *, bint pcm=False, double gain_db=0.0, denoise=None):
        """Give a speaker a place in the mix; returns the serial of the request.

        seat is 0..255; pcm says that it is fed by put_pcm instead of datagrams. Raises SeatError: 'seat_range',
        'seat_taken', 'stage_full'; OpusError where libopus cannot make a coder. denoise takes out of the sound what is no
        voice, 20 ms later; such a seat is never passed through. None: as the room was made. DenoiseError('no_library')
        without the extra that it needs.
        """
        cdef int status = OPUS_OK
        cdef command_t command
        cdef bint cleaned = self._denoise if denoise is None else denoise
        if cleaned:
            require_rnnoise()
        if not 0 <= seat <= 255:
            raise SeatError("seat_range", f"a seat number is 0 to 255, not {seat}")
        if seat in self._seats:
            raise SeatError("seat_taken", f"seat {seat} is taken: remove it first")
        if len(self._seats) >= SPACE_MAX_SEATS:
            raise SeatError("stage_full", f"a room has at most {SPACE_MAX_SEATS} seats: remove one first")
        command.kind = COMMAND_ADD
        command.seat = seat
        command.handle = seat_open(seat, SEAT_PCM if pcm else SEAT_OPUS, _linear(gain_db), &self._config, &status)
        if command.handle == NULL:
            raise opus_error(status)
        command.handle.held = self._loudness
        command.handle.denoiser = denoise_open() if cleaned else NULL
        if cleaned and command.handle.denoiser == NULL:
            seat_close(command.handle)
            raise MemoryError
        try:
            serial = self._push(&command)
        except SeatError:
            seat_close(command.handle)
            raise
        self._seats[seat] = <size_t>command.handle
        return serial

    def remove_seat(self, int seat):
        """Take a speaker out of the mix; returns the serial of the request. Raises SeatError('no_such_seat')."""
        cdef command_t command
        cdef size_t handle = <size_t>self._handle(seat)
        command.kind = COMMAND_REMOVE
        command.seat = seat
        serial = self._push(&command)
        del self._seats[seat]
        self._retired.append((serial, handle, 0, 0))
        return serial

    def mute(self, int seat, bint muted=True):
        """Fade a seat out of the mix within one frame, or back in; returns the serial. Raises SeatError('no_such_seat')."""
        return self._set(COMMAND_MUTE, seat, 1.0 if muted else 0.0)

    def set_gain(self, int seat, double gain_db):
        """Change a seat's gain, -60 to +20 dB, within one frame; returns the serial. Raises SeatError('no_such_seat')."""
        return self._set(COMMAND_GAIN, seat, _linear(gain_db))

    def put(self, int seat, datagram, long long now_us):
        """A datagram that arrived from the person in `seat` at `now_us`. For the media thread.

        Returns a word: 'ok', 'reordered', 'duplicate', 'late', 'restart', 'overflow', 'too_large', 'bad_duration', 'report',
        'unknown_seat', 'wrong_kind' or the code of a PacketError. Never raises for what is in the bytes; ValueError for
        a time beyond ±2**60.
        """
        cdef Py_buffer view
        checked_clock(now_us)
        PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE)
        cdef int status = space_put(
            self._space, seat, <const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1), now_us)
        PyBuffer_Release(&view)
        return put_result(status)

    def report(self, seat, datagram, long long now_us, *, long long vote=0):
        """A receiver report of somebody in the room, in `seat` or (None) listening, that came at `now_us`. For the media thread.

        The encoder of the mix makes FEC for the loss of the tenth of the people that loses most. Everybody has one vote:
        give what this returns with the same person's next report. A datagram that is no report is counted as malformed.
        """
        cdef Py_buffer view
        cdef report_t report
        cdef int number = NO_SEAT if seat is None else seat
        checked_clock(now_us)
        PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE)
        cdef int status = packet_parse_report(<const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1), &report)
        PyBuffer_Release(&view)
        if status != PACKET_OK:
            self._space.counts.malformed += 1
            return vote
        space_drain(self._space)
        space_report(self._space, number, &report, vote, now_us)
        return reports_vote(&report, vote, now_us)

    def put_pcm(self, int seat, pcm):
        """Queue 20 ms for a seat made with pcm=True: 960 samples of float32 ('f') or int16 ('h'). For the control thread.

        Returns False where the queue is full because nobody ticks. More than 500 ms waiting: the oldest is dropped.
        Raises SeatError('no_such_seat', 'wrong_kind'); TypeError for another format; ValueError for another length, or
        samples that are no sound (NaN, infinite, far beyond ±1).
        """
        cdef seat_t* place = self._handle(seat)
        cdef float samples[FRAME_SAMPLES]
        if place.kind != SEAT_PCM:
            raise SeatError("wrong_kind", f"seat {seat} is fed by datagrams: add it with pcm=True to feed it PCM")
        _samples_of(pcm, samples)
        return bool(seat_put_pcm(place, samples))

    def tap(self, *, bint mix=True, bint seats=True):
        """Hear what is decoded: the mix, each audible seat, or both. For the control thread; see Tap."""
        cdef command_t command
        if len(self._taps) >= SPACE_MAX_TAPS:
            raise SeatError("too_many_taps", f"a room has at most {SPACE_MAX_TAPS} taps: close one first")
        cdef Tap tap = Tap.__new__(Tap)
        tap._tap = <tap_t*>calloc(1, sizeof(tap_t))
        if tap._tap == NULL:
            raise MemoryError
        tap._tap.mix = mix
        tap._tap.seats = seats
        command.kind = COMMAND_TAP
        command.tap = tap._tap
        try:
            self._push(&command)
        except SeatError:
            free(tap._tap)
            tap._tap = NULL
            raise
        tap._space = self
        self._taps[<size_t>tap._tap] = True
        return tap

    def trace(self, *, bint audio=False, int records=TRACE_RECORDS):
        """Write down what arrives and what becomes of it, from the next tick on. For the control thread; see Trace.

        audio: datagrams are kept whole, else their headers and the sizes of their frames. `records` may wait for the reader.
        Raises SeatError('trace_taken') while another one is running.
        """
        cdef command_t command
        if not 64 <= records <= 1 << 20:
            raise ValueError(f"records is 64 to {1 << 20}, not {records}")
        if self._traced:
            raise SeatError("trace_taken", "this room is traced already: stop that trace first")
        cdef Trace trace = Trace.__new__(Trace)
        command.kind = COMMAND_TRACE
        command.seat = NO_SEAT
        command.trace = _open_trace(audio, records)
        try:
            self._push(&command)
        except SeatError:
            ring_close(&command.trace.ring)
            free(command.trace)
            raise
        trace._space, trace._trace = self, command.trace
        self._traced = True
        return trace

    def follow(self, int seat, str done, int lag=-1):
        """In a replay without the sound: what was done with what is due in this seat from the next tick on. For the media thread.

        done   'skipped', 'decoded', 'unscaled' (decoded, and time not scaled), or '' to judge by the sound again
        lag    samples that time scaling removes or adds at most where the delay wants it; -1: as the sound allows

        A room that follows passes no packets on. Raises SeatError('no_such_seat'); ValueError for other words or lags.
        """
        cdef seat_t* place = self._handle(seat)
        if done not in _DONE or not -1 <= lag <= STRETCH_MOST:
            raise ValueError(f"done is one of {sorted(_DONE)} and lag -1 to {STRETCH_MOST}; got {done!r}, {lag}")
        place.told = _DONE[done]
        place.receiver.told_lag = lag
        self._space.told = True

    def tick(self, long long now_us):
        """20 ms of the room at `now_us` (microseconds, the clock of put). For the media thread; returns a Tick."""
        cdef space_t* space = self._space
        cdef out_t* out = self._out
        checked_clock(now_us)
        with nogil:     # all stages in one go: decode, mix and encode take some 100 µs
            space_tick(space, now_us, out)
        packets = tuple([
            (out.packets[i].audience, PyBytes_FromStringAndSize(<const char*>out.packets[i].data, out.packets[i].n_bytes))
            for i in range(out.n_packets)])
        audible = tuple([out.audible[i] for i in range(out.n_audible)])
        return Tick(
            packets, frozenset([out.excluded[i] for i in range(out.n_excluded)]),
            {out.seats[i]: out.levels[i] for i in range(out.n_seats)}, audible, audible[:SPACE_LOUDEST], out.timestamp,
            out.applied, tuple([
                (out.reports[i].seat, PyBytes_FromStringAndSize(<const char*>out.reports[i].data, out.reports[i].n_bytes))
                for i in range(out.n_reports)]),
            None if out.dominant == NOBODY else out.dominant)

    @property
    def stats(self):
        """SpaceStats as of now. Reading them changes nothing."""
        cdef space_counts_t* counts = &self._space.counts
        return SpaceStats(
            counts.ticks, counts.decodes, counts.encodes, counts.encode_errors, counts.packets, counts.pauses,
            counts.malformed, counts.unknown_seat, counts.reports, counts.wrong_kind,
            counts.pcm_dropped, counts.disbelieved, counts.buffered, counts.delay_us, counts.target_us, counts.told,
            space_fec_pct(self._space), counts.passed, counts.measured, counts.switches, counts.primed)

    def seat_stats(self, int seat):
        """ReceiverStats of a seat: what its person's sound went through. For the control thread; raises SeatError('no_such_seat')."""
        return receiver_stats(&self._handle(seat).receiver)

    @property
    def seats(self):
        """The seats there are, as the control thread sees them."""
        return tuple(sorted(self._seats))

    cdef seat_t* _handle(self, int seat) except NULL:
        if seat not in self._seats:
            raise SeatError("no_such_seat", f"there is no seat {seat} in this room: add it first")
        return <seat_t*><size_t>self._seats[seat]

    cdef int64_t _push(self, command_t* command) except -1:
        self._collect(False)
        command.serial = self._serial + 1
        if not space_command(self._space, command):
            raise SeatError("ring_full", f"{SPACE_RING} requests wait for a tick: tick the room, then ask again")
        self._serial += 1
        return self._serial

    cdef int64_t _set(self, command_kind_t kind, int seat, float value) except -1:
        cdef command_t command
        self._handle(seat)
        command.kind = kind
        command.seat = seat
        command.value = value
        return self._push(&command)

    cdef void _collect(self, bint all_of_it) noexcept:
        """Free what the media thread has let go of."""
        cdef int64_t applied = load_i64(&self._space.applied)
        if all_of_it:
            space_drain(self._space)    # nobody else runs: the room is going away
            applied = self._serial
        while self._retired and self._retired[0][0] <= applied:
            _, seat, tap, trace = self._retired.pop(0)
            if seat:
                seat_close(<seat_t*><size_t>seat)
            free(<void*><size_t>tap)
            if trace:
                ring_close(&(<trace_t*><size_t>trace).ring)
            free(<void*><size_t>trace)

    cdef int _untap(self, tap_t* tap) except -1:
        cdef command_t command
        command.kind = COMMAND_UNTAP
        command.tap = tap
        serial = self._push(&command)
        del self._taps[<size_t>tap]
        self._retired.append((serial, 0, <size_t>tap, 0))
        return 0


def put_result(int status):
    """The word of Space.put for a verdict as it stands in a trace."""
    return _ROOM_WORDS[status] if status in _ROOM_WORDS else put_word(status)


include "_space_tap.pxi"
include "_space_trace.pxi"


cdef float _linear(double gain_db) except -1:
    if not -60.0 <= gain_db <= 20.0:
        raise ValueError(f"a gain is -60 to +20 dB, not {gain_db}")
    return <float>pow(10.0, gain_db / 20.0)


cdef int _samples_of(pcm, float* out) except -1:
    cdef Py_buffer view
    cdef bint int16 = memoryview(pcm).format == "h"
    cdef int n = open_pcm(pcm, &view, False, c"h" if int16 else c"f")
    cdef int bad = -1
    if n == FRAME_SAMPLES and int16:
        pcm_from_int16(out, <const int16_t*>view.buf, n)
    elif n == FRAME_SAMPLES:
        memcpy(out, view.buf, FRAME_SAMPLES * sizeof(float))
        bad = unfit_sample(out, n)
    PyBuffer_Release(&view)
    if n != FRAME_SAMPLES:
        raise ValueError(f"a frame is {FRAME_SAMPLES} samples, 20 ms at 48 kHz; these are {n}")
    if bad >= 0:
        raise ValueError(f"sample {bad} is {out[bad]}; samples are numbers of about -1 to 1: scale them first")
    return 0
