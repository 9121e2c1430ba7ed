"""What the machine itself allows: UDP packets by bare `sendmmsg`, and how late a bare timer wakes. Linux only.

Neither knows anything of QUIC. Both are the measure that the server's own figures are divided by, or compared with.
"""

import array
import errno
import os

from libc.errno cimport EAGAIN
from libc.stdint cimport int64_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef extern from *:
    """
    #ifndef _GNU_SOURCE
    #define _GNU_SOURCE
    #endif
    #include <errno.h>
    #include <stdint.h>
    #include <string.h>
    #include <sys/socket.h>
    #include <time.h>

    enum { RAW_CALL = 64, RAW_PACKET_BYTES = 1500, RAW_ADDRESS_BYTES = 28 };
    typedef struct { uint8_t bytes[RAW_PACKET_BYTES]; } raw_packet_t;
    typedef struct { uint8_t bytes[RAW_ADDRESS_BYTES]; } raw_address_t;

    static int64_t raw_clock_ns(clockid_t clock) {
        struct timespec at;
        clock_gettime(clock, &at);
        return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    }

    static int64_t raw_now_ns(void) { return raw_clock_ns(CLOCK_MONOTONIC); }
    static int64_t raw_cpu_ns(void) { return raw_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

    #ifdef __linux__
    enum { RAW_WORKS = 1 };

    static void raw_sleep_until(int64_t at_ns) {
        struct timespec at = { (time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000) };
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
    }

    /* One call for n packets of `bytes` each, to n addresses. Returns how many went out, or -errno. */
    static int raw_send(int fd, raw_packet_t *packets, int bytes, raw_address_t *addresses,
                        int address_bytes, int n) {
        struct mmsghdr message[RAW_CALL];
        struct iovec part[RAW_CALL];
        int sent;
        memset(message, 0, sizeof message[0] * (size_t)n);
        for (int i = 0; i < n; i++) {
            part[i].iov_base = packets[i].bytes;
            part[i].iov_len = (size_t)bytes;
            message[i].msg_hdr.msg_iov = &part[i];
            message[i].msg_hdr.msg_iovlen = 1;
            message[i].msg_hdr.msg_name = addresses[i].bytes;
            message[i].msg_hdr.msg_namelen = (socklen_t)address_bytes;
        }
        sent = sendmmsg(fd, message, (unsigned)n, 0);
        return sent < 0 ? -errno : sent;
    }
    #else
    enum { RAW_WORKS = 0 };
    static void raw_sleep_until(int64_t at_ns) { (void)at_ns; }
    static int raw_send(int fd, raw_packet_t *packets, int bytes, raw_address_t *addresses,
                        int address_bytes, int n) {
        (void)fd; (void)packets; (void)bytes; (void)addresses; (void)address_bytes; (void)n;
        return -ENOSYS;
    }
    #endif
    """
    enum:
        RAW_CALL
        RAW_PACKET_BYTES
        RAW_ADDRESS_BYTES
        RAW_WORKS
    ctypedef struct raw_packet_t:
        uint8_t bytes[1500]
    ctypedef struct raw_address_t:
        uint8_t bytes[28]
    int64_t raw_now_ns() noexcept nogil
    int64_t raw_cpu_ns() noexcept nogil
    void raw_sleep_until(int64_t at_ns) noexcept nogil
    int raw_send(int fd, raw_packet_t *packets, int bytes, raw_address_t *addresses, int address_bytes, int n) noexcept nogil

TICK_US = 20_000
PACKETS_PER_CALL = RAW_CALL
MAX_PACKET_BYTES = RAW_PACKET_BYTES

cdef enum:
    TICK_NS = 20_000_000


def _need_linux():
    if not RAW_WORKS:
        raise OSError(errno.ENOSYS, "sendmmsg and clock_nanosleep are Linux's; measure there")


def timer_late_ns(double seconds):
    """How late a thread without the interpreter wakes from an absolute sleep every 20 ms: an array of nanoseconds.

    Ordinary scheduling, on the cores that the caller may run on. OSError (ENOSYS) where there is no such sleep.
    """
    cdef int n = <int>(seconds * 1e9 / TICK_NS)
    cdef int i
    cdef int64_t at_ns
    cdef int64_t *late
    _need_linux()
    if n < 1:
        raise ValueError(f"{seconds:g} s holds no wait of 20 ms; give 0.02 or more")
    late = <int64_t*>calloc(n, sizeof(int64_t))
    if late == NULL:
        raise MemoryError
    with nogil:     # the interpreter's lock must not be what makes it late
        at_ns = raw_now_ns()
        for i in range(n):
            at_ns += TICK_NS
            raw_sleep_until(at_ns)
            late[i] = raw_now_ns() - at_ns
    found = array.array("q", [late[i] for i in range(n)])
    free(late)
    return found


cdef class RawSender:
    """Sends to each address one packet of the same size every `groups` ticks of 20 ms, 64 a call.

    `addresses` are packed `sockaddr`s of one family. In each tick every `groups`-th address has its turn, as a
    server does that puts `groups` frames into one datagram and spreads its listeners over the ticks. The packets
    are noise behind a zero, which begins no packet of QUIC (RFC 9000 section 17.3.1): who gets one drops it.
    """

    cdef int fd
    cdef int packet_bytes
    cdef int groups
    cdef int n
    cdef int address_bytes
    cdef raw_address_t *addresses       # those of group 0 first, then of group 1, and so on
    cdef int *begins                # where each group begins; groups + 1 entries
    cdef raw_packet_t *packets

    def __cinit__(self, int fd, list addresses, *, int packet_bytes, int groups=1):
        cdef int group
        cdef int at = 0
        _need_linux()
        if not 1 <= packet_bytes <= RAW_PACKET_BYTES:
            raise ValueError(f"{packet_bytes} bytes are no packet; 1 to {RAW_PACKET_BYTES} are")
        if not addresses or groups < 1:
            raise ValueError(f"{len(addresses)} addresses in {groups} groups; give 1 or more of both")
        self.fd, self.packet_bytes, self.groups, self.n = fd, packet_bytes, groups, len(addresses)
        self.address_bytes = len(addresses[0])
        self.addresses = <raw_address_t*>calloc(self.n, RAW_ADDRESS_BYTES)
        self.begins = <int*>calloc(groups + 1, sizeof(int))
        self.packets = <raw_packet_t*>calloc(RAW_CALL, RAW_PACKET_BYTES)
        if self.addresses == NULL or self.begins == NULL or self.packets == NULL:
            raise MemoryError
        for group in range(groups):
            for address in addresses[group::groups]:
                if len(address) != self.address_bytes or self.address_bytes > RAW_ADDRESS_BYTES:
                    raise ValueError("all addresses must be of one family, IPv4 or IPv6")
                memcpy(self.addresses[at].bytes, <const char*>(<bytes>address), self.address_bytes)
                at += 1
            self.begins[group + 1] = at
        for i in range(RAW_CALL):
            noise = b"\0" + os.urandom(packet_bytes - 1)
            memcpy(self.packets[i].bytes, <const char*>(<bytes>noise), packet_bytes)

    def __dealloc__(self):
        free(self.addresses)
        free(self.begins)
        free(self.packets)

    def run(self, double seconds):
        """Send for so long; (packets sent, packets refused by the socket, CPU nanoseconds of the thread)."""
        cdef int64_t n_ticks = <int64_t>(seconds * 1e9 / TICK_NS)
        cdef int64_t tick
        cdef int64_t sent = 0
        cdef int64_t refused = 0
        cdef int64_t at_ns
        cdef int64_t cpu_ns
        cdef int status = 0
        with nogil:     # a thread of its own kind: no other thread of the interpreter may make it late
            at_ns = raw_now_ns()
            cpu_ns = raw_cpu_ns()
            for tick in range(n_ticks):
                status = self.send_group(<int>(tick % self.groups), &sent, &refused)
                if status < 0:
                    break
                at_ns += TICK_NS
                raw_sleep_until(at_ns)
            cpu_ns = raw_cpu_ns() - cpu_ns
        if status < 0:
            raise OSError(-status, os.strerror(-status))
        return sent, refused, cpu_ns

    cdef int send_group(self, int group, int64_t *sent, int64_t *refused) noexcept nogil:
        """One tick. Returns 0, or -errno where the socket does not work at all."""
        cdef int at = self.begins[group]
        cdef int end = self.begins[group + 1]
        cdef int n
        cdef int done
        while at < end:
            n = min(end - at, <int>RAW_CALL)
            done = raw_send(self.fd, self.packets, self.packet_bytes, self.addresses + at, self.address_bytes, n)
            if done == -EAGAIN:
                refused[0] += end - at      # live audio is not sent later
                return 0
            if done < 0:
                return done
            sent[0] += done
            at += done
        return 0
