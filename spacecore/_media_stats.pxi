# Counters of media and rooms as named tuples; in _media.pyx.

MediaStats = namedtuple(
    "MediaStats",
    "rooms ticks late skipped resyncs worst_late_us late_ms_p50 late_ms_p99 tick_us thread_cpu_us wakes reads socket_errors "
    "uplink_frames_in uplink_not_on_stage uplink_muted uplink_flood uplink_malformed uplink_unknown_kind uplink_reports "
    "uplink_closed_room engine full_sent seat_sent frames bundled refused held held_dropped nobody acks_alone acks_full "
    "packets_dropped notices_dropped puts_dropped sent_dropped commands_full told copied")
MediaStats.__doc__ = """Counters since the start; but for `rooms` and lateness they only grow. Rooms that are closed are in them.

ticks late skipped resyncs worst_late_us   as signaling.media.TickerCounts
late_ms_p50, late_ms_p99    how late ticks began, all of them; Media.lateness() has the distribution
tick_us thread_cpu_us wakes reads socket_errors   of the driver: CPU time in rounds with ticks, CPU time of its thread,
            returns from waiting, batches read, errors of the socket
uplink_…    datagrams from below and what became of them, as signaling.server.uplink; closed_room: came for a room that is gone
engine      {word: datagrams}: what rooms said about audio
full_sent seat_sent   datagrams sent; frames: of the full mix in them; bundled: of these, in datagrams of two or three
refused     datagrams not sent: too large for the peer, its window closed, sending natively barred
held, held_dropped    datagrams for connections in other hands; of these, found no place to wait
nobody      packets for seats in which nobody sits
acks_alone  packets with nothing but an ACK; acks_full: connections that found no place in the list of these
told        reports to people in seats, on how their audio arrives; copied: datagrams with copies of frames before
…_dropped   found their queue full; commands_full: requests that failed because nobody took commands
"""

RoomStats = namedtuple(
    "RoomStats",
    "listeners by_bundle lossy entries sent_full sent_seat frames bundled refused held held_dropped missed nobody stale "
    "outlet_dropped reports received lost concealed jitter_ms_mean jitter_ms_max delay_ms_mean expected_loss_pct "
    "told copied copying fec_pct")
RoomStats.__doc__ = """One room, counters since it was added.

listeners   in the last tick with a packet; by_bundle: how many of them get 1, 2, 3 frames a datagram; lossy: because of loss
entries     connections in its list, those in seats and those that have just left included; stale: taken out of it so far
missed      frames of the full mix that listeners were not sent
outlet_dropped   packets that found the queue of take_frames full
reports received lost concealed   receiver reports and the frames in them; jitter and delay are means of the reports
expected_loss_pct   mean loss of the tenth of those who reported in the last 10 to 20 s that lost most; fec_pct: what the
            encoder of the mix makes FEC for
copying     listeners who get copies of frames before, in the last tick with a packet
The rest is as in MediaStats.
"""

cdef enum:
    ENGINE_WORDS = 96

cdef dict _ROOM_WORDS = {PUT_UNKNOWN_SEAT: "unknown_seat", PUT_WRONG_KIND: "wrong_kind"}


cdef object media_stats(media_t* media, const room_counts_t* sums):
    cdef const media_counts_t* counts = &media.counts
    cdef uplink_counts_t* up = media.uplink
    cdef int i
    engine = {}
    for i in range(ENGINE_WORDS):
        if counts.engine[i]:
            engine[_ROOM_WORDS[i - ENGINE_ZERO] if i - ENGINE_ZERO in _ROOM_WORDS else put_word(i - ENGINE_ZERO)] = counts.engine[i]
    return MediaStats(
        media.n_live, counts.ticks, counts.late, counts.skipped, counts.resyncs, counts.worst_late_us,
        late_quantile_us(counts, 0.5) / 1000.0, late_quantile_us(counts, 0.99) / 1000.0, counts.tick_us, counts.thread_cpu_us,
        counts.wakes, counts.reads, counts.socket_errors,
        up[0].frames_in + up[1].frames_in, up[0].not_on_stage + up[1].not_on_stage, up[0].muted + up[1].muted,
        up[0].flood + up[1].flood, up[0].malformed + up[1].malformed, up[0].unknown_kind + up[1].unknown_kind,
        up[0].reports + up[1].reports, up[0].closed_room + up[1].closed_room, engine,
        sums.sent_full, sums.sent_seat, sums.frames, sums.bundled, sums.refused,
        sums.held, sums.held_dropped, sums.nobody, counts.acks_alone, counts.acks_full,
        media.packets.dropped, media.notices.dropped, media.puts.dropped, media.sent.dropped, media.commands.dropped,
        sums.told, sums.copied)


cdef object room_stats(const room_t* room):
    cdef const reports_t* reports = &room.space.reports
    cdef uint64_t n = max(<uint64_t>1, reports.n)
    return RoomStats(
        room.n_listeners, (room.by_want[1], room.by_want[2], room.by_want[3]), room.n_lossy, room.n_entries,
        room.counts.sent_full, room.counts.sent_seat, room.counts.frames, room.counts.bundled, room.counts.refused,
        room.counts.held, room.counts.held_dropped, room.counts.missed, room.counts.nobody, room.counts.stale,
        room.frames.dropped if room.frames != NULL else 0,
        reports.n, reports.received, reports.lost, reports.concealed, <double>reports.jitter_ms / n, reports.jitter_ms_max,
        <double>reports.delay_ms / n, reports_worst_tenth_pct(reports), room.counts.told, room.counts.copied, room.n_copied,
        space_fec_pct(room.space))
