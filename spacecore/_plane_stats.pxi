# Counters as named tuples; included in _plane.pyx.

PlaneStats = namedtuple(
    "PlaneStats",
    "sealed sent send_calls send_blocked send_errors received receive_calls done slow dropped violations busy unknown_cid acks_sent "
    "truncated held held_dropped")
PlaneStats.__doc__ = """Counters of a plane since it was made.

sealed, sent, send_calls   packets; send_blocked: dropped because the socket took no more; send_errors: bad destinations
received, receive_calls    packets from a socket; truncated: longer than any of ours
done slow dropped violations busy unknown_cid   what became of them, as counted by whoever reads the socket
acks_sent                  packets with nothing but an ACK
held, held_dropped         frames that waited for a connection in other hands; of these or instead of these, dropped
"""

ConnectionStats = namedtuple(
    "ConnectionStats",
    "sent sent_bytes received received_bytes datagrams_in datagrams_out acks_out slow duplicates forged acked lost window_dropped "
    "too_large key_updates")
ConnectionStats.__doc__ = """Counters of a connection since it was opened; of native packets, but for slow, duplicates and forged.

acked + lost + those in flight are the packets with a datagram that were sent, each counted once.
"""


cdef object plane_stats(const plane_counts_t* counts):
    return PlaneStats(
        counts.sealed, counts.sent, counts.send_calls, counts.send_blocked, counts.send_errors, counts.received,
        counts.receive_calls, counts.done, counts.slow, counts.dropped, counts.violations, counts.busy, counts.unknown_cid,
        counts.acks_sent, counts.truncated, counts.held, counts.held_dropped)


cdef object connection_stats(const conn_counts_t* counts):
    return ConnectionStats(
        counts.sent, counts.sent_bytes, counts.received, counts.received_bytes, counts.datagrams_in, counts.datagrams_out,
        counts.acks_out, counts.slow, counts.duplicates, counts.forged, counts.acked, counts.lost, counts.window_dropped,
        counts.too_large, counts.key_updates)
