# What is done for people whose network loses: copies of frames for those who hear, reports for those who speak; in _media.pyx.
#
# Both are decided with the connection, under its lock. Where nobody loses anything, nothing of this costs anything.

cdef void judge_reception(conn_t* conn, const report_t* report, int64_t now_us) noexcept nogil:
    """What somebody's report says of how to send to them. Under the connection's lock."""
    cdef int copies = 0
    cdef int expected = <int>report.lost + report.received
    # A lost bundle is a run of losses: only of what was sent as single frames is anything concluded.
    if conn.listener.lossy and conn.listener.redundancy > 0:
        copies = min(<int>conn.listener.redundancy, recovery_copies(report.lost, expected, report.bursts))
    if copies > 0:
        conn.listener.copies = <uint8_t>copies
        conn.listener.copies_until_us = now_us + MEDIA_LOSSY_US
    # Not the rounded figure: 2.01 % is more than 2 %.
    if 100 * <int>report.lost > MEDIA_LOSSY_PCT * expected:
        conn.listener.lossy = 1
        conn.listener.lossy_until_us = now_us + MEDIA_LOSSY_US


cdef inline int _copies(pass_t* turn, entry_t* entry) noexcept nogil:
    """Copies that go with each datagram for somebody, now. Under the lock."""
    cdef conn_t* conn = entry.conn
    if conn.listener.copies > 0 and turn.now_us >= conn.listener.copies_until_us:
        conn.listener.copies = 0
    entry.copies = conn.listener.copies
    return entry.copies


cdef const uint8_t* _with_copies(pass_t* turn, entry_t* entry, const uint8_t* data, int* n_bytes) noexcept nogil:
    """The newest frame with copies before it, built once for all who get as many; else `data`, which has none."""
    cdef int size = 0
    cdef const uint8_t* copied = bundle_copied(&turn.room.bundle_state, entry.copies, &size)
    if copied == NULL or size > conn_largest_payload(entry.conn):
        return data
    n_bytes[0] = size
    turn.room.counts.copied += 1
    return copied


cdef void _tell_seats(pass_t* turn, const out_t* out) noexcept nogil:
    """Once a second: to who sits there, how their audio arrives. Who is in other hands just now is told a second later."""
    cdef entry_t* entry
    cdef uint32_t at
    cdef int i
    for i in range(256):
        turn.by_seat[i] = NOTHING
    for i in range(out.n_reports):
        turn.by_seat[out.reports[i].seat & 255] = <int16_t>i
    for at in range(turn.room.n_entries):
        entry = &turn.room.entries[at]
        if entry.seat < 0 or turn.by_seat[entry.seat] == NOTHING or not plane_trylock(entry.conn):
            continue
        i = turn.by_seat[entry.seat]
        if (_is_here(turn.room, entry) and entry.conn.listener.takes_reports
                and _send(turn, entry.conn, out.reports[i].data, out.reports[i].n_bytes)):
            turn.room.counts.told += 1
        plane_unlock(entry.conn)
