# One incoming stream, datagram to PCM: packet → jitter buffer → decoder. A server's seat and a client's ear are both one.

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint64_t

from spacecore._jitter cimport JITTER_CAPACITY, jitter_pulled_t, jitter_stats_t, jitter_t
from spacecore._mixer cimport FRAME_SAMPLES, ramp_t
from spacecore._packet cimport audio_t
from spacecore.libopus cimport OpusDecoder

cdef enum:
    LISTED_SEATS = 16           # of a datagram's seat list, so many are kept for the screen

cdef enum:                      # what the last pull gave
    HEARD_SILENCE = 0           # nothing is due
    HEARD_FRAME = 1
    HEARD_RECOVERED = 2         # from the next packet's in-band FEC
    HEARD_CONCEALED = 3

cdef enum:                      # beside PACKET_* and the jitter buffer's PUT_*
    PUT_BAD_DURATION = -20      # a frame that is not 20 ms

# What a datagram says beside its frames, kept until its first frame is played.
cdef struct remark_t:
    uint16_t seq
    bint valid
    int8_t gain
    int n_seats
    uint8_t seats[LISTED_SEATS]

cdef struct receiver_counts_t:
    uint64_t datagrams
    uint64_t malformed          # no audio datagram of this version
    uint64_t bad_duration
    uint64_t decoded            # libopus decode calls of due frames
    uint64_t concealed
    uint64_t recovered
    uint64_t decode_errors

# Driving contract: put() whenever a datagram arrives, next() once every 20 ms, and after each next() either
# decode() or skip(), all from one thread. Plain data but for `decoder`, which belongs to this receiver.
cdef struct receiver_t:
    jitter_t jitter
    jitter_pulled_t due
    OpusDecoder* decoder
    int undecoded               # frames skipped since the decoder last ran
    bint sounding               # the last frame ended in sound, so silence must fade in
    uint8_t level               # RFC 6464 of the frame due, 127 where nothing is
    ramp_t gain
    int n_seats
    uint8_t seats[LISTED_SEATS]
    remark_t remarks[JITTER_CAPACITY]
    receiver_counts_t counts
    float scratch[FRAME_SAMPLES]


cdef inline int64_t checked_clock(int64_t now_us) except? -1:
    # Beyond this the difference of a time and a timestamp may not fit into 64 bits.
    if not -(<int64_t>1 << 60) < now_us < (<int64_t>1 << 60):
        raise ValueError(f"now_us is {now_us}; it must be between -2**60 and 2**60: microseconds, not nanoseconds")
    return now_us


cdef int receiver_init(receiver_t* receiver, int channels) noexcept nogil      # OPUS_OK or status
cdef void receiver_close(receiver_t* receiver) noexcept nogil
cdef int receiver_put(receiver_t* receiver, const uint8_t* data, int n_bytes, bint down, int64_t now_us) noexcept nogil
cdef int receiver_put_audio(receiver_t* receiver, const audio_t* audio, int64_t now_us) noexcept nogil
cdef void receiver_next(receiver_t* receiver, int64_t now_us) noexcept nogil
cdef void receiver_skip(receiver_t* receiver) noexcept nogil
cdef int receiver_decode(receiver_t* receiver, float* pcm) noexcept nogil      # HEARD_*; pcm has FRAME_SAMPLES
cdef str put_word(int status)                                                  # PUT_* or PACKET_* as a stable word
