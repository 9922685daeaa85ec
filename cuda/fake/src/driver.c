// The rest of the driver: device, context, memory copies, streams, events.
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

fake_state state = {
    .total_memory = 2ull << 30, .fail_after = -1, .hang_after = -1, .capability = 80};
int fake_capturing(void);

static int failed;

int broke(int code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!state.wrong[0]) vsnprintf(state.wrong, sizeof state.wrong, format, args);
    va_end(args);
    return code;
}

int device_error(void) {
    if (!failed && state.fail_after >= 0 && state.launches >= state.fail_after) {
        failed = state.fail_code;
    }
    return failed;
}

void device_fails(int code) { failed = code; }

int cuDevicePrimaryCtxReset_v2(int dev) {
    (void)dev;
    failed = 0;
    memory_reset();
    return OK;
}

int hung(void) { return state.hang_after >= 0 && state.launches > state.hang_after; }

void fake_set(const fake_state *s) {
    state = *s;
    failed = 0;
}

void fake_get(fake_state *s) { *s = state; }
int fake_live(void) { return memory_live(); }

int cuInit(unsigned flags) {
    const char *code = getenv("BASALT_FAKE_CUINIT");
    (void)flags;
    return code ? atoi(code) : OK;
}

int cuDriverGetVersion(int *v) { return *v = 13000, OK; }
int cuDeviceGetCount(int *n) { return *n = 1, OK; }
int cuDeviceGet(int *dev, int i) { return *dev = i, i == 0 ? OK : INVALID_VALUE; }

int cuDeviceGetName(char *name, int n, int dev) {
    (void)dev;
    snprintf(name, (size_t)n, "fake GPU in host memory");
    return OK;
}

int cuDeviceGetPCIBusId(char *address, int n, int dev) {
    (void)dev;
    snprintf(address, (size_t)n, "0000:3b:00.0");
    return OK;
}

int cuDeviceTotalMem_v2(size_t *n, int dev) {
    (void)dev;
    return *n = state.total_memory, OK;
}

int cuDeviceGetAttribute(int *v, int attribute, int dev) {
    (void)dev;
    switch (attribute) {
    case 16: *v = 4; break;          // multiprocessors
    case 75: *v = state.capability / 10; break;
    case 76: *v = state.capability % 10; break;
    case 97: *v = 227 << 10; break;  // shared memory of a block, by request
    default: *v = 1;
    }
    return OK;
}

int cuDeviceGetUuid(char *uuid, int dev) {
    (void)dev;
    memset(uuid, 0x5a, 16);
    return OK;
}

int cuDevicePrimaryCtxRetain(void **ctx, int dev) {
    (void)dev;
    *ctx = &state;
    return device_error();
}

int cuDevicePrimaryCtxRelease_v2(int dev) { return (void)dev, OK; }
int cuDevicePrimaryCtxRelease(int dev) { return (void)dev, OK; }

static __thread void *current;

int cuCtxSetCurrent(void *ctx) { return current = ctx, OK; }
int cuCtxGetCurrent(void **ctx) { return *ctx = current, OK; }
int cuCtxSynchronize(void) { return device_error(); }

static int ready(void) {
    if (!current) return broke(INVALID_CONTEXT, "a call on a thread without a context");
    return device_error();
}

int cuMemAlloc_v2(uint64_t *at, size_t n) {
    int code = ready();
    if (!code && fake_capturing()) code = broke(CAPTURE_INVALID, "an allocation within a capture");
    return code ? code : memory_take(at, n);
}

int cuMemFree_v2(uint64_t at) { return memory_give(at); }

int cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
    *free_bytes = memory_free();
    *total = state.total_memory;
    return ready();
}

int cuMemHostAlloc(void **p, size_t n, unsigned flags) {
    (void)flags;
    *p = malloc(n);
    return *p ? OK : OUT_OF_MEMORY;
}

int cuMemFreeHost(void *p) {
    free(p);
    return OK;
}

static int copy(void *to, const void *from, size_t n, uint64_t device) {
    int code = ready();
    if (code) return code;
    if (fake_capturing()) return broke(CAPTURE_INVALID, "a copy within a capture");
    if (!memory_has(device, n)) {
        return broke(ILLEGAL_ADDRESS, "a copy of %zu bytes outside live memory", n);
    }
    memcpy(to, from, n);
    return OK;
}

int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t n) {
    return copy((void *)(uintptr_t)to, from, n, to);
}

int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t n) {
    return copy(to, (void *)(uintptr_t)from, n, from);
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t n, void *stream) {
    (void)stream;
    return cuMemcpyHtoD_v2(to, from, n);
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t n, void *stream) {
    (void)stream;
    return cuMemcpyDtoH_v2(to, from, n);
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void *stream) {
    (void)stream;
    if (!memory_has(to, n)) return broke(ILLEGAL_ADDRESS, "a copy to outside live memory");
    return copy((void *)(uintptr_t)to, (void *)(uintptr_t)from, n, from);
}

int cuMemsetD8_v2(uint64_t at, unsigned char v, size_t n) {
    int code = ready();
    if (code) return code;
    if (!memory_has(at, n)) return broke(ILLEGAL_ADDRESS, "a fill outside live memory");
    memset((void *)(uintptr_t)at, v, n);
    return OK;
}

int cuMemsetD8Async(uint64_t at, unsigned char v, size_t n, void *stream) {
    (void)stream;
    return cuMemsetD8_v2(at, v, n);
}

int cuStreamCreate(void **s, unsigned flags) { return (void)flags, *s = &state, ready(); }
int cuStreamDestroy_v2(void *s) { return (void)s, OK; }
int cuStreamSynchronize(void *s) {
    (void)s;
    return hung() ? broke(OK, "waited for a hung stream") : device_error();
}

int cuEventCreate(void **e, unsigned flags) { return (void)flags, *e = &state, ready(); }
int cuEventDestroy_v2(void *e) { return (void)e, OK; }
int cuEventRecord(void *e, void *s) { return (void)e, (void)s, device_error(); }

int cuEventQuery(void *e) {
    (void)e;
    return hung() ? NOT_READY : device_error();
}

int cuEventSynchronize(void *e) { return cuEventQuery(e); }

int cuGetErrorName(int code, const char **name) {
    *name = code == 2     ? "CUDA_ERROR_OUT_OF_MEMORY"
            : code == 719 ? "CUDA_ERROR_LAUNCH_FAILED"
            : code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS"
            : code == 100 ? "CUDA_ERROR_NO_DEVICE"
                          : "CUDA_ERROR_UNKNOWN";
    return OK;
}
