/* Counts how often a process syncs a file, preloaded before libc: see sales.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>

static atomic_ulong count;

unsigned long spaces_fsyncs(void) {
    return atomic_load(&count);
}

static int counted(const char *name, int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    atomic_fetch_add(&count, 1);
    return next(file);
}

int fsync(int file) {
    return counted("fsync", file);
}

int fdatasync(int file) {
    return counted("fdatasync", file);
}
