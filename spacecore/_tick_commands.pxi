# What the control thread asks for, carried out between two ticks; in _tick.pyx.

cdef void space_drain(space_t* space) noexcept nogil:
    """Carry out what the control thread asked for, and say how far it came."""
    cdef uint32_t tail = space.ring_tail
    cdef uint32_t head = load_u32(&space.ring_head)
    cdef command_t* command
    while tail != head:
        command = &space.ring[tail % SPACE_RING]
        if space.trace != NULL:
            trace_command(space, command)
        _apply(space, command)
        store_i64(&space.applied, command.serial)
        tail += 1
        store_u32(&space.ring_tail, tail)


cdef void _apply(space_t* space, const command_t* command) noexcept nogil:
    cdef seat_t* seat
    cdef int i
    if command.kind == COMMAND_ADD:
        _insert(space, command.handle)
    elif command.kind == COMMAND_REMOVE:
        _take_out(space, command.seat)
    elif command.kind == COMMAND_TAP:
        space.taps[space.n_taps] = command.tap
        space.n_taps += 1
    elif command.kind == COMMAND_TRACE:
        trace_begin(space, command)
    elif command.kind == COMMAND_UNTRACE:
        trace_end(space)
    elif command.kind == COMMAND_UNTAP:
        for i in range(space.n_taps):
            if space.taps[i] == command.tap:
                space.n_taps -= 1
                space.taps[i] = space.taps[space.n_taps]
                break
    else:
        seat = _seat(space, command.seat)
        if seat != NULL and command.kind == COMMAND_MUTE:
            seat_set_muted(seat, command.value != 0)
        elif seat != NULL:
            seat_set_gain(seat, command.value)


cdef void _insert(space_t* space, seat_t* seat) noexcept nogil:
    cdef int at = space.n_seats
    if space.shadow != NULL and seat.kind == SEAT_OPUS:
        seat.lead = OPUS_LOOK_AHEAD
    while at > 0 and space.seats[at - 1].number > seat.number:
        space.seats[at] = space.seats[at - 1]
        at -= 1
    space.seats[at] = seat
    space.n_seats += 1


cdef void _take_out(space_t* space, int number) noexcept nogil:
    cdef int i
    cdef int at = 0
    while at < space.n_seats and space.seats[at].number != number:
        at += 1
    if at == space.n_seats:
        return
    if space.source == number:
        space.source = SOURCE_NONE
    space.n_seats -= 1
    if space.dominant == number:
        space.dominant = NOBODY
    for i in range(at, space.n_seats):
        space.seats[i] = space.seats[i + 1]


cdef seat_t* _seat(space_t* space, int number) noexcept nogil:
    cdef int i
    for i in range(space.n_seats):
        if space.seats[i].number == number:
            return space.seats[i]
    return NULL
