# 20 ms of a room: seats in, one mix for all who listen and one for each who is heard. Plain C state.

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from spacecore._mixer cimport FRAME_SAMPLES, limiter_t
from spacecore._opus cimport encoder_config_t
from spacecore._packet cimport MAX_PRIME, REPORT_BYTES, report_t
from spacecore._recovery cimport recovery_t
from spacecore._seat cimport seat_t
from spacecore._tap cimport tap_t
from spacecore.libopus cimport OpusDecoder, OpusEncoder
from spacecore.reports cimport reports_t
from spacecore.trace cimport trace_t

cdef enum:
    SPACE_MAX_SEATS = 32
    SPACE_MAX_TAPS = 4
    SPACE_RING = 256            # commands that may wait for a tick; a power of two
    SPACE_LISTED = 16           # seats named in a datagram
    SPACE_LOUDEST = 3
    SPACE_PACKET_BYTES = 1170   # the largest datagram that fits a QUIC packet of 1200 bytes
    SPACE_FRAME_BYTES = 1100    # of it, for the Opus frame
    # Beside the full mix, a seat gets at most one packet of its own in a tick.
    SPACE_MAX_PACKETS = SPACE_MAX_SEATS + 1
    SPACE_PAUSE_FRAMES = 2      # how often the end of the audio is said
    SPACE_REPORT_TICKS = 50     # between two reports to the people in seats
    SPACE_PRIMES = MAX_PRIME    # frames before a change of source

cdef enum:
    SOURCE_MIX = -1
    SOURCE_NONE = -2            # nothing that a decoder could go on from

cdef enum:
    NOBODY = -1                 # no seat
    FULL = -1                   # audience: everyone who is in no other audience of this tick

cdef enum:                      # beside PACKET_* and PUT_*
    PUT_UNKNOWN_SEAT = -30
    PUT_WRONG_KIND = -31        # a datagram for a seat that is fed PCM
    PUT_REPORT = 30             # a receiver report was taken

cdef enum:
    NO_SEAT = -1                # space_report: from somebody who listens

cdef enum command_kind_t:
    COMMAND_ADD
    COMMAND_REMOVE
    COMMAND_MUTE
    COMMAND_GAIN
    COMMAND_TAP
    COMMAND_UNTAP
    COMMAND_TRACE
    COMMAND_UNTRACE

cdef struct command_t:
    command_kind_t kind
    int64_t serial
    int seat
    seat_t* handle              # COMMAND_ADD
    tap_t* tap                  # COMMAND_TAP, COMMAND_UNTAP
    trace_t* trace              # COMMAND_TRACE
    float value                 # COMMAND_MUTE: 0 or 1; COMMAND_GAIN: linear

cdef struct packet_out_t:
    int audience                # FULL or a seat
    int n_bytes
    uint8_t data[SPACE_PACKET_BYTES]

cdef struct report_out_t:       # how a speaker's audio arrived, for the person in the seat
    int seat
    int n_bytes
    uint8_t data[REPORT_BYTES]

cdef struct recent_t:
    int n_bytes                 # 0: none
    uint8_t frame[SPACE_FRAME_BYTES]

# What a tick leaves behind; valid until the next one.
cdef struct out_t:
    int n_packets
    packet_out_t packets[SPACE_MAX_PACKETS]
    int n_excluded              # seats that must not get FULL
    int excluded[SPACE_MAX_SEATS]
    int n_seats
    int seats[SPACE_MAX_SEATS]
    int levels[SPACE_MAX_SEATS]     # RFC 6464, beside `seats`
    int n_audible
    int audible[SPACE_MAX_SEATS]    # loudest first
    int dominant                # a seat, or NOBODY
    uint32_t timestamp
    int64_t applied             # serial of the last command that took effect
    int n_reports
    report_out_t reports[SPACE_MAX_SEATS]

cdef struct space_counts_t:
    uint64_t ticks
    uint64_t decodes            # frames decoded, recovered or concealed: for the mix, for taps, and to measure who is passed on
    uint64_t encodes
    uint64_t encode_errors
    uint64_t packets
    uint64_t pauses
    uint64_t buffered           # frames that came out of seats' jitter buffers into the mix
    int64_t delay_us            # of these, the sum of their delays in the buffer, the wait for the tick included …
    int64_t target_us           # … and of the delays aimed at
    uint64_t malformed
    uint64_t unknown_seat
    uint64_t reports            # of people, on what they hear
    uint64_t told               # … and to those in seats, on what they send
    uint64_t wrong_kind         # datagrams for seats that are fed PCM
    uint64_t pcm_dropped        # frames that waited too long in such a seat
    uint64_t disbelieved        # seats whose claimed level was given up
    uint64_t passed             # a lone speaker's frames passed on as they came
    uint64_t measured           # of the frames passed on, those that were decoded to be measured
    uint64_t switches           # changes of what the full stream is made of
    uint64_t primed             # frames encoded only to bring an encoder to where it goes on

# Driving contract. One control thread pushes commands (space_command) and frees what they took out; one media
# thread calls space_put and space_tick. They share the command ring, the PCM queues and the taps, and nothing else.
# A seat, tap or trace handed in belongs to the media thread until `applied` has reached the serial of the command that
# takes it out again. No function here knows a clock, allocates or needs the interpreter.
cdef struct space_t:
    int n_seats
    seat_t* seats[SPACE_MAX_SEATS]      # in order of seat number, which is the order of the sum
    int n_taps
    tap_t* taps[SPACE_MAX_TAPS]
    trace_t* trace              # what it writes down, or NULL
    bint told                   # a replay says what was done in each seat: nothing is passed on
    int64_t now_us              # of the call under way
    command_t ring[SPACE_RING]
    uint32_t ring_head          # written by the control thread only
    uint32_t ring_tail          # written by the media thread only
    int64_t applied             # written by the media thread only
    OpusEncoder* encoder
    OpusDecoder* shadow         # for a look at what is not due yet; NULL: packets are never passed on, and no mix looks ahead
    limiter_t limiter
    seat_t* passed              # whose packet goes on as it is in this tick, or NULL
    int source                  # what the full stream was made of last: a seat's packets, or SOURCE_*
    int gain                    # quarter dB, of its last frame
    int waited                  # frames mixed of a lone seat that could be passed on, until it can be done without a seam
    recent_t recent[SPACE_PRIMES]       # the last frames of the full stream, oldest first
    float mix[FRAME_SAMPLES]    # the sum, wide
    float full[FRAME_SAMPLES]   # the sum, limited
    uint16_t seq                # of the next frame
    uint32_t timestamp          # of this tick
    uint8_t toc                 # of the last frame encoded, for pause frames
    int pauses                  # pause frames still owed to all
    int idle_ticks
    int keep_alive_ticks        # between pause frames in silence; 0: none
    int n_audible
    seat_t* audible[SPACE_MAX_SEATS]    # in order of seat number
    int listed[SPACE_MAX_SEATS]         # the same seats' numbers, loudest first
    # loss: what people report, and what the encoder of the mix makes of it; see _tick_recovery.pxi
    reports_t reports
    recovery_t recovery
    bint has_fec                # its encoders may make FEC
    int least_loss_pct          # expected in any case
    int dominant                # a seat, or NOBODY; it stays while nobody else takes over
    int judged_ticks            # since the last decision
    int unheard_ticks           # in a row
    space_counts_t counts

# OPUS_OK or status. pass_through: a lone speaker's own packets are passed on.
cdef int space_init(space_t* space, const encoder_config_t* config, int keep_alive_ticks, bint pass_through) noexcept nogil
cdef void space_close(space_t* space) noexcept nogil                                                       # frees its seats and taps too
cdef bint space_command(space_t* space, const command_t* command) noexcept nogil                           # False: the ring is full
cdef int space_fec_pct(const space_t* space) noexcept nogil                      # what the encoder of the mix makes FEC for
cdef int space_put(space_t* space, int seat, const uint8_t* data, int n_bytes, int64_t now_us) noexcept nogil
# What somebody hears, by their own account; `vote` as reports_add has it. NO_SEAT: they only listen.
cdef void space_report(space_t* space, int seat, const report_t* report, int64_t vote, int64_t now_us) noexcept nogil
cdef void space_tick(space_t* space, int64_t now_us, out_t* out) noexcept nogil

# The stages of a tick, in order, so that a benchmark can time them one by one.
cdef void space_drain(space_t* space) noexcept nogil
cdef void space_pull(space_t* space, int64_t now_us) noexcept nogil
cdef void space_decode(space_t* space) noexcept nogil
cdef void space_judge(space_t* space) noexcept nogil
cdef void space_mix(space_t* space) noexcept nogil
cdef void space_encode(space_t* space, out_t* out) noexcept nogil
