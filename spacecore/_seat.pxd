# A speaker's place in the mix: what comes in, whether it is heard, its voice, and the encoder for what its person hears.

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from spacecore._mixer cimport FRAME_SAMPLES, gate_t, limiter_t, ramp_t
from spacecore._opus cimport encoder_config_t
from spacecore._receiver cimport receiver_t
from spacecore._recovery cimport arrivals_t, recovery_t
from spacecore.dominant cimport speech_t
from spacecore.libopus cimport OpusDecoder, OpusEncoder
from spacecore.loudness cimport loudness_t
from spacecore.passing cimport passable_t
from spacecore.seat_line cimport line_t

cdef enum:
    PCM_QUEUE = 32              # frames of a seat that is fed PCM; a power of two
    PCM_BOUND = 25              # of these, how many may wait: 500 ms; then the oldest go
    SEAT_LEAST_TARGET_US = 20000    # a frame: its next packet is mostly there at the tick, for a mix to look ahead into
    MISMATCH_DB = 12            # a claimed level this far from the measured one …
    MISMATCH_FRAMES = 50        # … for one second is no longer believed

cdef enum seat_kind_t:
    SEAT_OPUS
    SEAT_PCM

cdef enum hears_t:              # what the person in a seat was sent last
    HEARS_FULL
    HEARS_MINUS
    HEARS_NOTHING

# PCM waiting for a seat: one writer (the control thread), one reader (the tick).
cdef struct pcm_queue_t:
    uint32_t head               # written by the writer only
    uint32_t tail               # written by the reader only
    float frames[PCM_QUEUE][FRAME_SAMPLES]

cdef struct seat_t:
    int number
    seat_kind_t kind
    receiver_t receiver         # SEAT_OPUS
    pcm_queue_t queue           # SEAT_PCM
    # whether it is in the mix
    gate_t gate
    bint muted
    float gain                  # linear: what was asked for, the gain for its loudness apart
    bint held                   # its loudness is held to the target
    loudness_t loudness
    void* denoiser              # NULL: nothing is taken out of its sound; else see _denoise
    ramp_t ramp                 # to both gains together, or to 0 where it is muted
    bint measured               # its header is not believed: it is judged by what is decoded
    int mismatch
    bint due                    # something came for this tick
    int dropped                 # of the PCM that waited, the oldest frames beyond PCM_BOUND, in this tick
    bint wanted                 # to be decoded in this tick
    bint audible                # in the mix of this tick
    int heard                   # HEARD_* of this tick
    int level                   # of this tick, RFC 6464, as shown to people
    speech_t speech             # of the last second, for who dominates
    float voice[FRAME_SAMPLES]  # as it goes into the mix: with its gain, `lead` samples ahead
    int told                    # DONE_* that a replay says was done with what is due; DONE_NOTHING: decide by the sound
    int lead                    # 0, or the codec's look-ahead where the room may pass packets on; see seat_line
    line_t line
    float past_gain             # linear, of the frames before that of this tick
    passable_t passable
    # what its person hears
    OpusEncoder* encoder        # of the mix without its own voice
    limiter_t limiter
    float minus[FRAME_SAMPLES]
    hears_t hears
    int pauses                  # pause frames still owed
    # loss, both ways; see _tick_recovery.pxi
    arrivals_t arrivals         # of what its person sends …
    recovery_t asked            # … and what that person is asked for
    recovery_t heard_by         # how the person hears, for the encoder above
    int64_t vote                # of reports that come by space_put

cdef seat_t* seat_open(int number, seat_kind_t kind, float gain, const encoder_config_t* config, int* status) noexcept nogil
cdef void seat_close(seat_t* seat) noexcept nogil
cdef bint seat_put_pcm(seat_t* seat, const float* pcm) noexcept nogil   # False: the queue is full
cdef void seat_set_muted(seat_t* seat, bint muted) noexcept nogil
cdef void seat_set_gain(seat_t* seat, float gain) noexcept nogil
cdef void seat_next(seat_t* seat, int64_t now_us) noexcept nogil         # sets due, wanted
cdef void seat_decode(seat_t* seat, OpusDecoder* shadow) noexcept nogil  # sets voice, level, audible
cdef bint seat_fits(seat_t* seat, bint passing) noexcept nogil           # whether what is due may be passed on as it is
cdef void seat_pass(seat_t* seat, bint tapped, OpusDecoder* shadow) noexcept nogil  # instead of seat_decode; sets level, audible
cdef float seat_gain(const seat_t* seat) noexcept nogil                  # of its packets in this tick, linear; 0: muted
