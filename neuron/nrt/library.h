/* The opened library: one pointer for each function of abi.h, and runs of several calls. */
#ifndef BASALT_NEURON_LIBRARY_H
#define BASALT_NEURON_LIBRARY_H

#include "abi.h"

typedef struct bn_library {
    void *handle;
#define BN_STATUS_POINTER(name, params) bn_status(*name) params;
#define BN_VOID_POINTER(name, params) void(*name) params;
    BN_FUNCTIONS(BN_STATUS_POINTER, BN_STATUS_POINTER)
    BN_VOIDS(BN_VOID_POINTER)
    bn_execute_schedule execute_schedule; /* NULL without BN_ASYNC_VERSION */
    bool fake;                            /* it exports fake_nrt_executor */
} bn_library;

/* One run on one core, built once: what is written before it, the graphs, what is read after it. */
typedef struct bn_graph_call {
    struct nrt_model *model;
    void *inputs, *outputs;
} bn_graph_call;

typedef struct bn_transfers {
    bn_batch *batches;
    uint64_t count;
} bn_transfers;

/* Where a run failed: the function, and which graph or transfer it was. */
typedef struct bn_failure {
    const char *function;
    uint64_t index;
} bn_failure;

bn_library *bn_open(const char *path, char *error, size_t error_size);
void bn_close_library(bn_library *lib);
void *bn_symbol(const bn_library *lib, const char *name);

bn_status bn_write_all(const bn_library *lib, const bn_transfers *t, bn_failure *at);
bn_status bn_read_all(const bn_library *lib, const bn_transfers *t, bn_failure *at);
bn_status bn_execute_all(const bn_library *lib, const bn_graph_call *calls, uint64_t count,
                         bn_failure *at);

/* The same through the asynchronous function: all graphs are queued, then waited for. rets has room
 * for count statuses and outlives the call. */
bn_status bn_schedule_all(const bn_library *lib, const bn_graph_call *calls, uint64_t count,
                          bn_status *rets, uint64_t timeout_ns, bn_failure *at);

/* The rest, one by one: Go cannot call through a pointer. */
bn_status bn_init(const bn_library *lib);
void bn_shut(const bn_library *lib);
bn_status bn_version_of(const bn_library *lib, bn_version *v);
bn_status bn_instance(const bn_library *lib, bn_instance_info *info);
bn_status bn_cores(const bn_library *lib, uint32_t *total, uint32_t *visible);
bn_status bn_load(const bn_library *lib, const void *neff, size_t size, int32_t vnc, uint32_t rank,
                  uint32_t ranks, struct nrt_model **model);
bn_status bn_unload(const bn_library *lib, struct nrt_model *model);
bn_status bn_info(const bn_library *lib, struct nrt_model *model, bn_tensor_info_array **info);
bn_status bn_free_info(const bn_library *lib, bn_tensor_info_array *info);
bn_status bn_model_core(const bn_library *lib, const struct nrt_model *model, uint32_t *vnc);
bn_status bn_allocate(const bn_library *lib, int vnc, size_t size, const char *name,
                      struct nrt_tensor **tensor);
void bn_free(const bn_library *lib, struct nrt_tensor *tensor);
bn_status bn_read(const bn_library *lib, const struct nrt_tensor *tensor, void *buf, size_t offset,
                  size_t size);
bn_status bn_write(const bn_library *lib, struct nrt_tensor *tensor, const void *buf, size_t offset,
                   size_t size);
bn_status bn_memset(const bn_library *lib, struct nrt_tensor *tensor, uint64_t offset, int value,
                    size_t size);
bn_status bn_new_set(const bn_library *lib, void **set);
void bn_free_set(const bn_library *lib, void *set);
bn_status bn_add(const bn_library *lib, void *set, const char *name, struct nrt_tensor *tensor);
bn_status bn_memory(const bn_library *lib, uint32_t vnc, bn_memory_stats *stats);
const bn_tensor_info *bn_info_at(const bn_tensor_info_array *info, uint64_t i);

#endif
