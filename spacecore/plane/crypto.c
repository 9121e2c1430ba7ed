/* libcrypto, loaded at run time through one table of function pointers: building needs no headers of it. */
#include "crypto.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef struct evp_cipher evp_cipher;
typedef struct engine engine;

enum { CTRL_AEAD_SET_IVLEN = 0x9, CTRL_AEAD_GET_TAG = 0x10, CTRL_AEAD_SET_TAG = 0x11 };   /* of openssl/evp.h */
enum { VERSION_TEXT = 0 };
enum { TEXT_BYTES = 512 };

static struct {
    evp_cipher_ctx *(*ctx_new)(void);
    void (*ctx_free)(evp_cipher_ctx *);
    int (*ctx_ctrl)(evp_cipher_ctx *, int, int, void *);
    int (*set_padding)(evp_cipher_ctx *, int);
    int (*init)(evp_cipher_ctx *, const evp_cipher *, engine *, const uint8_t *, const uint8_t *, int);
    int (*encrypt_init)(evp_cipher_ctx *, const evp_cipher *, engine *, const uint8_t *, const uint8_t *);
    int (*encrypt_update)(evp_cipher_ctx *, uint8_t *, int *, const uint8_t *, int);
    int (*encrypt_final)(evp_cipher_ctx *, uint8_t *, int *);
    int (*decrypt_init)(evp_cipher_ctx *, const evp_cipher *, engine *, const uint8_t *, const uint8_t *);
    int (*decrypt_update)(evp_cipher_ctx *, uint8_t *, int *, const uint8_t *, int);
    int (*decrypt_final)(evp_cipher_ctx *, uint8_t *, int *);
    const evp_cipher *(*aes_128_gcm)(void);
    const evp_cipher *(*aes_256_gcm)(void);
    const evp_cipher *(*chacha20_poly1305)(void);
    const evp_cipher *(*aes_128_ecb)(void);
    const evp_cipher *(*aes_256_ecb)(void);
    const evp_cipher *(*chacha20)(void);
    const char *(*version)(int);
} crypto;

static int loaded;
static char error_text[TEXT_BYTES];
static char path_text[TEXT_BYTES];

static const struct {
    const char *name;
    void *place;
} SYMBOLS[] = {
    {"EVP_CIPHER_CTX_new", &crypto.ctx_new},
    {"EVP_CIPHER_CTX_free", &crypto.ctx_free},
    {"EVP_CIPHER_CTX_ctrl", &crypto.ctx_ctrl},
    {"EVP_CIPHER_CTX_set_padding", &crypto.set_padding},
    {"EVP_CipherInit_ex", &crypto.init},
    {"EVP_EncryptInit_ex", &crypto.encrypt_init},
    {"EVP_EncryptUpdate", &crypto.encrypt_update},
    {"EVP_EncryptFinal_ex", &crypto.encrypt_final},
    {"EVP_DecryptInit_ex", &crypto.decrypt_init},
    {"EVP_DecryptUpdate", &crypto.decrypt_update},
    {"EVP_DecryptFinal_ex", &crypto.decrypt_final},
    {"EVP_aes_128_gcm", &crypto.aes_128_gcm},
    {"EVP_aes_256_gcm", &crypto.aes_256_gcm},
    {"EVP_chacha20_poly1305", &crypto.chacha20_poly1305},
    {"EVP_aes_128_ecb", &crypto.aes_128_ecb},
    {"EVP_aes_256_ecb", &crypto.aes_256_ecb},
    {"EVP_chacha20", &crypto.chacha20},
    {"OpenSSL_version", &crypto.version},
};

/* The first is what Python's own ssl module usually maps; Homebrew's folders are not in macOS's search path. */
static const char *const NAMES[] = {
    "libcrypto.so.3", "libcrypto.3.dylib", "/opt/homebrew/opt/openssl@3/lib/libcrypto.3.dylib",
    "/usr/local/opt/openssl@3/lib/libcrypto.3.dylib",
};

static int resolve(void *library, const char *path) {
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        void *found = dlsym(library, SYMBOLS[i].name);
        if (found == NULL) {
            snprintf(error_text, sizeof error_text, "%.300s has no %s; OpenSSL 3 has it", path, SYMBOLS[i].name);
            return PLANE_NO_LIBRARY;
        }
        memcpy(SYMBOLS[i].place, &found, sizeof found);   /* ISO C has no cast from an object to a function */
    }
    snprintf(path_text, sizeof path_text, "%s", path);
    error_text[0] = 0;
    loaded = 1;
    return PLANE_OK;
}

int crypto_load(const char *path) {
    if (loaded)
        return PLANE_OK;
    const char *const *names = path != NULL ? &path : NAMES;
    size_t n = path != NULL ? 1 : sizeof NAMES / sizeof *NAMES;
    for (size_t i = 0; i < n; i++) {
        void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (library != NULL) {
            int status = resolve(library, names[i]);
            if (status != PLANE_OK)
                dlclose(library);
            return status;
        }
        if (i == 0) {
            const char *why = dlerror();
            snprintf(error_text, sizeof error_text, "%s", why != NULL ? why : names[i]);
        }
    }
    return PLANE_NO_LIBRARY;
}

const char *crypto_error(void) { return error_text; }

const char *crypto_path(void) { return path_text; }

const char *crypto_version(void) { return loaded ? crypto.version(VERSION_TEXT) : ""; }

int suite_key_bytes(suite_t suite) { return suite == SUITE_AES_128_GCM ? 16 : 32; }

static const evp_cipher *aead_cipher(suite_t suite) {
    switch (suite) {
    case SUITE_AES_128_GCM: return crypto.aes_128_gcm();
    case SUITE_AES_256_GCM: return crypto.aes_256_gcm();
    default: return crypto.chacha20_poly1305();
    }
}

static const evp_cipher *mask_cipher(suite_t suite) {
    switch (suite) {
    case SUITE_AES_128_GCM: return crypto.aes_128_ecb();
    case SUITE_AES_256_GCM: return crypto.aes_256_ecb();
    default: return crypto.chacha20();
    }
}

evp_cipher_ctx *aead_context(suite_t suite, const uint8_t *key, int encrypt) {
    evp_cipher_ctx *context = loaded ? crypto.ctx_new() : NULL;
    if (context == NULL)
        return NULL;
    if (crypto.init(context, aead_cipher(suite), NULL, NULL, NULL, encrypt) != 1 ||
        crypto.ctx_ctrl(context, CTRL_AEAD_SET_IVLEN, IV_BYTES, NULL) != 1 ||
        crypto.init(context, NULL, NULL, key, NULL, encrypt) != 1) {
        crypto.ctx_free(context);
        return NULL;
    }
    return context;
}

evp_cipher_ctx *mask_context(suite_t suite, const uint8_t *key) {
    static const uint8_t zeros[16] = {0};
    evp_cipher_ctx *context = loaded ? crypto.ctx_new() : NULL;
    if (context == NULL)
        return NULL;
    const uint8_t *iv = suite == SUITE_CHACHA20_POLY1305 ? zeros : NULL;
    if (crypto.encrypt_init(context, mask_cipher(suite), NULL, key, iv) != 1) {
        crypto.ctx_free(context);
        return NULL;
    }
    crypto.set_padding(context, 0);
    return context;
}

int aead_rekey(evp_cipher_ctx *context, const uint8_t *key) {
    return crypto.encrypt_init(context, NULL, NULL, key, NULL) == 1;
}

int mask_rekey(evp_cipher_ctx *context, const uint8_t *key) {
    return crypto.encrypt_init(context, NULL, NULL, key, NULL) == 1;
}

void context_free(evp_cipher_ctx *context) {
    if (context != NULL)
        crypto.ctx_free(context);
}

/* RFC 9001 section 5.3: the packet number, big-endian, over the last eight bytes of the IV. */
static void make_nonce(const uint8_t *iv, int64_t pn, uint8_t *nonce) {
    memcpy(nonce, iv, IV_BYTES);
    for (int i = 0; i < 8; i++)
        nonce[IV_BYTES - 1 - i] ^= (uint8_t)((uint64_t)pn >> (8 * i));
}

int aead_seal(const aead_t *aead, int64_t pn, const uint8_t *header, int header_bytes, uint8_t *text, int bytes) {
    uint8_t nonce[IV_BYTES];
    int done = 0;
    make_nonce(aead->iv, pn, nonce);
    if (crypto.encrypt_init(aead->ctx, NULL, NULL, NULL, nonce) != 1 ||
        crypto.encrypt_update(aead->ctx, NULL, &done, header, header_bytes) != 1 ||
        crypto.encrypt_update(aead->ctx, text, &done, text, bytes) != 1 ||
        crypto.encrypt_final(aead->ctx, text + done, &done) != 1 ||
        crypto.ctx_ctrl(aead->ctx, CTRL_AEAD_GET_TAG, TAG_BYTES, text + bytes) != 1)
        return PLANE_CRYPTO;
    return PLANE_OK;
}

int aead_open(const aead_t *aead, int64_t pn, const uint8_t *header, int header_bytes, const uint8_t *text, int bytes,
              uint8_t *plain) {
    uint8_t nonce[IV_BYTES];
    uint8_t tag[TAG_BYTES];
    int done = 0;
    int rest = 0;
    int plain_bytes = bytes - TAG_BYTES;
    if (plain_bytes < 0)
        return -1;
    make_nonce(aead->iv, pn, nonce);
    memcpy(tag, text + plain_bytes, TAG_BYTES);
    if (crypto.decrypt_init(aead->ctx, NULL, NULL, NULL, nonce) != 1 ||
        crypto.decrypt_update(aead->ctx, NULL, &done, header, header_bytes) != 1 ||
        crypto.decrypt_update(aead->ctx, plain, &done, text, plain_bytes) != 1 ||
        crypto.ctx_ctrl(aead->ctx, CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1 ||
        crypto.decrypt_final(aead->ctx, plain + done, &rest) <= 0)
        return -1;
    return plain_bytes;
}

int header_mask(suite_t suite, evp_cipher_ctx *context, const uint8_t *sample, uint8_t mask[MASK_BYTES]) {
    static const uint8_t zeros[MASK_BYTES] = {0};
    uint8_t block[SAMPLE_BYTES + 16];
    int done = 0;
    if (suite == SUITE_CHACHA20_POLY1305)   /* the sample is block counter and nonce */
        return crypto.encrypt_init(context, NULL, NULL, NULL, sample) == 1 &&
               crypto.encrypt_update(context, mask, &done, zeros, MASK_BYTES) == 1;
    if (crypto.encrypt_update(context, block, &done, sample, SAMPLE_BYTES) != 1)
        return 0;
    memcpy(mask, block, MASK_BYTES);
    return 1;
}
