/* What the swarm wants of the system: which of many sockets have something, packets with their time of arrival.
 * epoll and recvmmsg on Linux, kqueue and recvmsg elsewhere. */
#ifndef SIGNALING_LOAD_SOCKETS_H
#define SIGNALING_LOAD_SOCKETS_H

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#else
#include <sys/event.h>
#endif

enum { SOCKETS_BATCH = 8, SOCKETS_READY = 256, SOCKETS_PACKET_BYTES = 1500, SOCKETS_CONTROL_BYTES = 64 };

typedef struct {
    int n;
    int bytes[SOCKETS_BATCH];       /* -1: longer than a packet may be */
    int64_t arrived_us[SOCKETS_BATCH];
    uint8_t packet[SOCKETS_BATCH][SOCKETS_PACKET_BYTES];
    struct iovec part[SOCKETS_BATCH];
    char control[SOCKETS_BATCH][SOCKETS_CONTROL_BYTES] __attribute__((aligned(8)));
#ifdef __linux__
    struct mmsghdr header[SOCKETS_BATCH];
#endif
} sockets_batch_t;

static inline int sockets_new(void) {
#ifdef __linux__
    return epoll_create1(EPOLL_CLOEXEC);
#else
    return kqueue();
#endif
}

/* Wait for this socket too; `member` is told when it has something. 0 or -1. A closed socket is forgotten by itself. */
static inline int sockets_add(int set, int fd, int member) {
#ifdef __linux__
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)member};
    return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
#else
    struct kevent event;
    EV_SET(&event, fd, EVFILT_READ, EV_ADD, 0, 0, (void *)(intptr_t)member);
    return kevent(set, &event, 1, NULL, 0, NULL);
#endif
}

/* Members whose socket has something now; never waits. Those told of are put behind the others by the system. */
static inline int sockets_ready(int set, int *ready) {
    int n;
#ifdef __linux__
    struct epoll_event events[SOCKETS_READY];
    n = epoll_wait(set, events, SOCKETS_READY, 0);
    for (int i = 0; i < n; i++)
        ready[i] = (int)events[i].data.u32;
#else
    struct kevent events[SOCKETS_READY];
    struct timespec now = {0, 0};
    n = kevent(set, NULL, 0, events, SOCKETS_READY, &now);
    for (int i = 0; i < n; i++)
        ready[i] = (int)(intptr_t)events[i].udata;
#endif
    return n < 0 ? 0 : n;
}

/* Ask the kernel for times of arrival; 0, or -1 where there are none. */
static inline int sockets_stamp(int fd) {
    int on = 1;
#ifdef SO_TIMESTAMPNS
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
#else
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof on);
#endif
}

/* The kernel's time of arrival on our clock; now_us where there is none, or it is not of the last ten seconds. */
static inline int64_t sockets_arrived(struct msghdr *header, int64_t now_us, int64_t clock_offset_us) {
    int64_t at_us;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
#ifdef SO_TIMESTAMPNS
        if (c->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        at_us = (int64_t)stamp.tv_sec * 1000000 + stamp.tv_nsec / 1000 + clock_offset_us;
#else
        if (c->cmsg_type != SCM_TIMESTAMP)
            continue;
        struct timeval stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        at_us = (int64_t)stamp.tv_sec * 1000000 + stamp.tv_usec + clock_offset_us;
#endif
        if (at_us <= now_us && at_us > now_us - 10000000)
            return at_us;
    }
    return now_us;
}

static inline void sockets_prepare(sockets_batch_t *batch) {
    memset(batch, 0, sizeof *batch);
    for (int i = 0; i < SOCKETS_BATCH; i++) {
        batch->part[i].iov_base = batch->packet[i];
        batch->part[i].iov_len = SOCKETS_PACKET_BYTES;
#ifdef __linux__
        batch->header[i].msg_hdr.msg_iov = &batch->part[i];
        batch->header[i].msg_hdr.msg_iovlen = 1;
        batch->header[i].msg_hdr.msg_control = batch->control[i];
        batch->header[i].msg_hdr.msg_controllen = SOCKETS_CONTROL_BYTES;
#endif
    }
}

/* Read at most SOCKETS_BATCH packets of a prepared batch; never waits. Returns 0, or an errno. */
static inline int sockets_take(sockets_batch_t *batch, int fd, int64_t now_us, int64_t clock_offset_us) {
    batch->n = 0;
#ifdef __linux__
    int n = recvmmsg(fd, batch->header, SOCKETS_BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno;
    for (int i = 0; i < n; i++) {
        struct msghdr *header = &batch->header[i].msg_hdr;
        batch->bytes[i] = header->msg_flags & MSG_TRUNC ? -1 : (int)batch->header[i].msg_len;
        batch->arrived_us[i] = sockets_arrived(header, now_us, clock_offset_us);
        header->msg_controllen = SOCKETS_CONTROL_BYTES;
    }
    batch->n = n;
#else
    while (batch->n < SOCKETS_BATCH) {
        struct msghdr header = {.msg_iov = &batch->part[batch->n], .msg_iovlen = 1};
        header.msg_control = batch->control[batch->n];
        header.msg_controllen = SOCKETS_CONTROL_BYTES;
        ssize_t bytes = recvmsg(fd, &header, MSG_DONTWAIT);
        if (bytes < 0)
            return batch->n ? 0 : errno;
        batch->bytes[batch->n] = header.msg_flags & MSG_TRUNC ? -1 : (int)bytes;
        batch->arrived_us[batch->n] = sockets_arrived(&header, now_us, clock_offset_us);
        batch->n++;
    }
#endif
    return 0;
}

/* Send one packet on a connected socket; never waits. 0, or an errno. */
static inline int sockets_send(int fd, const uint8_t *packet, int bytes) {
    return send(fd, packet, (size_t)bytes, MSG_DONTWAIT) < 0 ? errno : 0;
}

#endif
