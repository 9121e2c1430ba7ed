# A room as other native code sees it: the C interface of `_tick` under the name of the room.

from libc.stdint cimport int64_t

from spacecore._opus cimport encoder_config_t
from spacecore._seat cimport seat_t
from spacecore._tap cimport tap_t
from spacecore._tick cimport (
    COMMAND_ADD, COMMAND_GAIN, COMMAND_MUTE, COMMAND_REMOVE, COMMAND_TAP, COMMAND_TRACE, COMMAND_UNTAP,
    COMMAND_UNTRACE, FULL, NO_SEAT, NOBODY, PUT_REPORT, PUT_UNKNOWN_SEAT, PUT_WRONG_KIND, SPACE_LOUDEST, SPACE_MAX_SEATS,
    SPACE_MAX_TAPS, SPACE_RING, command_kind_t, command_t, out_t, packet_out_t,
    space_close, space_command, space_counts_t, space_decode, space_drain, space_encode, space_init, space_mix, space_pull, space_put,
    space_fec_pct, space_report, space_t, space_tick,
)

cdef class Space:
    cdef space_t* _space        # for whoever ticks it natively; the handle stays the control side
    cdef out_t* _out
    cdef encoder_config_t _config
    cdef bint _loudness
    cdef bint _denoise
    cdef bint _traced
    cdef int64_t _serial
    cdef dict _seats            # number -> seat_t* as the control thread sees it
    cdef dict _taps             # tap_t* -> Tap
    cdef list _retired          # (serial, seat_t* or 0, tap_t* or 0, trace_t* or 0), oldest first
    cdef seat_t* _handle(self, int seat) except NULL
    cdef int64_t _push(self, command_t* command) except -1
    cdef int64_t _set(self, command_kind_t kind, int seat, float value) except -1
    cdef void _collect(self, bint all_of_it) noexcept
    cdef int _untap(self, tap_t* tap) except -1
