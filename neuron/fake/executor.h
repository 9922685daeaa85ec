/* What the fake runtime library asks of its executor. The library knows no graphs: it hands over
 * the bytes behind a file's header, gets the list of tensors, and has runs computed on host
 * memory. */
#ifndef BASALT_FAKE_EXECUTOR_H
#define BASALT_FAKE_EXECUTOR_H

#include <stddef.h>
#include <stdint.h>

enum { FAKE_NAME_MAX = 256, FAKE_MAX_RANK = 8 };

typedef struct fake_tensor_info {
    char name[FAKE_NAME_MAX];
    uint32_t output; /* 0 for an input */
    uint64_t size;   /* bytes */
    uint32_t dtype;  /* of the library's enumeration */
    uint32_t ndim;
    uint32_t shape[FAKE_MAX_RANK];
    int32_t alias; /* of an output: the number of the input that it overwrites, or -1 */
} fake_tensor_info;

typedef struct fake_graph {
    uint64_t handle;
    uint32_t collective; /* it talks to other ranks */
    uint32_t count;
    fake_tensor_info *tensors; /* inputs, then outputs; from malloc, freed by the library */
} fake_graph;

/* What a graph is loaded for: its rank among so many, and how long ranks wait for each other. */
typedef struct fake_placement {
    uint32_t rank, ranks, timeout_seconds;
} fake_placement;

/* Statuses are the library's. data has the memory of every tensor in the order of the list. */
typedef struct fake_executor {
    uintptr_t context; /* handed to load */
    uint32_t (*load)(uintptr_t context, const void *graph, size_t size, fake_placement place,
                     fake_graph *out);
    uint32_t (*execute)(uint64_t handle, void **data);
    void (*unload)(uint64_t handle);
} fake_executor;

/* Exported by the fake library alone, which is how a loader knows it. */
typedef void (*fake_nrt_executor_fn)(const fake_executor *executor);
/* Copies complaints about the caller, one a line, and gives their number. */
typedef uint32_t (*fake_nrt_report_fn)(char *text, size_t size);

#endif
