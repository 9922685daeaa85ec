// Device memory is host memory at addresses that are never given out twice, each allocation with a
// page behind it that nobody may touch.
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"

enum { PAGE = 4096, MAX_LIVE = 1 << 14 };

typedef struct {
    uint64_t at, size;
} allocation;

static allocation live[MAX_LIVE];
static int num_live;
static char *space;
static uint64_t next, used;
static const uint64_t reserved = (uint64_t)64 << 30;

static uint64_t pages(uint64_t n) { return (n + PAGE - 1) / PAGE * PAGE; }

// Fresh memory holds no numbers: all bits are set. What is long is mapped to a file of such bytes
// again and again, so that pages that nobody writes to cost nothing.
static int fresh(char *at, uint64_t size) {
    static int file = -1;
    enum { LONG = 4 << 20 };
    if (size < LONG) {
        if (mprotect(at, pages(size), PROT_READ | PROT_WRITE)) return -1;
        memset(at, 0xff, size);
        return 0;
    }
    if (file < 0) {
        char *all = NULL;
        file = memfd_create("fresh", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, LONG)) return -1;
        all = mmap(NULL, LONG, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (all == MAP_FAILED) return -1;
        memset(all, 0xff, LONG);
        munmap(all, LONG);
    }
    for (uint64_t from = 0; from < pages(size); from += LONG) {
        uint64_t n = pages(size) - from;
        if (mmap(at + from, n < LONG ? n : LONG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
                 file, 0) == MAP_FAILED)
            return -1;
    }
    return 0;
}

int memory_take(uint64_t *at, uint64_t size) {
    if (!space) {
        space = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (space == MAP_FAILED) return OUT_OF_MEMORY;
    }
    uint64_t need = pages(size) + PAGE;
    if (size == 0 || num_live == MAX_LIVE || used + size > state.total_memory ||
        next + need > reserved) {
        return size == 0 ? INVALID_VALUE : OUT_OF_MEMORY;
    }
    if (fresh(space + next, size)) return OUT_OF_MEMORY;
    *at = (uint64_t)(uintptr_t)(space + next);
    live[num_live++] = (allocation){*at, size};
    next += need;
    used += size;
    return OK;
}

int memory_give(uint64_t at) {
    for (int i = 0; i < num_live; i++) {
        if (live[i].at != at) continue;
        mmap((void *)(uintptr_t)at, pages(live[i].size), PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
        used -= live[i].size;
        live[i] = live[--num_live];
        return OK;
    }
    return INVALID_VALUE;
}

int memory_has(uint64_t at, uint64_t size) {
    for (int i = 0; i < num_live; i++) {
        if (at >= live[i].at && at + size <= live[i].at + live[i].size) return 1;
    }
    return 0;
}

int memory_live(void) { return num_live; }

void memory_reset(void) {
    while (num_live) memory_give(live[0].at);
}

uint64_t memory_free(void) { return state.total_memory - used; }
