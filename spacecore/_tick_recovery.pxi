# Loss in a room, once a second: what speakers are told of their way up, and what its encoders make FEC for; in _tick.pyx.
#
# The encoder of the mix goes by the tenth of the people that loses most, the encoder of a mix-minus by the one person who
# hears it. Where a lone speaker's packets are passed on, that speaker is asked for what the mix would have had. At no loss there
# is no FEC, and not a byte is spent on it.

cdef void note_arrival(seat_t* seat, const uint8_t* data, int n_bytes, int status) noexcept nogil:
    """Count what became of one datagram of a speaker; what was no news to the jitter buffer is none here."""
    cdef audio_t audio
    if ((status == PUT_OK or status == PUT_REORDERED or status == PUT_LATE or status == PUT_RESTART or status == PUT_OVERFLOW)
            and packet_parse_audio(data, n_bytes, False, &audio) == PACKET_OK):
        arrivals_note(&seat.arrivals, &audio, status == PUT_RESTART)


cdef void space_report(space_t* space, int number, const report_t* report, int64_t vote, int64_t now_us) noexcept nogil:
    cdef seat_t* seat = _seat(space, number) if number != NO_SEAT else NULL
    space.counts.reports += 1
    space.now_us = now_us
    if space.trace != NULL:
        trace_report(space, number, report, vote)
    reports_add(&space.reports, report, vote, now_us)
    if seat != NULL:
        recovery_note(
            &seat.heard_by, <uint32_t>report.received + report.lost, report.lost, report.bursts, now_us)


cdef void recover(space_t* space, int64_t now_us, out_t* out) noexcept nogil:
    cdef int i
    cdef seat_t* seat
    out.n_reports = 0
    if space.counts.ticks % SPACE_REPORT_TICKS != SPACE_REPORT_TICKS - 1:
        return
    reports_turn(&space.reports, now_us)
    recovery_judge(&space.recovery, reports_worst_tenth_pct(&space.reports), now_us)
    _expect(space.encoder, space_fec_pct(space))
    for i in range(space.n_seats):
        seat = space.seats[i]
        _expect(seat.encoder, _fec_pct(space, &seat.heard_by))
        if seat.kind == SEAT_OPUS and seat.arrivals.received > 0:
            _tell(space, seat, now_us, out)


cdef int space_fec_pct(const space_t* space) noexcept nogil:
    return _fec_pct(space, &space.recovery)


cdef inline int _fec_pct(const space_t* space, const recovery_t* recovery) noexcept nogil:
    return max(recovery_expect_pct(recovery), space.least_loss_pct) if space.has_fec else 0


cdef inline void _expect(OpusEncoder* encoder, int loss_pct) noexcept nogil:
    encoder_set_loss(encoder, loss_pct)
    encoder_set_fec(encoder, loss_pct > 0)


cdef void _tell(space_t* space, seat_t* seat, int64_t now_us, out_t* out) noexcept nogil:
    """A report for the person in this seat, on what they sent since the last one."""
    cdef report_t report
    cdef report_out_t* told = &out.reports[out.n_reports]
    memset(&report, 0, sizeof(report))
    arrivals_take(&seat.arrivals, &report)
    report.concealed = <uint16_t>min(seat.receiver.counts.concealed - seat.arrivals.concealed_told, <uint64_t>0xFFFF)
    seat.arrivals.concealed_told = seat.receiver.counts.concealed
    report.jitter_ms = <uint16_t>min(max(delay_spread_us(&seat.receiver.jitter.delay), <int64_t>0) // 1000, <int64_t>0xFFFF)
    report.delay_ms = <uint16_t>min(max(seat.receiver.jitter.counters.delay_us, <int64_t>0) // 1000, <int64_t>0xFFFF)
    recovery_note(&seat.asked, <uint32_t>report.received + report.lost, report.lost, report.bursts, now_us)
    report.is_advised = True
    recovery_advise(&seat.asked, &report.advice)
    if space.shadow != NULL:    # passed on, its own FEC is all that those who hear it get
        report.advice.expect_pct = max(report.advice.expect_pct, <uint8_t>space_fec_pct(space))
    told.seat = seat.number
    told.n_bytes = packet_pack_report(&report, told.data, REPORT_BYTES)
    out.n_reports += 1
    space.counts.told += 1
