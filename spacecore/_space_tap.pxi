# A tapped room from Python; in _space.pyx.

cdef class Tap:
    """Decoded audio of a room, from Space.tap(). For the control thread.

    Only what is heard is decoded: where timestamps jump, there was silence. A reader that falls 256 frames behind loses the
    newest ones until it has caught up; `dropped` counts them.
    """

    cdef tap_t* _tap
    cdef Space _space

    def __init__(self):
        raise TypeError("a Tap comes from Space.tap()")

    def read(self):
        """All that waits, oldest first, as TapFrame(seat or None for the mix, timestamp, pcm). Empty once closed."""
        return tap_take(self._tap) if self._tap != NULL else []

    @property
    def dropped(self):
        """Frames lost because nobody read."""
        return self._tap.dropped if self._tap != NULL else 0

    def close(self):
        """Stop listening. Closing twice does nothing."""
        if self._tap != NULL:
            self._space._untap(self._tap)
            self._tap = NULL
