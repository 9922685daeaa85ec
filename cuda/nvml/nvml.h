// The part of NVML that is read here: names, numbers and layouts as the library exports them.
#ifndef BASALT_NVML_H
#define BASALT_NVML_H

#include <stddef.h>

enum { BS_NVML_UNSUPPORTED = 3, BS_NVML_TIMEOUT = 10, BS_NVML_NO_LIBRARY = 12 };

typedef struct {
    unsigned long long total, free, used;
} bs_memory;

// A number that the driver may not have.
typedef struct {
    int known;
    unsigned long long value;
} bs_number;

typedef struct {
    bs_memory memory;
    bs_number power_mw, energy_mj, temperature, gpu_busy, memory_busy, clock_reasons;
    bs_number uncorrected, remapped, remap_pending, remap_failed, recovery_action;
} bs_reading;

// Loads the library and starts it: 0, or NVML's code with the reason.
int bs_nvml_open(const char *path, char *reason, size_t size);
void bs_nvml_close(void);
const char *bs_nvml_error(int code);
// A GPU by its PCI address, "0000:3b:00.0".
int bs_nvml_gpu(const char *address, void **gpu);
void bs_nvml_read(void *gpu, bs_reading *r);
// Events of the kinds that the GPU supports.
int bs_nvml_watch(void *gpu, void **set);
int bs_nvml_wait(void *set, unsigned ms, unsigned long long *kind, unsigned long long *data);
void bs_nvml_unwatch(void *set);

#endif
