/* What the plane needs of libcrypto: AEAD and header protection of RFC 9001 section 5, by suite. */
#ifndef SPACECORE_PLANE_CRYPTO_H
#define SPACECORE_PLANE_CRYPTO_H

#include "plane.h"

enum { TAG_BYTES = 16, IV_BYTES = 12, SAMPLE_BYTES = 16, MASK_BYTES = 5 };

int suite_key_bytes(suite_t suite);

evp_cipher_ctx *aead_context(suite_t suite, const uint8_t *key, int encrypt);   /* NULL: it failed */
evp_cipher_ctx *mask_context(suite_t suite, const uint8_t *key);
/* The same context, one that encrypts, under another key. 1, or 0 if it failed: then it is of no use any more. */
int aead_rekey(evp_cipher_ctx *context, const uint8_t *key);
int mask_rekey(evp_cipher_ctx *context, const uint8_t *key);
void context_free(evp_cipher_ctx *context);                                     /* wipes the key; NULL is fine */

/* Encrypts `bytes` bytes at `text` in place and writes the tag behind them; the header is authenticated too. */
int aead_seal(const aead_t *aead, int64_t pn, const uint8_t *header, int header_bytes, uint8_t *text, int bytes);
/* Decrypts into `plain`; returns the bytes of the plain text, or -1 if the packet is not authentic. */
int aead_open(const aead_t *aead, int64_t pn, const uint8_t *header, int header_bytes, const uint8_t *text, int bytes,
              uint8_t *plain);
/* Five bytes of mask from a sample of 16, RFC 9001 section 5.4. 1, or 0 if it failed. */
int header_mask(suite_t suite, evp_cipher_ctx *context, const uint8_t *sample, uint8_t mask[MASK_BYTES]);

#endif
