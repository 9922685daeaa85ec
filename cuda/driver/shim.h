// The CUDA driver by dlopen, and what gorgonia.org/cu does not bind of it.
#ifndef BASALT_CUDA_SHIM_H
#define BASALT_CUDA_SHIM_H

#include <stddef.h>
#include <stdint.h>

enum { BS_MAX_ARGS = 18 };

// One launch: arguments are pointers or 32-bit numbers, each in a cell of its own.
typedef struct {
    uint64_t fn;
    uint32_t grid[3], threads, shared, num_args;
    uint64_t args[BS_MAX_ARGS];
} bs_launch;

// Loads the driver and starts it. 0, a CUDA error, or -1 when there is no library or one of the
// functions that cannot be done without is missing; reason then says why.
int bs_load(const char *path, char *reason, size_t size);
void bs_unload(void);

int bs_launch_all(const bs_launch *list, int n, void *stream, int *at);
int bs_capture(const bs_launch *list, int n, void *stream, void **exec, int *at);
int bs_graph_launch(void *exec, void *stream);
void bs_graph_drop(void *exec);
int bs_allow_shared(void *fn, int bytes);
int bs_host_alloc(void **p, size_t n);
void bs_host_free(void *p);
int bs_event_query(void *event);
int bs_memory(size_t *free_bytes, size_t *total);
int bs_free(uint64_t at);
// Of a device on the PCI bus.
int bs_address(int dev, char *to, int size);
const char *bs_error_name(int code);
// Whether the driver has a function: for what is optional.
int bs_has(const char *name);

#endif
