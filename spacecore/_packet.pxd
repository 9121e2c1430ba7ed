# The datagram of `spaces/1`: parsed in place, packed into the caller's buffer. docs/protocol.md is its specification.

from libc.stdint cimport int8_t, int16_t, uint8_t, uint16_t, uint32_t

cdef enum:
    KIND_AUDIO = 1
    KIND_REPORT = 2

cdef enum:
    AUDIO_HEADER_BYTES = 12     # on the way up; on the way down the seat list follows
    REPORT_LEAST_BYTES = 14     # a report of before there were bursts and advice
    REPORT_BYTES = 19           # the longest
    REPORT_UP_BYTES = 16        # without advice
    DATAGRAM_MAX_BYTES = 1200   # more than one QUIC packet carries on any path we use
    MAX_NEW = 3
    MAX_REDUNDANT = 2
    MAX_PRIME = 2
    MAX_FRAMES = 7
    OPUS_FRAME_MAX_BYTES = 1275  # RFC 6716 §3.4, R2
    FRAME_TICKS = 960            # 20 ms at 48 kHz

cdef enum:
    LEVEL_SILENCE = 127          # RFC 6464: -127 dBov, digital silence
    LEVEL_VOICE = 0x80           # RFC 6464: the V bit

cdef enum:
    PACKET_OK = 0
    PACKET_EMPTY = -1            # no kind byte
    PACKET_BAD_VERSION = -2      # first byte is not 0x00
    PACKET_UNKNOWN_KIND = -3
    PACKET_TRUNCATED = -4        # ends inside the header, the seat list or a frame
    PACKET_TOO_LONG = -5
    PACKET_BAD_COUNTS = -6       # 0 new frames, or 3 redundant or prime-only ones
    PACKET_BAD_FRAME = -7        # a frame of 0 or more than 1275 bytes
    PACKET_NO_ROOM = -8          # packing: the caller's buffer is too small

# Frames stand in decoding order: redundant (oldest first), prime-only, new. The pointers lead into the
# parsed datagram (or, for packing, to wherever the caller has them).
cdef struct audio_t:
    uint16_t seq                # of the first new frame
    uint32_t timestamp          # of the first new frame, 48 kHz
    uint8_t level               # RFC 6464
    int8_t gain                 # quarter dB, applied by the receiver
    int n_new
    int n_redundant
    int n_prime
    int distance                # 1 or 2: the newest redundant frame is seq - distance
    bint source_changed
    bint stereo
    int n_seats
    const uint8_t* seats        # loudest first; only on the way down
    const uint8_t* frame[MAX_FRAMES]
    int frame_bytes[MAX_FRAMES]

# What a receiver asks of a sender, for what it sends from now on.
cdef struct advice_t:
    uint8_t expect_pct          # the loss to make in-band FEC for, 0: none
    uint8_t most_kbps           # of new frames, 0: whatever the sender likes
    uint8_t copies              # of frames before, 0 to 2 in each datagram
    uint8_t distance            # of the newest copy, 1 or 2

cdef struct report_t:
    uint16_t highest_seq
    uint16_t received           # frames since the last report, as the three below
    uint16_t lost
    uint16_t concealed
    uint16_t jitter_ms
    uint16_t delay_ms           # present delay of the receiver's jitter buffer
    uint16_t bursts             # runs of lost frames that follow each other; 0 with losses: not said
    bint is_advised             # the rest is there
    advice_t advice

# Wrap-safe distance a - b of sequence numbers (RFC 1982 in two's complement).
cdef inline int16_t seq_distance(uint16_t a, uint16_t b) noexcept nogil:
    return <int16_t>(<uint16_t>(a - b))

cdef int packet_kind(const uint8_t* data, int n_bytes) noexcept nogil            # KIND_* or status
cdef int packet_parse_audio(const uint8_t* data, int n_bytes, bint down, audio_t* audio) noexcept nogil
cdef int packet_pack_audio(const audio_t* audio, bint down, uint8_t* out, int capacity_bytes) noexcept nogil   # bytes or status
cdef int packet_parse_report(const uint8_t* data, int n_bytes, report_t* report) noexcept nogil
cdef int packet_pack_report(const report_t* report, uint8_t* out, int capacity_bytes) noexcept nogil           # bytes or status
cdef object packet_error(int status)                                             # exception for a status
cdef const char* packet_status_code(int status) noexcept nogil                   # the same as a stable word, for counters
