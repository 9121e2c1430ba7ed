/* The states of a native packet that was sent. */
#ifndef SPACECORE_PLANE_SENT_H
#define SPACECORE_PLANE_SENT_H

#include "plane.h"

enum { SENT_OVER = 0, SENT_IN_FLIGHT = 1, SENT_ACK_ONLY = 2 };

/* Remember a packet just sealed; the oldest makes room. */
void sent_note(conn_t *conn, int64_t pn, int bytes, int state, int64_t ack_largest, int64_t now_us);

#endif
