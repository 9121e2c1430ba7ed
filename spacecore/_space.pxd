# A room as other native code sees it: the C interface of `_tick` under the name of the room.

from spacecore._tick cimport (
    COMMAND_ADD, COMMAND_GAIN, COMMAND_MUTE, COMMAND_REMOVE, COMMAND_TAP, COMMAND_UNTAP, FULL, PUT_REPORT, PUT_UNKNOWN_SEAT,
    PUT_WRONG_KIND, SPACE_LOUDEST, SPACE_MAX_SEATS, SPACE_MAX_TAPS, SPACE_RING, command_kind_t, command_t, out_t, packet_out_t,
    space_close, space_command, space_counts_t, space_decode, space_drain, space_encode, space_init, space_mix, space_pull, space_put,
    space_t, space_tick,
)
