# How frames are numbered and each listener is judged, without the interpreter; included in _tally.pyx.

# --- histograms -----------------------------------------------------------------------------------------------

cdef void histogram_put(histogram_t* histogram, int64_t value_us) noexcept nogil:
    cdef int64_t bucket = value_us // histogram.width_us
    histogram.count[bucket if bucket < TALLY_BUCKETS else TALLY_BUCKETS] += 1
    histogram.n += 1
    histogram.sum_us += value_us
    if value_us > histogram.max_us:
        histogram.max_us = value_us


cdef void histogram_clear(histogram_t* histogram) noexcept nogil:
    cdef int64_t width_us = histogram.width_us
    memset(histogram, 0, sizeof(histogram_t))
    histogram.width_us = width_us


# --- the numbering of the mix ---------------------------------------------------------------------------------

cdef void board_begin(board_t* board, bint check_bytes) noexcept nogil:
    cdef int i
    memset(board, 0, sizeof(board_t))
    board.check_bytes = check_bytes
    board.highest = -1
    board.gaps.width_us = TALLY_GAP_BUCKET_US
    board.jitters.width_us = TALLY_JITTER_BUCKET_US
    for i in range(TALLY_RING):
        board.frame[i].seq = -1


cdef inline frame_t* frame_at(board_t* board, int64_t seq) noexcept nogil:
    """The frame of this number, NULL if none is known to have had it."""
    cdef frame_t* frame = &board.frame[seq & (TALLY_RING - 1)]
    return frame if frame.seq == seq else NULL


cdef void note(board_t* board, int64_t seq, int64_t heard_us) noexcept nogil:
    cdef frame_t* frame = &board.frame[seq & (TALLY_RING - 1)]
    board.ordinal += 1
    frame.seq = seq
    frame.heard_us = heard_us
    frame.ordinal = board.ordinal
    frame.hash = 0


cdef int64_t unwrap(board_t* board, uint16_t seq) noexcept nogil:
    """The number without its wrap at 65536, nearest to the newest one."""
    # A lap ahead, so that numbers before the first stay positive.
    if board.highest < 0:
        return 65536 + <int64_t>seq
    return board.highest + seq_distance(seq, <uint16_t>(board.highest & 0xFFFF))


cdef void advance(board_t* board, int64_t first, audio_t* audio, int64_t arrived_us) noexcept nogil:
    """Make the frames of a datagram known, and those before it that must have been there.

    Numbers that are passed over just after a pause, or at another source, were given to other streams of the Space
    (docs/protocol.md, "The jitter buffer").
    """
    cdef int64_t last = first + audio.n_new - 1
    cdef int64_t seq
    if last <= board.highest:
        return
    if board.highest < 0 or board.silent or audio.source_changed or first - board.highest > TALLY_RING // 2:
        seq = first if first > board.highest else board.highest + 1
    else:
        seq = board.highest + 1
    while seq <= last:
        note(board, seq, arrived_us)
        seq += 1
    board.highest = last
    board.newest_us = arrived_us
    board.silent = audio.frame_bytes[audio.n_redundant + audio.n_prime + audio.n_new - 1] <= PAUSE_BYTES


cdef int64_t ordinal_before(board_t* board, int64_t heard_us) noexcept nogil:
    """Ordinal of the last frame that was heard before then; 0 if there is none.

    From the newest backwards over what is remembered.
    """
    cdef int64_t seq = board.highest
    cdef int i
    cdef frame_t* frame
    cdef int64_t oldest = board.ordinal
    for i in range(TALLY_RING):
        if seq < 0:
            break
        frame = frame_at(board, seq)
        if frame != NULL:
            if frame.heard_us < heard_us:
                return frame.ordinal
            oldest = frame.ordinal - 1
        seq -= 1
    return oldest


# --- one listener ---------------------------------------------------------------------------------------------

cdef uint64_t hash_of(const uint8_t* data, int n_bytes) noexcept nogil:
    """Any difference shows with near certainty; 0 is never returned."""
    cdef uint64_t mixed = <uint64_t>0x9E3779B97F4A7C15 ^ <uint64_t>n_bytes
    cdef uint64_t word
    cdef int at = 0
    while at < n_bytes:
        word = 0
        memcpy(&word, data + at, 8 if n_bytes - at >= 8 else n_bytes - at)
        mixed = (mixed ^ word) * <uint64_t>0xFF51AFD7ED558CCD
        mixed ^= mixed >> 32
        at += 8
    return mixed | 1


cdef void compare(board_t* board, int64_t seq, const uint8_t* data, int n_bytes) noexcept nogil:
    cdef frame_t* frame = frame_at(board, seq)
    cdef uint64_t hash
    if frame == NULL:
        return
    hash = hash_of(data, n_bytes)
    if frame.hash == 0:
        frame.hash = hash
    elif frame.hash != hash:
        board.counts.mismatched += 1


cdef bint take_frame(board_t* board, ear_t* ear, int64_t seq) noexcept nogil:
    """Whether it is new to this listener."""
    cdef int64_t ahead = seq - ear.highest
    cdef frame_t* frame = frame_at(board, seq)
    if frame == NULL:
        board.counts.strays += 1
        return False
    if ear.highest < 0 or ahead > 0:
        ear.window = 1 if ear.highest < 0 or ahead >= 64 else ear.window << ahead | 1
        ear.highest = seq
    elif ahead <= -64:
        board.counts.late += 1
        return False
    elif ear.window >> -ahead & 1:
        board.counts.duplicates += 1
        return False
    else:
        ear.window |= <uint64_t>1 << -ahead
    if ear.state == EAR_WAITING:
        ear.base = ordinal_before(board, ear.joined_us + TALLY_GRACE_US)
        if frame.ordinal - 1 < ear.base:
            ear.base = frame.ordinal - 1
        ear.told = frame.ordinal - 1
        ear.state = EAR_HEARING
    if frame.ordinal <= ear.base:
        board.counts.late += 1
        return False
    ear.received += 1
    ear.told_received += 1
    board.counts.frames += 1
    return True


cdef void measure(board_t* board, ear_t* ear, audio_t* audio, int64_t arrived_us) noexcept nogil:
    """Gap since the datagram before, and the jitter of RFC 3550 section 6.4.1."""
    # A datagram leaves when its last frame is there: that one's time is comparable whatever the bundle.
    cdef uint32_t timestamp = audio.timestamp + <uint32_t>(FRAME_TICKS * (audio.n_new - 1))
    cdef int64_t transit_us = arrived_us - <int64_t>timestamp * 125 // 6
    cdef int64_t wrap_us = (<int64_t>1 << 32) * 125 // 6
    cdef int64_t difference
    if ear.last_us:
        difference = arrived_us - ear.last_us if arrived_us > ear.last_us else 0
        histogram_put(&board.gaps, difference)
        if difference > ear.longest_gap_us:
            ear.longest_gap_us = difference
    if ear.has_transit:
        difference = transit_us - ear.transit_us
        if difference > wrap_us // 2:
            difference -= wrap_us
        elif difference < -(wrap_us // 2):
            difference += wrap_us
        difference = difference if difference >= 0 else -difference
        ear.jitter += difference - ((ear.jitter + 8) >> 4)
    ear.transit_us = transit_us
    ear.has_transit = True
    ear.last_us = arrived_us


cdef void board_take(board_t* board, ear_t* ear, const uint8_t* data, int n_bytes, int64_t arrived_us) noexcept nogil:
    """One datagram that came to a listener. What was not sent to listeners of the mix is counted and passed over."""
    cdef audio_t audio
    cdef int64_t first
    cdef int first_new
    cdef int i
    cdef bint is_new = False
    if ear.state != EAR_WAITING and ear.state != EAR_HEARING:
        return
    if packet_parse_audio(data, n_bytes, True, &audio) != PACKET_OK:
        if packet_kind(data, n_bytes) <= KIND_AUDIO:  # a report of the server's is fine
            board.counts.malformed += 1
        return
    board.counts.datagrams += 1
    board.counts.bytes += n_bytes
    board.counts.bundled += audio.n_new > 1
    first = unwrap(board, audio.seq)
    first_new = audio.n_redundant + audio.n_prime
    advance(board, first, &audio, arrived_us)
    for i in range(audio.n_new):
        if board.check_bytes:
            compare(board, first + i, audio.frame[first_new + i], audio.frame_bytes[first_new + i])
        is_new |= take_frame(board, ear, first + i)
    if not is_new:
        return
    measure(board, ear, &audio, arrived_us)
    if audio.frame_bytes[first_new + audio.n_new - 1] <= PAUSE_BYTES and first + audio.n_new - 1 == ear.highest:
        board.counts.pauses += 1
        ear.last_us = 0
        ear.has_transit = False


cdef int64_t settled(board_t* board, int64_t now_us, int64_t* seq) noexcept nogil:
    """Ordinal of the newest frame that had its time to arrive everywhere, and its number (-1: there is none)."""
    cdef int64_t found = board.highest
    cdef frame_t* frame
    cdef int i
    for i in range(64):  # what a listener's window can tell apart
        frame = frame_at(board, found) if found >= 0 else NULL
        if frame != NULL and frame.heard_us + TALLY_SETTLE_US <= now_us:
            seq[0] = found
            return frame.ordinal
        if found < 0:
            break
        found -= 1
    seq[0] = found
    frame = frame_at(board, found) if found >= 0 else NULL
    return frame.ordinal if frame != NULL else 0


cdef void owed(board_t* board, ear_t* ear, int64_t until, int64_t until_seq, int64_t* expected, int64_t* received) noexcept nogil:
    """Frames that this listener should have by now, and those of them that it has."""
    cdef int64_t base = ear.base
    cdef int64_t seq = ear.highest
    cdef frame_t* frame
    cdef int age
    if ear.state == EAR_ENDED:
        expected[0] = ear.ended - base
        received[0] = ear.received
        return
    if ear.state == EAR_WAITING:
        base = ordinal_before(board, ear.joined_us + TALLY_GRACE_US)
    expected[0] = until - base if until > base else 0
    received[0] = ear.received
    for age in range(64):  # what it has of frames that are not settled yet
        if seq - age <= until_seq or seq < 0:
            break
        frame = frame_at(board, seq - age)
        if ear.window >> age & 1 and frame != NULL and frame.ordinal > base:
            received[0] -= 1


cdef int board_report(board_t* board, ear_t* ear, uint8_t* out) noexcept nogil:
    cdef report_t report
    cdef frame_t* frame
    cdef int64_t lost
    if ear.state != EAR_HEARING or ear.told_received == 0:
        return 0
    frame = frame_at(board, ear.highest)
    if frame == NULL:
        return 0
    lost = frame.ordinal - ear.told - ear.told_received
    lost = 0 if lost < 0 else lost
    report.highest_seq = <uint16_t>(ear.highest & 0xFFFF)
    report.received = <uint16_t>(ear.told_received if ear.told_received < 65535 else 65535)
    report.lost = <uint16_t>(lost if lost < 65535 else 65535)
    report.concealed = report.lost
    report.jitter_ms = <uint16_t>((ear.jitter >> 4) // 1000 if ear.jitter >> 4 < 65535000 else 65535)
    report.delay_ms = PLAYOUT_MS
    report.bursts = 0        # not said: bundles would look like bursts
    report.is_advised = False
    ear.told = frame.ordinal
    ear.told_received = 0
    return packet_pack_report(&report, out, REPORT_BYTES)
