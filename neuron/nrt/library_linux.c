#define _GNU_SOURCE
#include "library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A status that no request ends with: what a slot holds until its request has ended. */
#define BN_PENDING 0xffffffffu

/* bind finds one function; a missing required one ends up in error. */
static bool bind(void *handle, const char *name, bool required, void **to, char *error,
                 size_t size) {
    *to = dlsym(handle, name);
    if (*to != NULL || !required)
        return true;
    snprintf(error, size, "it has no function %s: is it a Neuron runtime of SDK 2.28 or newer?",
             name);
    return false;
}

static bool bind_all(bn_library *lib, char *error, size_t size) {
#define BN_BIND_REQUIRED(name, params)                                                             \
    if (!bind(lib->handle, #name, true, (void **)&lib->name, error, size))                         \
        return false;
#define BN_BIND_OPTIONAL(name, params)                                                             \
    bind(lib->handle, #name, false, (void **)&lib->name, error, size);
    BN_FUNCTIONS(BN_BIND_REQUIRED, BN_BIND_OPTIONAL)
    BN_VOIDS(BN_BIND_REQUIRED)
    lib->execute_schedule =
        (bn_execute_schedule)dlvsym(lib->handle, BN_ASYNC_NAME, BN_ASYNC_VERSION);
    lib->fake = dlsym(lib->handle, "fake_nrt_executor") != NULL;
    return true;
}

bn_library *bn_open(const char *path, char *error, size_t error_size) {
    bn_library *lib = calloc(1, sizeof *lib);
    if (lib == NULL) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    lib->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (lib->handle == NULL) {
        snprintf(error, error_size, "%s", dlerror());
        free(lib);
        return NULL;
    }
    if (!bind_all(lib, error, error_size)) {
        bn_close_library(lib);
        return NULL;
    }
    return lib;
}

void bn_close_library(bn_library *lib) {
    dlclose(lib->handle);
    free(lib);
}

void *bn_symbol(const bn_library *lib, const char *name) { return dlsym(lib->handle, name); }

static bn_status fail(bn_failure *at, const char *function, uint64_t index, bn_status status) {
    at->function = function;
    at->index = index;
    return status;
}

bn_status bn_write_all(const bn_library *lib, const bn_transfers *t, bn_failure *at) {
    if (lib->nrt_tensor_write_batch != NULL)
        return fail(at, "nrt_tensor_write_batch", 0,
                    lib->nrt_tensor_write_batch(t->batches, t->count, false));
    for (uint64_t i = 0; i < t->count; i++) {
        const bn_batch *b = &t->batches[i];
        bn_status s = lib->nrt_tensor_write((struct nrt_tensor *)b->tensor, b->ops->buffer,
                                            b->ops->offset, b->ops->size);
        if (s != 0)
            return fail(at, "nrt_tensor_write", i, s);
    }
    return 0;
}

bn_status bn_read_all(const bn_library *lib, const bn_transfers *t, bn_failure *at) {
    if (lib->nrt_tensor_read_batch != NULL)
        return fail(at, "nrt_tensor_read_batch", 0,
                    lib->nrt_tensor_read_batch(t->batches, t->count, false));
    for (uint64_t i = 0; i < t->count; i++) {
        const bn_batch *b = &t->batches[i];
        bn_status s = lib->nrt_tensor_read(b->tensor, b->ops->buffer, b->ops->offset, b->ops->size);
        if (s != 0)
            return fail(at, "nrt_tensor_read", i, s);
    }
    return 0;
}

bn_status bn_execute_all(const bn_library *lib, const bn_graph_call *calls, uint64_t count,
                         bn_failure *at) {
    for (uint64_t i = 0; i < count; i++) {
        bn_status s = lib->nrt_execute(calls[i].model, calls[i].inputs, calls[i].outputs);
        if (s != 0)
            return fail(at, "nrt_execute", i, s);
    }
    return 0;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* await waits until a request has written its status: first by looking, then in short sleeps. False
 * when the deadline has passed. */
static bool await(const bn_status *ret, uint64_t deadline) {
    for (uint64_t looks = 0; __atomic_load_n(ret, __ATOMIC_ACQUIRE) == BN_PENDING; looks++) {
        if (looks < 10000)
            continue;
        if (now_ns() > deadline)
            return false;
        struct timespec pause = {0, 20000};
        nanosleep(&pause, NULL);
    }
    return true;
}

bn_status bn_schedule_all(const bn_library *lib, const bn_graph_call *calls, uint64_t count,
                          bn_status *rets, uint64_t timeout_ns, bn_failure *at) {
    enum { QUEUE_FULL = 7, TIMEOUT = 5 };
    uint64_t deadline = now_ns() + timeout_ns, queued = 0, ended = 0, sequence;
    bn_status first = 0;
    while (ended < count) {
        if (first == 0 && queued < count) {
            rets[queued] = BN_PENDING;
            bn_status s = lib->execute_schedule(calls[queued].model, calls[queued].inputs,
                                                calls[queued].outputs, 0, &rets[queued], &sequence);
            if (s == 0) {
                queued++;
                continue;
            }
            if (s != QUEUE_FULL || queued == ended)
                first = fail(at, BN_ASYNC_NAME, queued, s);
        }
        if (ended == queued)
            break; /* nothing is under way and nothing more will be */
        if (!await(&rets[ended], deadline))
            return fail(at, BN_ASYNC_NAME, ended, TIMEOUT);
        if (rets[ended] != 0 && first == 0)
            first = fail(at, BN_ASYNC_NAME, ended, rets[ended]);
        ended++;
    }
    return first;
}

bn_status bn_init(const bn_library *lib) { return lib->nrt_init(BN_FRAMEWORK_NONE, "", ""); }

void bn_shut(const bn_library *lib) { lib->nrt_close(); }

bn_status bn_version_of(const bn_library *lib, bn_version *v) {
    return lib->nrt_get_version(v, sizeof *v);
}

bn_status bn_instance(const bn_library *lib, bn_instance_info *info) {
    return lib->nrt_get_instance_info(info, sizeof *info);
}

bn_status bn_cores(const bn_library *lib, uint32_t *total, uint32_t *visible) {
    bn_status s = lib->nrt_get_total_vnc_count(total);
    return s != 0 ? s : lib->nrt_get_visible_vnc_count(visible);
}

/* vnc_count is deprecated: -1 leaves it to the file. */
bn_status bn_load(const bn_library *lib, const void *neff, size_t size, int32_t vnc, uint32_t rank,
                  uint32_t ranks, struct nrt_model **model) {
    if (ranks > 1)
        return lib->nrt_load_collectives(neff, size, vnc, -1, rank, ranks, model);
    return lib->nrt_load(neff, size, vnc, -1, model);
}

bn_status bn_unload(const bn_library *lib, struct nrt_model *model) {
    return lib->nrt_unload(model);
}

bn_status bn_info(const bn_library *lib, struct nrt_model *model, bn_tensor_info_array **info) {
    return lib->nrt_get_model_tensor_info(model, info);
}

bn_status bn_free_info(const bn_library *lib, bn_tensor_info_array *info) {
    return lib->nrt_free_model_tensor_info(info);
}

/* *vnc stays as it is where the library cannot tell. */
bn_status bn_model_core(const bn_library *lib, const struct nrt_model *model, uint32_t *vnc) {
    bn_model_info info = {0};
    size_t out = 0;
    if (lib->nrt_get_model_info == NULL)
        return 0;
    bn_status s = lib->nrt_get_model_info(model, &info, sizeof info, &out);
    if (s == 0 && out >= sizeof info)
        *vnc = info.vnc;
    return s;
}

bn_status bn_allocate(const bn_library *lib, int vnc, size_t size, const char *name,
                      struct nrt_tensor **tensor) {
    return lib->nrt_tensor_allocate(BN_PLACEMENT_DEVICE, vnc, size, name, tensor);
}

void bn_free(const bn_library *lib, struct nrt_tensor *tensor) { lib->nrt_tensor_free(&tensor); }

bn_status bn_read(const bn_library *lib, const struct nrt_tensor *tensor, void *buf, size_t offset,
                  size_t size) {
    return lib->nrt_tensor_read(tensor, buf, offset, size);
}

bn_status bn_write(const bn_library *lib, struct nrt_tensor *tensor, const void *buf, size_t offset,
                   size_t size) {
    return lib->nrt_tensor_write(tensor, buf, offset, size);
}

bn_status bn_memset(const bn_library *lib, struct nrt_tensor *tensor, uint64_t offset, int value,
                    size_t size) {
    return lib->nrt_tensor_memset(tensor, offset, value, size);
}

bn_status bn_new_set(const bn_library *lib, void **set) {
    return lib->nrt_allocate_tensor_set(set);
}

void bn_free_set(const bn_library *lib, void *set) { lib->nrt_destroy_tensor_set(&set); }

bn_status bn_add(const bn_library *lib, void *set, const char *name, struct nrt_tensor *tensor) {
    return lib->nrt_add_tensor_to_tensor_set(set, name, tensor);
}

/* Both numbers are 0 where the library cannot tell. */
bn_status bn_memory(const bn_library *lib, uint32_t vnc, bn_memory_stats *stats) {
    size_t out = 0;
    stats->bytes_used = stats->bytes_limit = 0;
    if (lib->nrt_get_vnc_memory_stats == NULL)
        return 0;
    return lib->nrt_get_vnc_memory_stats(vnc, stats, sizeof *stats, &out);
}

const bn_tensor_info *bn_info_at(const bn_tensor_info_array *info, uint64_t i) {
    return &info->tensor_array[i];
}
