/* Packets in and out of a socket, 64 a system call where the kernel can. */
#include "plane.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { CONTROL_BYTES = 128, SECOND_US = 1000000 };

int batch_seal(plane_t *plane, out_batch_t *batch, conn_t *conn, const uint8_t *payload, int payload_bytes, int ack_ranges,
               int64_t now_us) {
    int bytes = conn_seal(conn, payload, payload_bytes, ack_ranges, now_us, batch->packet[batch->n]);
    if (bytes <= 0)
        return bytes;
    batch->bytes[batch->n] = bytes;
    batch->to[batch->n] = conn->peer;
    batch->n++;
    COUNT(plane, sealed, 1);
    if (payload == NULL)
        COUNT(plane, acks_sent, 1);
    return bytes;
}

/* Sends the packets from `first` on; returns how many went, or -1 with errno. */
static int send_some(out_batch_t *batch, int first, int fd) {
    struct iovec part[PLANE_BATCH];
#ifdef __linux__
    struct mmsghdr message[PLANE_BATCH];
    int n = batch->n - first;
    memset(message, 0, sizeof *message * (size_t)n);
    for (int i = 0; i < n; i++) {
        part[i].iov_base = batch->packet[first + i];
        part[i].iov_len = (size_t)batch->bytes[first + i];
        message[i].msg_hdr.msg_iov = &part[i];
        message[i].msg_hdr.msg_iovlen = 1;
        if (!batch->connected) {
            message[i].msg_hdr.msg_name = &batch->to[first + i].at;
            message[i].msg_hdr.msg_namelen = batch->to[first + i].bytes;
        }
    }
    return sendmmsg(fd, message, (unsigned)n, MSG_DONTWAIT);
#else
    struct msghdr message = {0};
    part[0].iov_base = batch->packet[first];
    part[0].iov_len = (size_t)batch->bytes[first];
    message.msg_iov = part;
    message.msg_iovlen = 1;
    if (!batch->connected) {
        message.msg_name = &batch->to[first].at;
        message.msg_namelen = batch->to[first].bytes;
    }
    return sendmsg(fd, &message, MSG_DONTWAIT) < 0 ? -1 : 1;
#endif
}

int batch_send(plane_t *plane, out_batch_t *batch, int fd) {
    int done = 0;
    int bad = 0;
    if (fd < 0)
        return 0;
    while (done < batch->n) {
        int went = send_some(batch, done, fd);
        COUNT(plane, send_calls, 1);
        if (went > 0) {
            done += went;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
            COUNT(plane, send_blocked, (uint64_t)(batch->n - done));
            bad += batch->n - done;
            break;
        } else if (errno != EINTR) {   /* this destination's own fault: the others are served */
            COUNT(plane, send_errors, 1);
            bad++;
            done++;
        }
    }
    int sent = batch->n - bad;
    COUNT(plane, sent, (uint64_t)sent);
    batch->n = 0;
    return sent;
}

/* When a message came in, in monotonic microseconds, by the kernel's stamp if it has a credible one. */
static int64_t arrival_us(struct msghdr *message, int64_t now_us, int64_t clock_offset_us) {
#ifdef SCM_TIMESTAMPNS
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
            int64_t at_us = (int64_t)stamp.tv_sec * SECOND_US + stamp.tv_nsec / 1000 + clock_offset_us;
            return at_us <= now_us && at_us > now_us - SECOND_US ? at_us : now_us;
        }
    }
#else
    (void)message;
    (void)clock_offset_us;
#endif
    return now_us;
}

int socket_timestamps(int fd) {
#ifdef SO_TIMESTAMPNS
    int on = 1;
    return setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
#else
    (void)fd;
    return -1;
#endif
}

static void prepare(struct msghdr *message, struct iovec *part, in_batch_t *batch, int i, void *control) {
    part->iov_base = batch->packet[i];
    part->iov_len = PLANE_PACKET_BYTES;
    memset(message, 0, sizeof *message);
    message->msg_name = &batch->source[i].at;
    message->msg_namelen = sizeof batch->source[i].at;
    message->msg_iov = part;
    message->msg_iovlen = 1;
    message->msg_control = control;
    message->msg_controllen = CONTROL_BYTES;
}

int batch_receive(plane_t *plane, in_batch_t *batch, int fd, int64_t now_us, int64_t clock_offset_us) {
    struct iovec part[PLANE_BATCH];
    union {
        struct cmsghdr aligned;
        char bytes[CONTROL_BYTES];
    } control[PLANE_BATCH];
    int kept = 0;
#ifdef __linux__
    struct mmsghdr message[PLANE_BATCH];
    for (int i = 0; i < PLANE_BATCH; i++)
        prepare(&message[i].msg_hdr, &part[i], batch, i, control[i].bytes);
    int n = recvmmsg(fd, message, PLANE_BATCH, MSG_DONTWAIT, NULL);
    COUNT(plane, receive_calls, 1);
    for (int i = 0; i < n; i++) {
        struct msghdr *head = &message[i].msg_hdr;
        int bytes = (int)message[i].msg_len;
#else
    for (int i = 0; i < PLANE_BATCH; i++) {
        struct msghdr one;
        struct msghdr *head = &one;
        prepare(&one, &part[i], batch, i, control[i].bytes);
        int bytes = (int)recvmsg(fd, &one, MSG_DONTWAIT);
        COUNT(plane, receive_calls, 1);
        if (bytes < 0)
            break;
#endif
        if (head->msg_flags & MSG_TRUNC) {
            COUNT(plane, truncated, 1);   /* longer than any packet of ours */
            continue;
        }
        if (kept != i)
            memcpy(batch->packet[kept], batch->packet[i], (size_t)bytes);
        batch->source[kept] = batch->source[i];
        batch->source[kept].bytes = head->msg_namelen;
        batch->bytes[kept] = bytes;
        batch->arrived_us[kept] = arrival_us(head, now_us, clock_offset_us);
        kept++;
    }
    batch->n = kept;
    COUNT(plane, received, (uint64_t)kept);
    return kept;
}
