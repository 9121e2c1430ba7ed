"""Receives on many sockets at little cost, and counts: packets, sequence gaps and times between arrivals of each."""

from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport int64_t, uint8_t, uint32_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from posix.unistd cimport close

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        uint32_t u32
    struct epoll_event:
        uint32_t events
        epoll_data_t data
    enum:
        EPOLLIN
        EPOLL_CTL_ADD
        EPOLL_CTL_DEL
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)

cdef extern from "<sys/socket.h>" nogil:
    struct iovec:
        void* iov_base
        size_t iov_len
    struct msghdr:
        iovec* msg_iov
        size_t msg_iovlen
    struct mmsghdr:
        msghdr msg_hdr
        unsigned int msg_len
    enum:
        MSG_DONTWAIT
        MSG_TRUNC
    int recvmmsg(int fd, mmsghdr* messages, unsigned int count, int flags, timespec* timeout)
    ssize_t recv(int fd, void* buffer, size_t size, int flags)

cdef enum:
    BATCH = 16  # packets a system call; a listener has one or two waiting, unless we are late
    EVENTS = 256
    PACKET_BYTES = 2048
    GAP_BIN_US = 100
    GAP_BINS = 20_001  # the last one holds whatever is longer
    DISCARDED_BYTES = 1 << 20


cdef struct source_t:
    int fd
    bint is_stream
    int64_t packets
    int64_t bytes
    int64_t lost
    int64_t late
    int64_t arrived_us
    int seq
    int last_bytes
    uint8_t last[PACKET_BYTES]


cdef struct sink_t:
    int epoll
    int n_sources
    int capacity
    int seq_at
    int seq_bytes
    int64_t longest_gap_us
    int64_t gaps[GAP_BINS]
    source_t* sources
    mmsghdr messages[BATCH]
    iovec vectors[BATCH]
    uint8_t buffers[BATCH][PACKET_BYTES]


cdef inline int64_t now_us() noexcept nogil:
    cdef timespec at
    clock_gettime(CLOCK_MONOTONIC, &at)
    return at.tv_sec * 1_000_000 + at.tv_nsec // 1000


cdef void follow(sink_t* sink, source_t* source, const uint8_t* packet, int n_bytes) noexcept nogil:
    """Count what is missing between this packet's sequence number and the one before."""
    cdef int seq, step, span
    if sink.seq_bytes == 0 or n_bytes < sink.seq_at + sink.seq_bytes:
        return
    seq = packet[sink.seq_at]
    span = 0x100
    if sink.seq_bytes == 2:
        seq = seq << 8 | packet[sink.seq_at + 1]
        span = 0x10000
    if source.seq >= 0:
        step = (seq - source.seq) & (span - 1)
        if step == 0 or step >= span // 2:
            source.late += 1
            source.lost -= 1 if step else 0  # it was counted when the one after it came
            return
        source.lost += step - 1
    source.seq = seq


cdef void take(sink_t* sink, source_t* source, const uint8_t* packet, int n_bytes, int64_t at_us) noexcept nogil:
    cdef int64_t gap_us
    source.packets += 1
    source.bytes += n_bytes
    follow(sink, source, packet, n_bytes)
    if source.arrived_us:
        gap_us = at_us - source.arrived_us
        sink.gaps[min(gap_us // GAP_BIN_US, GAP_BINS - 1)] += 1
        sink.longest_gap_us = max(sink.longest_gap_us, gap_us)
    source.arrived_us = at_us
    source.last_bytes = min(n_bytes, <int>PACKET_BYTES)
    memcpy(source.last, packet, source.last_bytes)


cdef void drain(sink_t* sink, source_t* source, int64_t at_us) noexcept nogil:
    """Everything that waits at one socket. A failed read (a refused port, a closed stream) ends it quietly."""
    cdef int i
    cdef int got = BATCH
    cdef ssize_t thrown
    if source.is_stream:
        # MSG_TRUNC on a stream: the kernel throws the bytes away without copying them.
        thrown = recv(source.fd, NULL, DISCARDED_BYTES, MSG_DONTWAIT | MSG_TRUNC)
        if thrown == 0 or (thrown < 0 and errno != EAGAIN and errno != EINTR):
            epoll_ctl(sink.epoll, EPOLL_CTL_DEL, source.fd, NULL)
        return
    while got == BATCH:
        got = recvmmsg(source.fd, sink.messages, BATCH, MSG_DONTWAIT, NULL)
        for i in range(got):
            take(sink, source, sink.buffers[i], <int>sink.messages[i].msg_len, at_us)


cdef int run(sink_t* sink, int64_t until_us) noexcept nogil:
    """Receive until then. 0, or the error number of epoll."""
    cdef epoll_event events[EVENTS]
    cdef int i, ready
    cdef int64_t at_us = now_us()
    while at_us < until_us:
        ready = epoll_wait(sink.epoll, events, EVENTS, <int>min((until_us - at_us + 999) // 1000, 1000))
        if ready < 0 and errno != EINTR:
            return errno
        at_us = now_us()
        for i in range(ready):
            drain(sink, &sink.sources[events[i].data.u32], at_us)
    return 0


cdef class Sink:
    """Sockets whose packets are counted and thrown away. It does not own them: keep them open as long as it runs.

    `seq_at` and `seq_bytes` (0, 1 or 2, most significant first) say where a packet carries the number that tells
    what is missing. `add` and `discard` may be called while another thread is inside `run`; nothing else may.
    """

    cdef sink_t* sink

    def __cinit__(self, int capacity, *, int seq_at=0, int seq_bytes=0):
        cdef int i
        if capacity < 1 or seq_at < 0 or not 0 <= seq_bytes <= 2:
            raise ValueError(f"capacity {capacity}, seq_at {seq_at}, seq_bytes {seq_bytes}: at least 1, at least 0, 0 to 2")
        self.sink = <sink_t*>calloc(1, sizeof(sink_t))
        if self.sink == NULL:
            raise MemoryError
        self.sink.epoll = -1
        self.sink.sources = <source_t*>calloc(capacity, sizeof(source_t))
        if self.sink.sources == NULL:
            raise MemoryError
        self.sink.capacity = capacity
        self.sink.seq_at = seq_at
        self.sink.seq_bytes = seq_bytes
        self.sink.epoll = epoll_create1(0)
        if self.sink.epoll < 0:
            raise OSError(errno, "epoll_create1 failed")
        for i in range(BATCH):
            self.sink.vectors[i].iov_base = &self.sink.buffers[i][0]
            self.sink.vectors[i].iov_len = PACKET_BYTES
            self.sink.messages[i].msg_hdr.msg_iov = &self.sink.vectors[i]
            self.sink.messages[i].msg_hdr.msg_iovlen = 1

    def __dealloc__(self):
        if self.sink != NULL:
            if self.sink.epoll >= 0:
                close(self.sink.epoll)
            free(self.sink.sources)
        free(self.sink)

    def add(self, int fd):
        """Count the datagrams of a socket from now on."""
        self._add(fd, False)

    def discard(self, int fd):
        """Throw away what arrives on a stream."""
        self._add(fd, True)

    def run(self, long long duration_us):
        """Receive for so long."""
        cdef int failed
        cdef int64_t until_us = now_us() + duration_us
        with nogil:  # whoever feeds the server is Python in another thread
            failed = run(self.sink, until_us)
        if failed:
            raise OSError(failed, "epoll_wait failed")

    def clear(self):
        """Begin to count anew: the first packet of each socket has no gap before it."""
        cdef int i
        cdef source_t* source
        for i in range(self.sink.n_sources):
            source = &self.sink.sources[i]
            source.packets = source.bytes = source.lost = source.late = source.arrived_us = 0
            source.last_bytes = 0
            source.seq = -1
        memset(self.sink.gaps, 0, sizeof(self.sink.gaps))
        self.sink.longest_gap_us = 0

    @property
    def packets(self):
        """Packets of each datagram socket, in the order of `add`."""
        return [self.sink.sources[i].packets for i in self._datagrams()]

    @property
    def lost(self):
        """What the sequence numbers of each datagram socket left out."""
        return [self.sink.sources[i].lost for i in self._datagrams()]

    @property
    def late(self):
        """Packets of each datagram socket that came twice or after a later one."""
        return [self.sink.sources[i].late for i in self._datagrams()]

    @property
    def n_bytes(self):
        """Bytes of all packets together, headers of UDP and IP left out."""
        return sum(self.sink.sources[i].bytes for i in self._datagrams())

    def gap_ms(self, double share):
        """The time between two arrivals at one socket that this share (0 to 1) of them does not exceed, to 0.1 ms."""
        cdef int i
        cdef int64_t seen = 0
        cdef int64_t total = 0
        for i in range(GAP_BINS):
            total += self.sink.gaps[i]
        for i in range(GAP_BINS):
            seen += self.sink.gaps[i]
            if total and seen >= share * total:
                return i * GAP_BIN_US / 1000.0
        return 0.0

    @property
    def longest_gap_ms(self):
        return self.sink.longest_gap_us / 1000.0

    def last(self, int index):
        """The newest packet of a datagram socket, cut at 2048 bytes; empty where none came since `clear`."""
        cdef source_t* source
        found = self._datagrams()
        if not 0 <= index < len(found):
            raise IndexError(f"socket {index}: {len(found)} were added")
        source = &self.sink.sources[found[index]]
        return (<const char*>source.last)[:source.last_bytes]

    def __len__(self):
        """Sockets, streams included."""
        return self.sink.n_sources

    def _datagrams(self):
        return [i for i in range(self.sink.n_sources) if not self.sink.sources[i].is_stream]

    cdef int _add(self, int fd, bint is_stream) except -1:
        cdef epoll_event event
        cdef int index = self.sink.n_sources
        if index == self.sink.capacity:
            raise ValueError(f"socket {index + 1}: the sink was made for {self.sink.capacity}")
        self.sink.sources[index].fd = fd
        self.sink.sources[index].is_stream = is_stream
        self.sink.sources[index].seq = -1
        self.sink.n_sources = index + 1
        event.events = EPOLLIN
        event.data.u32 = index
        if epoll_ctl(self.sink.epoll, EPOLL_CTL_ADD, fd, &event) != 0:
            self.sink.n_sources = index
            raise OSError(errno, f"descriptor {fd} cannot be watched")
        return 0
