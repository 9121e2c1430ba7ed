/* The whole core as one translation unit: each native unit that uses it has a copy, inlined where that serves.
 *
 * Nothing is shared between the copies but what is in a plane_t; the table of libcrypto's functions is loaded by each. */
#ifndef SPACECORE_PLANE_WHOLE_H
#define SPACECORE_PLANE_WHOLE_H

#include "plane.h"

#include "batch.c"
#include "conn.c"
#include "crypto.c"
#include "packet.c"
#include "ranges.c"
#include "sent.c"
#include "table.c"

#endif
