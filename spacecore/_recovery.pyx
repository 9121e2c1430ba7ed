"""What loss on a stream calls for: in-band FEC, copies of frames, a lower bitrate; with hysteresis, in virtual time.

The rules were chosen by PESQ over lossy links (docs/decisions): FEC where at least one frame in a hundred is lost, copies from
two frames back where frames are lost in a row or more than 8 % are. A room advises its speakers by them.
"""

from spacecore._packet import Advice

from spacecore._receiver cimport checked_clock

__all__ = ["Recovery"]


cdef class Recovery:
    """Decides what to ask of the sender of one stream. Give `note` what was counted, about once a second."""

    cdef recovery_t _recovery

    def note(self, int expected, int lost, int bursts, long long now_us):
        """So many frames should have come since the last time, of which `lost` did not, in `bursts` runs; the Advice now.

        bursts 0: how they were lost is not known. What is missing at once is asked for at once; it is taken back step by
        step when less has done for 5 s. Raises ValueError for counts that are not possible.
        """
        cdef advice_t advice
        checked_clock(now_us)
        if not 0 <= bursts <= lost <= expected <= 1 << 30:
            raise ValueError(f"0 <= bursts <= lost <= expected, but they are {bursts}, {lost}, {expected}")
        recovery_note(&self._recovery, <uint32_t>expected, <uint32_t>lost, <uint32_t>bursts, now_us)
        recovery_advise(&self._recovery, &advice)
        return Advice(advice.expect_pct, advice.most_kbps, advice.copies, advice.distance)
