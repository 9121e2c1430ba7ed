"""One incoming stream, from datagram to PCM: packet → jitter buffer → decoder.

The same code is a speaker's seat in the server's mix and the ear of a client. Nothing here knows a clock: `now_us` is
microseconds on any monotonic scale, the same one for put and pull.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.math cimport pow
from libc.stdint cimport uint16_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memmove, memset

from collections import namedtuple

from spacecore._jitter cimport (
    JITTER_HISTORY, PULL_FEC, PULL_FRAME, PULL_LOST, PUT_DUPLICATE, PUT_LATE, PUT_OK, PUT_OVERFLOW, PUT_REORDERED,
    PUT_RESTART, PUT_TOO_LARGE, SCALE_ACCELERATE, SCALE_FAST_STRETCH, SCALE_NONE, SCALE_STRETCH, jitter_history,
    jitter_init, jitter_note_emptied, jitter_note_held, jitter_note_scaled, jitter_packet_t, jitter_pull, jitter_pull_joined,
    jitter_put, jitter_stats,
)
from spacecore._mixer cimport ramp_apply, ramp_init
from spacecore._opus cimport (
    decoder_close, decoder_conceal, decoder_decode, decoder_open, decoder_recover, opus_error, packet_has_fec, packet_samples,
)
from spacecore._packet cimport (
    DATAGRAM_MAX_BYTES, FRAME_TICKS, LEVEL_SILENCE, MAX_PRIME, PACKET_OK, audio_t, packet_parse_audio, packet_status_code,
)
from spacecore._stretch cimport (
    STRETCH_LEAST, STRETCH_MOST, STRETCH_WINDOW, splice_t, stretch_find, stretch_lengthen, stretch_shorten,
)
from spacecore.delay cimport DELAY_LEAST_TARGET_US
from spacecore.libopus cimport OPUS_OK

__all__ = ["Heard", "Receiver", "ReceiverStats"]

cdef enum:
    MERGE_SAMPLES = 240         # 5 ms
    FADING_FRAMES = 50          # of comfort noise, the last second
    FLOOR_LEVEL = 60            # −dBov: the background of one who has not been heard yet
    FLOOR_FRAMES = 50           # the background is thought to rise by 1 dB a second until a quieter frame is heard
    BACKGROUND_DB = 9           # so much above it is background still: 8 times its energy, as in NetEQ

cdef float ALIKE = 0.9
cdef float FAST_ALIKE = 0.5


cdef int receiver_init(receiver_t* receiver, int channels, int64_t least_target_us) noexcept nogil:
    memset(receiver, 0, sizeof(receiver_t))
    jitter_init(&receiver.jitter, least_target_us)
    ramp_init(&receiver.gain, 1.0)
    receiver.level = LEVEL_SILENCE
    receiver.floor_level = FLOOR_LEVEL
    receiver.channels = channels
    receiver.told_lag = -1
    return decoder_open(&receiver.decoder, channels)


cdef void receiver_close(receiver_t* receiver) noexcept nogil:
    if receiver.decoder != NULL:
        decoder_close(receiver.decoder)
        receiver.decoder = NULL


cdef int receiver_put(receiver_t* receiver, const uint8_t* data, int n_bytes, bint down, int64_t now_us) noexcept nogil:
    """Take in one datagram. PUT_* of its first new frame, or a negative reason why nothing was taken."""
    cdef audio_t audio
    cdef int status = packet_parse_audio(data, n_bytes, down, &audio)
    receiver.counts.datagrams += 1
    if status != PACKET_OK:
        receiver.counts.malformed += 1
        return status
    return receiver_put_audio(receiver, &audio, now_us)


cdef int receiver_put_audio(receiver_t* receiver, const audio_t* audio, int64_t now_us) noexcept nogil:
    cdef jitter_packet_t packet
    cdef int n_frames = audio.n_redundant + audio.n_prime + audio.n_new
    cdef int first_new = audio.n_redundant + audio.n_prime
    cdef int i
    cdef int k
    cdef int back
    cdef int stored
    cdef int status = PUT_OK
    # The length of a frame is what it claims; all are looked at before any is taken.
    for i in range(n_frames):
        if packet_samples(audio.frame[i], audio.frame_bytes[i]) != FRAME_TICKS:
            receiver.counts.bad_duration += 1
            return PUT_BAD_DURATION
    memset(&packet, 0, sizeof(packet))
    packet.level = audio.level & LEVEL_SILENCE
    for i in range(audio.n_new):
        packet.seq = <uint16_t>(audio.seq + i)
        packet.timestamp = audio.timestamp + <uint32_t>(i * FRAME_TICKS)
        packet.data = audio.frame[first_new + i]
        packet.n_bytes = audio.frame_bytes[first_new + i]
        packet.has_fec = packet_has_fec(packet.data, packet.n_bytes)
        packet.source_changed = audio.source_changed and i == 0
        packet.n_behind = audio.n_new - 1 - i
        packet.n_prime = audio.n_prime if i == 0 else 0
        for k in range(packet.n_prime):
            packet.prime[k] = audio.frame[audio.n_redundant + k]
            packet.prime_bytes[k] = audio.frame_bytes[audio.n_redundant + k]
        stored = jitter_put(&receiver.jitter, &packet, now_us)
        if i == 0:
            status = stored
        _remark(receiver, audio, packet.seq)
    # Copies go in last: where the stream starts anew, the new frames have to say where.
    packet.redundant = True
    packet.n_behind = 0
    packet.source_changed = False
    packet.n_prime = 0
    for i in range(audio.n_redundant):
        back = audio.distance + audio.n_redundant - 1 - i
        packet.seq = <uint16_t>(audio.seq - back)
        packet.timestamp = audio.timestamp - <uint32_t>(back * FRAME_TICKS)
        packet.data = audio.frame[i]
        packet.n_bytes = audio.frame_bytes[i]
        packet.has_fec = packet_has_fec(packet.data, packet.n_bytes)
        jitter_put(&receiver.jitter, &packet, now_us)
    return status


cdef void _remark(receiver_t* receiver, const audio_t* audio, uint16_t seq) noexcept nogil:
    cdef remark_t* remark = &receiver.remarks[seq % JITTER_CAPACITY]
    cdef int i
    remark.seq = seq
    remark.valid = True
    remark.gain = audio.gain
    remark.n_seats = min(audio.n_seats, LISTED_SEATS)
    for i in range(remark.n_seats):
        remark.seats[i] = audio.seats[i]


cdef void receiver_next(receiver_t* receiver, int64_t now_us) noexcept nogil:
    """Ask the jitter buffer what is due in these 20 ms; `receiver.due` and `receiver.level` say it."""
    cdef uint16_t seq = receiver.due.seq
    receiver.now_us = now_us
    receiver.done = DONE_NOTHING
    receiver.asked = False
    receiver.spliced = 0
    if receiver.n_held >= FRAME_SAMPLES:
        memset(&receiver.due, 0, sizeof(jitter_pulled_t))
        receiver.due.seq = seq
        receiver.due.status = PULL_HELD     # what was stretched fills this frame
        jitter_note_held(&receiver.jitter, receiver.n_held, now_us)
        return
    jitter_pull(&receiver.jitter, now_us, &receiver.due)
    _note_due(receiver)


cdef void _note_due(receiver_t* receiver) noexcept nogil:
    cdef remark_t* remark
    cdef int i
    if receiver.due.status == PULL_FRAME:
        receiver.level = LEVEL_SILENCE if receiver.due.dtx else receiver.due.level
        if not receiver.due.dtx:
            receiver.before_level = receiver.last_level
            receiver.last_level = receiver.level
            receiver.floor_level = max(receiver.level, receiver.floor_level - (receiver.due.seq % FLOOR_FRAMES == 0))
        remark = &receiver.remarks[receiver.due.seq % JITTER_CAPACITY]
        if remark.valid and remark.seq == receiver.due.seq:
            receiver.gain.target = _quarter_db(remark.gain)
            if receiver.due.source_changed:
                receiver.gain.gain = receiver.gain.target       # another's gain: there is nothing to glide from
            receiver.n_seats = remark.n_seats
            for i in range(remark.n_seats):
                receiver.seats[i] = remark.seats[i]
    elif receiver.due.status != PULL_LOST and receiver.due.status != PULL_FEC:
        receiver.level = LEVEL_SILENCE
        receiver.n_seats = 0


cdef inline float _quarter_db(int8_t gain) noexcept nogil:
    return 1.0 if gain == 0 else <float>pow(10.0, gain / 80.0)


cdef void receiver_skip(receiver_t* receiver) noexcept nogil:
    """What is due is not wanted: the decoder is not run, and warmed up again when it next is."""
    if receiver.due.status == PULL_FRAME:
        receiver.undecoded += 1
        receiver.counts.skipped += 1
    receiver.done = DONE_SKIPPED
    receiver.sounding = False
    receiver.past_known = False
    receiver.seam = False
    receiver.comfort = 0
    if receiver.n_held > 0:
        receiver.counts.thrown_away += receiver.n_held
        receiver.n_held = 0
        jitter_note_emptied(&receiver.jitter)


include "_receiver_sound.pxi"


# --- the Python face ------------------------------------------------------------------------------------------

Heard = namedtuple("Heard", "status pcm level seq seats")
Heard.__doc__ = """20 ms of one stream.

status is 'frame', 'recovered' (in-band FEC), 'concealed' or 'silence'; pcm is a read-only memoryview of 960 float32;
level is RFC 6464 as the sender claimed it (127 in silence); seq is None in silence; seats are those heard, loudest first.
"""

ReceiverStats = namedtuple(
    "ReceiverStats",
    "datagrams malformed bad_duration late duplicate reordered overflow_dropped restarts frames recovered concealed "
    "waits accelerated stretched decode_errors target_ms delay_ms stale_dropped restart_dropped skipped "
    "recovered_samples concealed_samples interrupted_samples accelerated_samples stretched_samples dropped_samples "
    "silence_samples held_samples",
)
ReceiverStats.__doc__ = """Counters since the start, in frames unless their name says otherwise, and the present delays.

In samples a channel: recovered from FEC; concealed; interrupted (silence in running sound, where concealing was given
up, part of silence); accelerated and stretched (time scaling, and silent frames left out or put in); dropped (came and
was given up); silence; held (decoded, not played yet). delay_ms is of the first sample that the last pull gave.
960 × pulls = 960 × (frames + recovered + accelerated) + concealed + silence + stretched − accelerated − held, in samples
where the names have it.
"""

_HEARD = {HEARD_SILENCE: "silence", HEARD_FRAME: "frame", HEARD_RECOVERED: "recovered", HEARD_CONCEALED: "concealed"}
_PUT = {
    PUT_OK: "ok", PUT_REORDERED: "reordered", PUT_DUPLICATE: "duplicate", PUT_LATE: "late", PUT_RESTART: "restart",
    PUT_OVERFLOW: "overflow", PUT_TOO_LARGE: "too_large", PUT_BAD_DURATION: "bad_duration",
}


cdef str put_word(int status):
    return _PUT[status] if status in _PUT else packet_status_code(status).decode()


cdef class Receiver:
    """One incoming stream: datagrams in, 20 ms of PCM out.

    Call put() for each datagram as it arrives and pull() once every 20 ms, both from one thread (or under one lock);
    neither raises for anything that the network did. `down` says whether the datagrams come from a server.
    """

    cdef receiver_t* _receiver
    cdef bint _down

    def __cinit__(self, *, bint down=True, int channels=1):
        if channels != 1:
            raise ValueError(f"a receiver decodes to 1 channel, not {channels}")
        self._down = down
        self._receiver = <receiver_t*>calloc(1, sizeof(receiver_t))
        if self._receiver == NULL:
            raise MemoryError
        cdef int status = receiver_init(self._receiver, channels, DELAY_LEAST_TARGET_US)
        if status != OPUS_OK:
            raise opus_error(status)

    def __dealloc__(self):
        if self._receiver != NULL:
            receiver_close(self._receiver)
            free(self._receiver)

    def put(self, datagram, long long now_us):
        """Take in one audio datagram that arrived at `now_us`.

        Returns 'ok', 'reordered', 'duplicate', 'late', 'restart', 'overflow', 'too_large' or 'bad_duration', or the
        code of a PacketError. Never raises for what is in the bytes; ValueError for a time beyond ±2**60.
        """
        cdef Py_buffer view
        checked_clock(now_us)
        PyObject_GetBuffer(datagram, &view, PyBUF_SIMPLE)
        cdef int status = receiver_put(
            self._receiver, <const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1), self._down, now_us)
        PyBuffer_Release(&view)
        return put_word(status)

    def pull(self, long long now_us):
        """The next 20 ms as Heard. Call it once every 20 ms, whether or not anything arrived."""
        pcm = PyBytes_FromStringAndSize(NULL, FRAME_SAMPLES * sizeof(float))
        cdef float* samples = <float*><char*>pcm
        cdef receiver_t* receiver = self._receiver
        cdef int heard
        checked_clock(now_us)
        with nogil:     # a decode takes 20-45 µs
            receiver_next(receiver, now_us)
            heard = receiver_decode(receiver, samples)
        seats = tuple([self._receiver.seats[i] for i in range(self._receiver.n_seats)])
        seq = None if heard == HEARD_SILENCE else self._receiver.due.seq
        return Heard(_HEARD[heard], memoryview(pcm).cast("f"), self._receiver.level, seq, seats)

    @property
    def stats(self):
        """ReceiverStats as of now. Reading them changes nothing."""
        return receiver_stats(self._receiver)


cdef object receiver_stats(const receiver_t* receiver):
    cdef jitter_stats_t jitter
    cdef const receiver_counts_t* counts = &receiver.counts
    jitter_stats(&receiver.jitter, &jitter)
    dropped = jitter.overflow_dropped + jitter.stale_dropped + jitter.restart_dropped
    return ReceiverStats(
        counts.datagrams, counts.malformed, counts.bad_duration, jitter.late, jitter.duplicate, jitter.reordered,
        jitter.overflow_dropped, jitter.restarts, counts.decoded, counts.recovered, counts.concealed, jitter.waits,
        jitter.accelerated, jitter.stretched, counts.decode_errors, jitter.target_us / 1000, jitter.delay_us / 1000,
        jitter.stale_dropped, jitter.restart_dropped, counts.skipped, counts.recovered * FRAME_SAMPLES,
        counts.concealed_samples, jitter.interrupted * FRAME_SAMPLES,
        jitter.accelerated_samples + jitter.accelerated * FRAME_SAMPLES, jitter.stretched_samples + counts.waited,
        dropped * FRAME_SAMPLES + counts.thrown_away, counts.silence_samples, receiver.n_held)
