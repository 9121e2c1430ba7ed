# What loss on a stream calls for: how it is lost, counted before any repair, and what its sender should do about it.
#
# Plain C, no clock, no allocation. The same rules advise each speaker and set the encoders of a room.

from libc.stdint cimport int64_t, uint16_t, uint32_t, uint64_t

from spacecore._packet cimport MAX_REDUNDANT, advice_t, audio_t, report_t, seq_distance

cdef enum:
    ARRIVALS_JUMP = 500             # numbers, 10 s: what lies further apart is another stream
    ARRIVALS_PAUSE_BYTES = 2        # a frame of so few bytes: silence from here
    RECOVERY_LEAST_FRAMES = 25      # of fewer a percentage says nothing: they wait for the next
    RECOVERY_HOLD_US = 5000000      # what is asked for is taken back, step by step, when less has done for so long
    RECOVERY_LEAST_LOST = 6         # frames: of fewer nothing is concluded on how they were lost
    RECOVERY_DISTANCE = 2           # of the newest copy

# How the frames of one stream arrive, before any repair: copies do not count.
cdef struct arrivals_t:
    bint started
    bint silent                     # the newest frame said so: where it goes on, numbers may have gone on without it
    uint16_t highest                # newest number
    uint32_t received               # new frames since arrivals_take
    uint32_t expected               # of these and those that are missing
    uint32_t bursts                 # runs of missing ones
    uint64_t concealed_told         # of what the receiver has counted, so much stood in reports

# What is asked of a sender.
cdef struct recovery_t:
    double expected                 # frames, of late: sums that fade
    double lost
    double bursts
    int step                        # of the expected loss, see recovery_expect_pct
    int copies
    int64_t enough_us               # since when a smaller step would have done …
    int64_t even_us                 # … and fewer copies


cdef inline void arrivals_note(arrivals_t* arrivals, const audio_t* audio, bint restarted) noexcept nogil:
    """One datagram that was taken. `restarted`: the jitter buffer sees another stream in it."""
    cdef int first = audio.n_redundant + audio.n_prime
    cdef int ahead = seq_distance(audio.seq, arrivals.highest)
    cdef int newest
    if not arrivals.started or restarted or ahead > ARRIVALS_JUMP or ahead < -ARRIVALS_JUMP:
        arrivals.started = True
        arrivals.highest = <uint16_t>(audio.seq - 1)
        ahead = 1
    arrivals.received += <uint32_t>audio.n_new
    newest = ahead + audio.n_new - 1
    if newest <= 0:                 # late: it makes good a loss
        return
    if ahead > 1 and not audio.source_changed and not arrivals.silent:
        arrivals.expected += <uint32_t>(ahead - 1)
        arrivals.bursts += 1
    arrivals.expected += <uint32_t>(newest - max(ahead - 1, 0))
    arrivals.highest = <uint16_t>(arrivals.highest + newest)
    arrivals.silent = audio.frame_bytes[first + audio.n_new - 1] <= ARRIVALS_PAUSE_BYTES


cdef inline void arrivals_take(arrivals_t* arrivals, report_t* report) noexcept nogil:
    """Fill in what came since the last time."""
    report.highest_seq = arrivals.highest
    report.received = <uint16_t>min(arrivals.received, <uint32_t>0xFFFF)
    report.lost = <uint16_t>(
        min(arrivals.expected - arrivals.received, <uint32_t>0xFFFF) if arrivals.expected > arrivals.received else 0)
    report.bursts = <uint16_t>min(arrivals.bursts, <uint32_t>report.lost)
    arrivals.received = arrivals.expected = arrivals.bursts = 0


cdef inline int recovery_expect_pct(const recovery_t* recovery) noexcept nogil:
    """The loss that an encoder should make in-band FEC for; 0: none, no FEC."""
    # Of 5 % and less libopus makes next to none; of more than 20 % the main frames suffer for it.
    return 10 * recovery.step


cdef inline void recovery_judge(recovery_t* recovery, double loss_pct, int64_t now_us) noexcept nogil:
    """Expect more at once; less only one step at a time, when it would have done for RECOVERY_HOLD_US."""
    cdef int step = 2 if loss_pct >= 13.0 else 1 if loss_pct >= 1.0 else 0
    # Where it goes back down: lower than where it went up, so that it does not swing.
    cdef int least = 2 if loss_pct >= 9.0 else 1 if loss_pct >= 0.5 else 0
    if step > recovery.step:
        recovery.step = step
        recovery.enough_us = now_us
    elif least >= recovery.step:
        recovery.enough_us = now_us
    elif now_us - recovery.enough_us >= RECOVERY_HOLD_US:
        recovery.step -= 1
        recovery.enough_us = now_us


cdef inline int recovery_copies(double lost, double expected, double bursts) noexcept nogil:
    """How many frames before each one should go with it, the newest of them two back.

    Where frames are lost in a row the FEC in the next one cannot repair all, and with heavy loss the next one is often gone
    too: with a copy from two back both do. `bursts` 0: how they were lost is not known.
    """
    cdef double burst = lost / bursts if bursts > 0.0 else 0.0
    if lost < RECOVERY_LEAST_LOST:      # it may be chance
        return 0
    if 100.0 * lost > 3.0 * expected and burst > 1.5:
        return 2 if burst > 2.2 else 1
    return 1 if lost >= 0.08 * expected else 0


cdef inline void _judge_copies(recovery_t* recovery, int64_t now_us) noexcept nogil:
    cdef int copies = recovery_copies(recovery.lost, recovery.expected, recovery.bursts)
    if copies >= recovery.copies:
        recovery.copies = copies
        recovery.even_us = now_us
    elif now_us - recovery.even_us >= 2 * <int64_t>RECOVERY_HOLD_US:
        recovery.copies = copies
        recovery.even_us = now_us


cdef inline void recovery_note(recovery_t* recovery, uint32_t expected, uint32_t lost, uint32_t bursts, int64_t now_us) noexcept nogil:
    """What was counted since the last time, about a second of a stream. `bursts` 0: not known."""
    cdef double loss_pct
    cdef double kept = 0.6 if recovery.expected >= RECOVERY_LEAST_FRAMES else 1.0
    recovery.expected = kept * recovery.expected + expected
    recovery.lost = kept * recovery.lost + min(lost, expected)
    recovery.bursts = kept * recovery.bursts + min(bursts, lost)
    if recovery.expected < RECOVERY_LEAST_FRAMES:
        return
    loss_pct = 100.0 * recovery.lost / recovery.expected
    if recovery.lost < 1.5 and recovery.step == 0:      # one frame is chance, also in a first second
        loss_pct = 0.0
    recovery_judge(recovery, loss_pct, now_us)
    _judge_copies(recovery, now_us)


cdef inline void recovery_advise(const recovery_t* recovery, advice_t* advice) noexcept nogil:
    """What to tell a sender. Copies multiply its bytes, so each copy takes some of a frame's."""
    advice.expect_pct = <unsigned char>recovery_expect_pct(recovery)
    advice.copies = <unsigned char>min(recovery.copies, <int>MAX_REDUNDANT)
    advice.distance = RECOVERY_DISTANCE if recovery.copies > 0 else 1
    advice.most_kbps = 0 if recovery.copies == 0 else 32 if recovery.copies == 1 else 24
