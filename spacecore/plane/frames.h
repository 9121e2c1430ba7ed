/* Variable-length integers and the few frame types that the plane knows; RFC 9000 sections 16 and 19, RFC 9221. */
#ifndef SPACECORE_PLANE_FRAMES_H
#define SPACECORE_PLANE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_PADDING = 0x00,
    FRAME_PING = 0x01,
    FRAME_ACK = 0x02,
    FRAME_ACK_ECN = 0x03,
    FRAME_DATAGRAM = 0x30,          /* to the end of the packet */
    FRAME_DATAGRAM_LENGTH = 0x31
};

static inline uint8_t *put_varint(uint8_t *at, uint64_t value) {
    if (value < 0x40) {
        *at++ = (uint8_t)value;
        return at;
    }
    int log = value < 0x4000 ? 1 : value < 0x40000000 ? 2 : 3;
    int bytes = 1 << log;
    for (int i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    at[0] |= (uint8_t)(log << 6);
    return at + bytes;
}

/* NULL if it does not end before `end`. */
static inline const uint8_t *get_varint(const uint8_t *at, const uint8_t *end, uint64_t *value) {
    if (at >= end)
        return NULL;
    int bytes = 1 << (*at >> 6);
    if (end - at < bytes)
        return NULL;
    uint64_t found = *at & 0x3f;
    for (int i = 1; i < bytes; i++)
        found = found << 8 | at[i];
    *value = found;
    return at + bytes;
}

static inline int varint_bytes(uint64_t value) {
    return value < 0x40 ? 1 : value < 0x4000 ? 2 : value < 0x40000000 ? 4 : 8;
}

#endif
