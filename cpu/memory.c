#define _GNU_SOURCE
#include "memory.h"

#include <sys/mman.h>

#if defined(BASALT_SANITIZE)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(p, bytes)
#endif

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

// Bytes on both sides of a mapping that nobody may touch; the last page's rest joins the second.
#if defined(BASALT_SANITIZE)
enum { BORDER = 1 << 14 };
#else
enum { BORDER = 0 };
#endif

int bs_guarded(void) { return BORDER > 0; }

void *bs_map(size_t bytes, int huge) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    size_t all = bytes + 2 * BORDER;
    char *p = mmap(NULL, all, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED) return NULL;
#ifdef MADV_HUGEPAGE
    if (huge) madvise(p, all, MADV_HUGEPAGE);
#else
    (void)huge;
#endif
    ASAN_POISON_MEMORY_REGION(p, BORDER);
    ASAN_POISON_MEMORY_REGION(p + BORDER + bytes, BORDER);
    return p + BORDER;
}

void bs_unmap(void *p, size_t bytes) {
    char *start = (char *)p - BORDER;
    size_t all = bytes + 2 * BORDER;
    ASAN_UNPOISON_MEMORY_REGION(start, all);
    munmap(start, all);
}
