# Who dominates a conversation: for the screen, which must not jump at every cough. The mix has its own, faster gate.
#
# After I. Volfin and I. Cohen, "Dominant speaker identification for multipoint videoconferencing" (2012), with the numbers of
# Jitsi and mediasoup: how likely it is that somebody speaks, judged over 20 ms, 100 ms and 1 s; who wants to take over must be
# ahead of whoever dominates in all three. Once every 300 ms.
cimport cython
from libc.math cimport log
from libc.stdint cimport uint8_t
from libc.string cimport memset

cdef enum:
    DOMINANT_TICKS = 15             # between two decisions
    SPEECH_FRAMES = 50              # are looked at: 1 s …
    SPEECH_SHORT = 5                # … in stretches of 100 ms
    SPEECH_STRETCHES = 10           # of SPEECH_SHORT in SPEECH_FRAMES; written out, as a division in an enum crashes Cython 3.3
    SPEECH_STEPS = 13               # of loudness, 10 dB each
    SPEECH_LOUD_STEPS = 7           # a frame beyond these counts as speech

cdef struct speech_t:
    uint8_t steps[SPEECH_FRAMES]    # 0: not heard; a ring
    int next                        # where the oldest stands
    double now, short, long         # scores: over 20 ms, 100 ms, 1 s

cdef inline void speech_init(speech_t* speech) noexcept nogil:
    memset(speech, 0, sizeof(speech_t))


@cython.cdivision(True)
cdef inline void speech_put(speech_t* speech, int level) noexcept nogil:
    """The next 20 ms, by their RFC 6464 level; 127 where nothing is heard."""
    speech.steps[speech.next] = <uint8_t>((127 - level) // 10)
    speech.next = (speech.next + 1) % SPEECH_FRAMES


@cython.cdivision(True)
cdef inline double speech_score(int active, int of, double weight) noexcept nogil:
    """Log-likelihood that somebody speaks, `active` of `of` parts being active: binomial against exponential."""
    cdef double score = of * log(0.5) - log(weight) + weight * active
    cdef int i
    for i in range(active):
        score += log(<double>(of - i) / (i + 1))
    return score if score > 1e-10 else 1e-10


@cython.cdivision(True)
cdef inline void speech_judge(speech_t* speech) noexcept nogil:
    """Bring the scores up to date."""
    cdef int newest = (speech.next + SPEECH_FRAMES - 1) % SPEECH_FRAMES
    cdef int stretch, i, loud, last = 0, whole = 0
    for stretch in range(SPEECH_STRETCHES):     # the newest first
        loud = 0
        for i in range(SPEECH_SHORT):
            loud += speech.steps[(newest + SPEECH_FRAMES - stretch * SPEECH_SHORT - i) % SPEECH_FRAMES] > SPEECH_LOUD_STEPS
        whole += loud == SPEECH_SHORT
        last = loud if stretch == 0 else last
    speech.now = speech_score(speech.steps[newest], SPEECH_STEPS, 0.78)
    speech.short = speech_score(last, SPEECH_SHORT, 24.0)
    speech.long = speech_score(whole, SPEECH_STRETCHES, 47.0)


@cython.cdivision(True)
cdef inline int dominant_of(speech_t** people, int n, int dominant) noexcept nogil:
    """Index of who dominates from now on; `dominant` is who did, or -1. Of equals the first."""
    cdef int i, best = dominant
    cdef double lead = 2.0, short
    for i in range(n):
        speech_judge(people[i])
    for i in range(n):
        if i == dominant:
            continue
        if dominant < 0:
            if people[i].short > 1e-10 and (best < 0 or people[i].short > people[best].short):
                best = i
            continue
        short = log(people[i].short / people[dominant].short)
        if (log(people[i].now / people[dominant].now) > 3.0 and short > lead
                and log(people[i].long / people[dominant].long) > 0.0):
            best = i
            lead = short
    return best
