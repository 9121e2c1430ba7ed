# Receiver reports: how a stream arrived, and what its sender is asked for; in _packet.pyx.

cdef enum:
    ADVICE_COPIES = 3               # of the last byte of a report
    ADVICE_DISTANCE_2 = 4


cdef int packet_parse_report(const uint8_t* data, int n_bytes, report_t* report) noexcept nogil:
    """A shorter report is an older one, and of a longer one what follows the fields known here is ignored."""
    cdef int kind = packet_kind(data, n_bytes)
    if kind < 0:
        return kind
    if kind != KIND_REPORT:
        return PACKET_UNKNOWN_KIND
    if n_bytes < REPORT_LEAST_BYTES:
        return PACKET_TRUNCATED
    report.highest_seq = load_u16(data + 2)
    report.received = load_u16(data + 4)
    report.lost = load_u16(data + 6)
    report.concealed = load_u16(data + 8)
    report.jitter_ms = load_u16(data + 10)
    report.delay_ms = load_u16(data + 12)
    report.bursts = load_u16(data + 14) if n_bytes >= REPORT_UP_BYTES else 0
    report.is_advised = n_bytes >= REPORT_BYTES
    if report.is_advised:
        report.advice.expect_pct = min(data[16], <uint8_t>100)
        report.advice.most_kbps = data[17]
        report.advice.copies = min(data[18] & <uint8_t>ADVICE_COPIES, <uint8_t>MAX_REDUNDANT)
        report.advice.distance = 2 if data[18] & ADVICE_DISTANCE_2 else 1
    return PACKET_OK


cdef int packet_pack_report(const report_t* report, uint8_t* out, int capacity_bytes) noexcept nogil:
    cdef int n_bytes = REPORT_BYTES if report.is_advised else REPORT_UP_BYTES
    if capacity_bytes < n_bytes:
        return PACKET_NO_ROOM
    out[0] = 0
    out[1] = KIND_REPORT
    store_u16(out + 2, report.highest_seq)
    store_u16(out + 4, report.received)
    store_u16(out + 6, report.lost)
    store_u16(out + 8, report.concealed)
    store_u16(out + 10, report.jitter_ms)
    store_u16(out + 12, report.delay_ms)
    store_u16(out + 14, report.bursts)
    if report.is_advised:
        out[16] = report.advice.expect_pct
        out[17] = report.advice.most_kbps
        out[18] = <uint8_t>(report.advice.copies | (ADVICE_DISTANCE_2 if report.advice.distance == 2 else 0))
    return n_bytes


# --- the Python face ---------------------------------------------------------------------------------------------

Advice = namedtuple("Advice", "expect_pct most_kbps copies distance", defaults=(0, 0, 0, 1))
Advice.__doc__ = """What a receiver asks of a sender: how much loss to make in-band FEC for (0: none), the most kbit/s of its frames
(0: any), and how many copies of frames before (0 to 2) each datagram should carry, the newest of them `distance` back.
"""

Report = namedtuple(
    "Report", "highest_seq received lost concealed jitter_ms delay_ms bursts advice", defaults=(0, None))
Report.__doc__ = """What a receiver saw since its last report; counts are frames, see docs/protocol.md.

`bursts` are the runs of lost frames, so that lost / bursts is how many are lost in a row; `advice` is an Advice or None.
"""


def parse_report(data):
    """The Report in `data`. Raises PacketError for bytes that are none."""
    cdef Py_buffer view
    cdef report_t report
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    cdef int status = packet_parse_report(<const uint8_t*>view.buf, <int>min(view.len, DATAGRAM_MAX_BYTES + 1), &report)
    PyBuffer_Release(&view)
    if status != PACKET_OK:
        raise packet_error(status)
    advice = report.advice
    return Report(
        report.highest_seq, report.received, report.lost, report.concealed, report.jitter_ms, report.delay_ms, report.bursts,
        Advice(advice.expect_pct, advice.most_kbps, advice.copies, advice.distance) if report.is_advised else None)


def pack_report(report):
    """The datagram for a Report; each count saturates at 65535. Raises ValueError for advice that cannot be given."""
    cdef report_t fields
    cdef uint8_t out[REPORT_BYTES]
    fields.highest_seq = report.highest_seq & 0xFFFF
    fields.received = min(report.received, 0xFFFF)
    fields.lost = min(report.lost, 0xFFFF)
    fields.concealed = min(report.concealed, 0xFFFF)
    fields.jitter_ms = min(report.jitter_ms, 0xFFFF)
    fields.delay_ms = min(report.delay_ms, 0xFFFF)
    fields.bursts = min(report.bursts, 0xFFFF)
    fields.is_advised = report.advice is not None
    fields.advice = advice_t(expect_pct=0, most_kbps=0, copies=0, distance=1)
    if fields.is_advised:
        expect_pct, most_kbps, copies, distance = report.advice
        if not (0 <= expect_pct <= 100 and 0 <= most_kbps <= 255 and 0 <= copies <= MAX_REDUNDANT and distance in (1, 2)):
            raise ValueError(
                f"expect_pct is 0 to 100, most_kbps 0 to 255, copies 0 to {MAX_REDUNDANT}, distance 1 or 2; got {report.advice}")
        fields.advice = advice_t(expect_pct=expect_pct, most_kbps=most_kbps, copies=copies, distance=distance)
    return PyBytes_FromStringAndSize(<const char*>out, packet_pack_report(&fields, out, REPORT_BYTES))
