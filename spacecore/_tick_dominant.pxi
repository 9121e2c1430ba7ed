# Who dominates, decided every 300 ms from what was heard; in _tick.pyx.

cdef void space_judge(space_t* space) noexcept nogil:
    """Note what each seat says in this tick. After a second in which nobody is heard there is nothing to note."""
    cdef int i
    cdef seat_t* seat
    space.unheard_ticks = 0 if space.n_audible > 0 else min(space.unheard_ticks + 1, <int>SPEECH_FRAMES + 1)
    if space.unheard_ticks > SPEECH_FRAMES:
        return
    for i in range(space.n_seats):
        seat = space.seats[i]
        speech_put(&seat.speech, seat.level if seat.audible else LEVEL_SILENCE)
    space.judged_ticks += 1
    if space.judged_ticks >= DOMINANT_TICKS:
        space.judged_ticks = 0
        _decide(space)


cdef void _decide(space_t* space) noexcept nogil:
    cdef speech_t* people[SPACE_MAX_SEATS]
    cdef int i
    cdef int at = -1
    for i in range(space.n_seats):
        people[i] = &space.seats[i].speech
        if space.seats[i].number == space.dominant:
            at = i
    at = dominant_of(people, space.n_seats, at)
    space.dominant = space.seats[at].number if at >= 0 else NOBODY
