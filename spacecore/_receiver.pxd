# One incoming stream, datagram to PCM: packet → jitter buffer → decoder. A server's seat and a client's ear are both one.

from libc.stdint cimport int8_t, int64_t, uint8_t, uint16_t, uint64_t

from spacecore._jitter cimport JITTER_CAPACITY, PULL_HELD, jitter_pulled_t, jitter_stats_t, jitter_t
from spacecore._mixer cimport FRAME_SAMPLES, ramp_t
from spacecore._packet cimport audio_t
from spacecore.libopus cimport OpusDecoder

cdef enum:
    LISTED_SEATS = 16           # of a datagram's seat list, so many are kept for the screen
    MAX_CHANNELS = 2
    SOUND_PAST = 960            # samples played last, to repeat a period from
    SOUND_AHEAD = 2880          # of the same buffer: less than a frame is held before a pull, which adds two at most
    COMFORT_FRAMES = 250        # 5 s of comfort noise after a quiet source went silent, the last of them fading; then none
    QUIET_LEVEL = 40            # −dBov: a source that was louder just before is cut off, its noise is not known

cdef enum:                      # what the last pull gave
    HEARD_SILENCE = 0           # nothing is due
    HEARD_FRAME = 1
    HEARD_RECOVERED = 2         # from the next packet's in-band FEC
    HEARD_CONCEALED = 3

cdef enum:                      # what was done with what was due
    DONE_NOTHING = 0
    DONE_SKIPPED = 1
    DONE_DECODED = 2
    DONE_UNSCALED = 3           # decoded, and time not scaled whatever the delay wants

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
    uint64_t skipped            # frames due that were not wanted
    # Samples a channel. 960 × decode() = 960 × (decoded + recovered) + concealed_samples + silence_samples + waited
    # + spliced in − spliced out (jitter_note_scaled) − n_held − thrown_away.
    uint64_t concealed_samples
    uint64_t silence_samples
    uint64_t thrown_away        # held, when the next was not wanted
    uint64_t waited             # silence put in to lengthen the delay

# Driving contract: put() whenever a datagram arrives, next() once every 20 ms, and after each next() either
# decode() or skip(), all from one thread. Plain data but for `decoder`, which belongs to this receiver.
cdef struct receiver_t:
    jitter_t jitter
    jitter_pulled_t due
    OpusDecoder* decoder
    int undecoded               # frames skipped since the decoder last ran
    bint sounding               # the last frame ended in sound, so silence must fade in
    int channels
    int64_t now_us              # of the last next()
    int n_held                  # samples decoded and not played: left over by time scaling, mostly 0
    bint past_known             # what was played last stands in `sound`
    bint seam                   # what was concealed last stood outside of the stream's time
    int floor_level             # −dBov of the background
    int last_level              # of the last frame that was no DTX …
    int before_level            # … and of the one before it
    int comfort                 # frames of comfort noise that are left
    uint8_t level               # RFC 6464 of the frame due, 127 where nothing is
    ramp_t gain
    int done                    # DONE_* of this pull …
    bint asked                  # … whether its sound was looked at for a splice …
    int spliced                 # … and the samples that were added or (−) removed
    int told_lag                # instead of what is found in the sound, at most; −1: what is found
    int n_seats
    uint8_t seats[LISTED_SEATS]
    remark_t remarks[JITTER_CAPACITY]
    receiver_counts_t counts
    float scratch[MAX_CHANNELS * FRAME_SAMPLES]
    float sound[MAX_CHANNELS * (SOUND_PAST + SOUND_AHEAD)]   # the past, then what is held, then what is new


cdef inline int64_t checked_clock(int64_t now_us) except? -1:
    # Beyond this the difference of a time and a timestamp may not fit into 64 bits.
    if not -(<int64_t>1 << 60) < now_us < (<int64_t>1 << 60):
        raise ValueError(f"now_us is {now_us}; it must be between -2**60 and 2**60: microseconds, not nanoseconds")
    return now_us


cdef int receiver_init(receiver_t* receiver, int channels, int64_t least_target_us) noexcept nogil      # OPUS_OK or status
cdef void receiver_close(receiver_t* receiver) noexcept nogil
cdef int receiver_put(receiver_t* receiver, const uint8_t* data, int n_bytes, bint down, int64_t now_us) noexcept nogil
cdef int receiver_put_audio(receiver_t* receiver, const audio_t* audio, int64_t now_us) noexcept nogil
cdef void receiver_next(receiver_t* receiver, int64_t now_us) noexcept nogil
cdef void receiver_skip(receiver_t* receiver) noexcept nogil
cdef int receiver_decode(receiver_t* receiver, float* pcm) noexcept nogil      # HEARD_*; pcm has FRAME_SAMPLES
cdef object receiver_stats(const receiver_t* receiver)                          # ReceiverStats
cdef str put_word(int status)                                                  # PUT_* or PACKET_* as a stable word
