// A CUDA driver without a GPU: one device in host memory that runs the portable kernels' own
// sources. It holds callers to the rules of the real one and fails on demand.
#ifndef FAKE_H
#define FAKE_H

#include <stdint.h>

enum { OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_CONTEXT = 201, NO_BINARY = 209,
       NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700, LAUNCH_FAILED = 719,
       CAPTURE_INVALID = 901 };

// What the tests set (fake_set) and read (fake_get).
typedef struct {
    uint64_t total_memory;
    int fail_code;      // of the next calls that do device work, sticky as on a device
    int64_t fail_after; // launches until then; below zero never
    int64_t hang_after; // launches until the stream never ends its work; below zero never
    int capability; // 10 * major + minor
    int arch_fault; // of kernels of one architecture: 0 none, 1 wrong results, else a sticky code
    int64_t launches, graph_launches, captures;
    char wrong[256]; // the first broken rule
} fake_state;

extern fake_state state;

int memory_take(uint64_t *at, uint64_t size);
int memory_give(uint64_t at);
int memory_has(uint64_t at, uint64_t size);
int memory_live(void);
void memory_reset(void);
uint64_t memory_free(void);

// Remembers the first broken rule and gives the code.
int broke(int code, const char *format, ...);
// The sticky error, or OK.
int device_error(void);
void device_fails(int code);
int hung(void);

#endif
