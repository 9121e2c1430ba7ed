# A seat's decoded sound as one line: the two frames before, that of this tick, and what follows, as far as a mix looks ahead.
#
# What is decoded lags by the codec's look-ahead behind what was said, and a mix is encoded once more: it would lag twice, and jump
# by 312 samples wherever a room changes between a speaker's own packets and the mix. So the mix is made of what lies 312 samples
# ahead: of the packet that is due next, where it waits already, else of what the decoder guesses.
from libc.string cimport memcpy, memmove, memset

from spacecore._jitter cimport PULL_FRAME, jitter_history, jitter_peek, jitter_pulled_t
from spacecore._mixer cimport FRAME_SAMPLES
from spacecore._opus cimport OPUS_LOOK_AHEAD, decoder_conceal, decoder_copy, decoder_decode
from spacecore._receiver cimport SOUND_PAST, receiver_t
from spacecore.libopus cimport OpusDecoder

cdef enum:
    LINE_PAST = 2                                   # frames before that of this tick; an encoder is primed with them
    LINE_NOW = LINE_PAST * FRAME_SAMPLES
    LINE_BLEND = 120                                # 2.5 ms, from a guess to what it was
    LINE_AHEAD = OPUS_LOOK_AHEAD + LINE_BLEND
    LINE_SAMPLES = LINE_NOW + FRAME_SAMPLES + LINE_AHEAD

cdef struct line_t:                                 # before any gain
    int n                                           # frames that follow each other, that of this tick included
    bint guessed                                    # what lies ahead is no sound of a packet
    float pcm[LINE_SAMPLES]


cdef inline void line_break(line_t* line) noexcept nogil:
    """Nothing is decoded in this tick: what comes next follows on nothing."""
    line.n = 0
    line.guessed = False


cdef inline void line_push(line_t* line, const float* pcm) noexcept nogil:
    """The frame of this tick. Where a guess was heard of it already, its rest begins with the guess, and leaves it smoothly."""
    cdef float* now = line.pcm + LINE_NOW
    cdef float guess
    cdef int i
    if line.n == 0:
        memset(line.pcm, 0, sizeof(line.pcm))
    memmove(line.pcm, line.pcm + FRAME_SAMPLES, (LINE_SAMPLES - FRAME_SAMPLES) * sizeof(float))
    if line.guessed:
        memcpy(now + LINE_AHEAD, pcm + LINE_AHEAD, (FRAME_SAMPLES - LINE_AHEAD) * sizeof(float))
        for i in range(LINE_BLEND):
            guess = now[OPUS_LOOK_AHEAD + i]
            now[OPUS_LOOK_AHEAD + i] = guess + (pcm[OPUS_LOOK_AHEAD + i] - guess) * <float>(i + 1) / LINE_BLEND
    else:
        memcpy(now, pcm, FRAME_SAMPLES * sizeof(float))
    memset(now + FRAME_SAMPLES, 0, LINE_AHEAD * sizeof(float))
    line.guessed = False
    line.n = min(line.n + 1, LINE_PAST + 1)


cdef inline void line_recall(line_t* line, receiver_t* receiver) noexcept nogil:
    """Decode the packets before the one due, so that the decoder is warm and the line has a past."""
    cdef jitter_pulled_t past
    cdef float pcm[FRAME_SAMPLES]
    cdef int due = receiver.due.status == PULL_FRAME        # which is then the last one of the history
    cdef int back = min(receiver.undecoded, <int>LINE_PAST)
    cdef int i
    while back > 0:
        if jitter_history(&receiver.jitter, back + due, &past) and decoder_decode(
                receiver.decoder, past.data, past.n_bytes, pcm, FRAME_SAMPLES) == FRAME_SAMPLES:
            for i in range(FRAME_SAMPLES):
                pcm[i] *= receiver.gain.target
            line_push(line, pcm)
        back -= 1
    receiver.undecoded = 0


cdef inline void line_look_ahead(line_t* line, const receiver_t* receiver, OpusDecoder* shadow) noexcept nogil:
    """What follows the frame of this tick, decoded by `shadow`, so that the seat's own decoder stands where it stood."""
    cdef jitter_pulled_t following
    cdef float pcm[FRAME_SAMPLES]
    cdef int held = min(receiver.n_held, <int>LINE_AHEAD)
    decoder_copy(shadow, receiver.decoder, 1)
    line.guessed = not (jitter_peek(&receiver.jitter, &following) and decoder_decode(
        shadow, following.data, following.n_bytes, pcm, FRAME_SAMPLES) == FRAME_SAMPLES)
    if line.guessed and decoder_conceal(shadow, pcm, FRAME_SAMPLES) != FRAME_SAMPLES:
        memset(pcm, 0, sizeof(pcm))
    # What the receiver holds back comes before the next packet.
    memcpy(line.pcm + LINE_NOW + FRAME_SAMPLES, receiver.sound + SOUND_PAST, held * sizeof(float))
    memcpy(line.pcm + LINE_NOW + FRAME_SAMPLES + held, pcm, (LINE_AHEAD - held) * sizeof(float))
