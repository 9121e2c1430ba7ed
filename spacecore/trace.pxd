# What a room writes down where somebody traces it: one writer (the media side), one reader. docs/traces.md has the records.

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t

from spacecore.ring cimport ring_t

cdef enum:
    TRACE_RECORDS = 4096        # that wait for the reader, unless asked otherwise
    TRACE_ARRIVAL = 1           # a datagram of the person in a seat
    TRACE_REPORT = 2            # what somebody hears, by their own account
    TRACE_CHANGE = 3            # what the control side asked for, as it took effect
    TRACE_TICK = 4
    TRACE_COUNTS = 5            # of a seat: once a second, and as it goes
    TRACE_SHAPES = 7            # frames of a datagram
    TRACE_COUNTERS = 26

cdef enum:                      # trace_change_t.what
    CHANGE_ADD = 0
    CHANGE_ADD_PCM = 1
    CHANGE_REMOVE = 2
    CHANGE_MUTE = 3
    CHANGE_GAIN = 4

cdef enum:                      # trace_change_t.bits
    CHANGE_HELD = 1             # its loudness is held to the target
    CHANGE_DENOISED = 2
    CHANGE_BEFORE = 4           # it was so when the trace began

cdef enum:                      # trace_seat_t.bits
    SEAT_IS_AUDIBLE = 1
    SEAT_IS_PASSED = 2          # its packet went on as it was
    SEAT_WAS_ASKED = 4          # whether its sound can be scaled

# In the order of the bytes in memory, which a file takes as they are: little-endian.
cdef packed struct trace_head_t:
    uint8_t kind
    int16_t seat                # -1: none
    int64_t now_us

cdef packed struct trace_arrival_t:
    trace_head_t head
    int16_t verdict             # PUT_* or PACKET_*
    uint16_t n_bytes            # of the datagram
    uint8_t n_shapes            # 0 in a whole one, and in one that is no audio
    uint8_t n_kept              # bytes of its header that follow, then its shapes; in a whole one all of it follows
    uint8_t whole

cdef packed struct trace_shape_t:
    uint16_t n_bytes            # of an Opus frame
    uint8_t toc
    uint8_t count               # the second byte of a packet of code 3, else 0
    uint8_t has_fec

cdef packed struct trace_report_t:
    trace_head_t head
    int64_t vote                # then the report, as in a datagram

cdef packed struct trace_change_t:
    trace_head_t head
    int64_t serial
    uint8_t what
    uint8_t bits
    float value                 # CHANGE_MUTE: 0 or 1; CHANGE_ADD, CHANGE_GAIN: linear

cdef packed struct trace_tick_t:
    trace_head_t head
    uint32_t timestamp
    uint8_t n_packets
    uint8_t n_seats             # so many trace_seat_t follow

cdef packed struct trace_seat_t:
    uint8_t seat
    uint8_t due                 # PULL_*
    uint8_t done                # DONE_*
    uint8_t heard               # HEARD_*
    uint8_t bits
    uint16_t seq                # of what was due
    int16_t spliced             # samples that time scaling added, or (−) removed

cdef packed struct trace_counts_t:
    trace_head_t head
    uint32_t counts[TRACE_COUNTERS]

cdef struct trace_t:
    bint audio                  # datagrams are kept whole
    uint32_t ticks              # that were traced
    ring_t ring
