"""The media thread: it ticks every room and reads the socket on time, whatever Python does meanwhile.

It never takes the interpreter's lock and touches no Python object: all that it calls is `noexcept nogil`. It owns the media
side of its Media and reads the clock, the socket and two pipes; docs/threads.md says who owns what.
"""

from libc.errno cimport EINTR, errno
from libc.stdint cimport int64_t, uint32_t
from libc.stdlib cimport calloc, free
from posix.unistd cimport close, getpid

import atexit
import os
import weakref

from spacecore._media cimport Media, media_drain, media_next_us, media_read, media_step
from spacecore.atomics cimport load_u32, store_u32
from spacecore.libplane cimport PLANE_BATCH, in_batch_t, socket_timestamps
from spacecore.media_state cimport media_t

__all__ = ["MediaThread"]

cdef extern from *:
    """
    #include <errno.h>
    #include <poll.h>
    #include <pthread.h>
    #include <signal.h>
    #include <string.h>
    #include <time.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/prctl.h>
    #include <sys/syscall.h>
    #endif

    static int64_t thread_clock_us(clockid_t clock) {
        struct timespec now;
        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    }
    static int64_t thread_now_us(void) { return thread_clock_us(CLOCK_MONOTONIC); }
    static int64_t thread_cpu_us(void) { return thread_clock_us(CLOCK_THREAD_CPUTIME_ID); }
    static int64_t thread_offset_us(void) { return thread_clock_us(CLOCK_MONOTONIC) - thread_clock_us(CLOCK_REALTIME); }

    /* Until one of both is readable or has failed, or the time is over; a descriptor of -1 is left out. Bit 0: the
     * first is readable, bit 1: the second, bit 2: the first has failed. */
    static int thread_wait(int socket_fd, int pipe_fd, int64_t timeout_us) {
        struct pollfd each[2] = {{socket_fd, POLLIN, 0}, {pipe_fd, POLLIN, 0}};
        if (timeout_us < 0)
            timeout_us = 0;
    #ifdef __linux__
        struct timespec timeout = {timeout_us / 1000000, (long)(timeout_us % 1000000) * 1000};
        int n = ppoll(each, 2, &timeout, NULL);
    #else
        int n = poll(each, 2, (int)((timeout_us + 999) / 1000));
    #endif
        if (n <= 0)
            return 0;
        return ((each[0].revents & (POLLIN | POLLERR)) != 0) | ((each[1].revents != 0) << 1)
            | ((each[0].revents & (POLLNVAL | POLLHUP | POLLERR)) != 0) << 2;
    }

    /* An ordinary thread that is served in short slices and woken when it asked to be, where the kernel can. None of it is
     * needed, so none of it may fail. */
    static void thread_settle(void) {
    #ifdef __linux__
        struct {
            uint32_t size, policy;
            uint64_t flags;
            int32_t nice;
            uint32_t priority;
            uint64_t runtime_ns, deadline_ns, period_ns;
        } schedule;
        memset(&schedule, 0, sizeof schedule);
        if (syscall(SYS_sched_getattr, 0, &schedule, sizeof schedule, 0) == 0 && schedule.policy == 0) {
            schedule.size = sizeof schedule;
            schedule.runtime_ns = 100000;
            syscall(SYS_sched_setattr, 0, &schedule, 0);
        }
        prctl(PR_SET_TIMERSLACK, 1000L, 0L, 0L, 0L);
        prctl(PR_SET_NAME, "spaces-media", 0L, 0L, 0L);
    #elif defined(__APPLE__)
        pthread_setname_np("spaces-media");
    #endif
    }

    /* Signals are for Python's thread. */
    static int thread_begin(pthread_t *thread, void *(*run)(void *), void *argument) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int status = pthread_create(thread, NULL, run, argument);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return status;
    }
    static int thread_join(pthread_t thread) { return pthread_join(thread, NULL); }
    static void thread_signal(int fd) {
        while (write(fd, "", 1) < 0 && errno == EINTR) {
        }
    }
    static void thread_swallow(int fd) {
        char bytes[64];
        while (read(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
        }
    }
    static void thread_sleep_ms(int ms) {
        struct timespec pause = {ms / 1000, (long)(ms % 1000) * 1000000};
        nanosleep(&pause, NULL);
    }
    """
    int64_t thread_now_us() nogil
    int64_t thread_cpu_us() nogil
    int64_t thread_offset_us() nogil
    int thread_wait(int socket_fd, int pipe_fd, int64_t timeout_us) nogil
    void thread_settle() nogil
    int thread_begin(pthread_t* thread, void* (*run)(void*) noexcept nogil, void* argument) nogil
    int thread_join(pthread_t thread) nogil
    void thread_signal(int fd) nogil
    void thread_swallow(int fd) nogil
    void thread_sleep_ms(int ms) nogil

cdef enum:
    SOCKET_READABLE = 1
    TOLD = 2
    SOCKET_FAILED = 4
    BATCHES = 64                # read without looking at anything but the time, and of these …
    LEAST_BATCHES = 8           # … after a tick, however late the next one is
    CALM_WAKES = 2              # by the socket between two ticks; beyond that …
    MODERATION_US = 5000        # … it is read no sooner than so long after the last time: in batches, not one by one
    STALLED_MS = 1000           # how long somebody waits for the thread to take commands
    WAIT_MS = 1


# --- the thread ---------------------------------------------------------------------------------------------------

cdef void* _run(void* argument) noexcept nogil:
    cdef driver_t* driver = <driver_t*>argument
    cdef int64_t now_us
    thread_settle()
    while not load_u32(&driver.stopping):
        now_us = thread_now_us()
        if not driver.media.started or now_us >= media_next_us(driver.media):
            _round(driver, now_us)
        else:
            _wait(driver, now_us)
    driver.media.counts.thread_cpu_us = thread_cpu_us()
    return NULL


cdef void _round(driver_t* driver, int64_t now_us) noexcept nogil:
    """The ticks that are due, or acknowledgements between them."""
    cdef int64_t began_us = thread_cpu_us()
    cdef int64_t ended_us
    cdef int ticks = media_step(driver.media, now_us)
    ended_us = thread_cpu_us()
    driver.media.counts.thread_cpu_us = ended_us
    if not ticks:
        return
    driver.media.counts.tick_us += ended_us - began_us
    driver.woken = 0
    driver.deaf = False
    # Also where the next tick is due already: without acknowledgements sending would stop, and nobody would hear speakers.
    if driver.fd >= 0:
        _read(driver, LEAST_BATCHES)


cdef void _wait(driver_t* driver, int64_t now_us) noexcept nogil:
    """Until the next round, or until the socket has something; then read it."""
    cdef int64_t until_us = media_next_us(driver.media)
    cdef bint moderate = driver.woken > CALM_WAKES and now_us < driver.last_read_us + MODERATION_US
    cdef bint listens = driver.fd >= 0 and not driver.deaf and not moderate
    cdef int why
    cdef int n
    if moderate:
        until_us = min(until_us, driver.last_read_us + MODERATION_US)
    why = thread_wait(driver.fd if listens else -1, driver.tell[0], until_us - now_us)
    if why & TOLD:
        thread_swallow(driver.tell[0])
        media_drain(driver.media)
    if why & (SOCKET_READABLE | SOCKET_FAILED):
        driver.media.counts.wakes += 1
        driver.woken += 1
        n = _read(driver, 1)
        if why & SOCKET_FAILED:
            # An ICMP error is gone when it has been read; a socket that is closed would wake us for ever.
            driver.media.counts.socket_errors += 1
            driver.deaf = n == 0


cdef int _read(driver_t* driver, int least_batches) noexcept nogil:
    """What the socket holds, but after `least_batches` no longer than to the next round; packets of the last batch."""
    cdef int64_t now_us = thread_now_us()
    cdef int n = PLANE_BATCH
    cdef int i = 0
    while i < BATCHES and n == PLANE_BATCH and (i < least_batches or now_us < media_next_us(driver.media)):
        n = media_read(driver.media, driver.batch, now_us, thread_offset_us())
        now_us = thread_now_us()
        i += 1
    driver.last_read_us = now_us
    return n


# --- calls from another thread ------------------------------------------------------------------------------------

cdef void _ring(void* argument) noexcept nogil:
    thread_signal((<driver_t*>argument).bell[1])


cdef void _quiet(void* argument) noexcept nogil:
    thread_swallow((<driver_t*>argument).bell[0])


cdef bint _wait_for_room(void* argument, int times) noexcept nogil:
    """Have the thread take commands now; False after a second without success."""
    thread_signal((<driver_t*>argument).tell[1])
    thread_sleep_ms(WAIT_MS)
    return times * WAIT_MS < STALLED_MS


_running = weakref.WeakSet()


@atexit.register
def _stop_all():
    """At the end of the program the libraries take their tables down: nobody may seal or decode any more then."""
    for thread in list(_running):
        thread.stop()


cdef class MediaThread:
    """Drives `media` from a thread of its own, reading and sending on the UDP socket `fd` (-1: none).

    The socket must not block; it stays the caller's, who closes it after stop. While the thread runs, Media.step belongs to
    it. `wake_fd` is readable when take_packets or take_notices have something: call both then. Both sides end with stop, or
    when this object is collected. After a fork only the parent has the thread: a child must not use this object.
    """

    def __cinit__(self, Media media, int fd):
        if media is None:
            raise TypeError("a MediaThread needs a Media")
        self.media = media
        self.driver = <driver_t*>calloc(1, sizeof(driver_t))
        if self.driver == NULL:
            raise MemoryError
        self.driver.tell[:] = [-1, -1]
        self.driver.bell[:] = [-1, -1]
        self.driver.batch = <in_batch_t*>calloc(1, sizeof(in_batch_t))
        if self.driver.batch == NULL:
            raise MemoryError
        self.driver.media = media.media
        self.driver.fd = fd
        for ends in ("tell", "bell"):
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            os.set_blocking(writing, False)
            if ends == "tell":
                self.driver.tell[0], self.driver.tell[1] = reading, writing
            else:
                self.driver.bell[0], self.driver.bell[1] = reading, writing

    def __dealloc__(self):
        cdef int i
        if self.driver == NULL:
            return
        self._stop()
        for i in range(2):
            if self.driver.tell[i] >= 0:
                close(self.driver.tell[i])
            if self.driver.bell[i] >= 0:
                close(self.driver.bell[i])
        free(self.driver.batch)
        free(self.driver)

    def start(self):
        """Begin to tick, at once. RuntimeError if it runs, or if another thread drives the same Media; OSError without threads."""
        cdef media_t* media = self.media.media
        cdef int status
        if self.running or media.bell != NULL:
            raise RuntimeError("this Media is driven by a thread already; stop that one first")
        if self.driver.fd >= 0:
            socket_timestamps(self.driver.fd)       # without them the time of reading stands in
        self.driver.stopping = 0
        media.started = False
        media.fd = self.driver.fd
        media.bell = self.driver
        media.ring_bell = _ring
        media.quiet_bell = _quiet
        media.wait = _wait_for_room
        self.media.plane.use_socket(self.driver.fd)
        status = thread_begin(&self.thread, _run, self.driver)
        if status != 0:
            self._take_back()
            raise OSError(status, os.strerror(status), "the media thread")
        self.running = True
        self.owner = getpid()
        _running.add(self)

    def stop(self):
        """End the thread and wait for it: at most one round. Stopping twice does nothing."""
        self._stop()

    cdef int _stop(self) except -1:
        if not self.running:
            return 0
        self.running = False
        if self.owner == getpid():
            store_u32(&self.driver.stopping, 1)
            thread_signal(self.driver.tell[1])
            with nogil:     # the thread finishes its round first
                thread_join(self.thread)
        self._take_back()
        return 0

    cdef void _take_back(self) noexcept:
        """The Media is nobody's again."""
        cdef media_t* media = self.media.media
        media.bell = NULL
        media.ring_bell = NULL
        media.quiet_bell = NULL
        media.wait = NULL
        media.fd = -1
        media.rung = 0
        self.media.plane.fd = -1

    @property
    def wake_fd(self):
        """Readable when something waits for take_packets or take_notices."""
        return self.driver.bell[0]

    @property
    def is_running(self):
        return self.running
