# Who talks in a room, told to the control side when it changes; in _media.pyx.
#
# What is told is a state, not what happened: a notice says that there is something to look at, so none is ever lost for good
# where their queue is full, and two changes between two looks are one.

cdef void tell_talk(media_t* media, room_t* room, const out_t* out) noexcept nogil:
    """Called once a tick: compare who is heard with what was told."""
    cdef uint64_t now[MEDIA_TALK_WORDS]
    cdef int i
    memset(now, 0, sizeof(now))
    for i in range(out.n_audible):
        now[(out.audible[i] & 255) >> 6] |= <uint64_t>1 << (out.audible[i] & 63)
    for i in range(MEDIA_TALK_WORDS):
        if now[i] != <uint64_t>room.talking[i]:
            store_i64(&room.talking[i], <int64_t>now[i])
            room.talk_untold = True
    if room.dominant != out.dominant:
        store_i64(&room.dominant, out.dominant)
        room.talk_untold = True
    if room.talk_untold and media_tell(media, NOTICE_TALK, room.index, 0):
        room.talk_untold = False


cdef object room_talking(const room_t* room):
    """The seats, in order."""
    cdef int i
    return tuple([i for i in range(256) if <uint64_t>load_i64(&room.talking[i >> 6]) >> (i & 63) & 1])
