/* The runtime library's C interface as this program uses it: own declarations, from the public
 * documentation of the AWS Neuron runtime. `make neuron-abi-check NRT_INCLUDE=dir` proves them
 * against an installed header by static assertions (tools/neuron/abi_check.c). Tags of opaque
 * structures are the library's, so that pointer types are the same types. */
#ifndef BASALT_NEURON_ABI_H
#define BASALT_NEURON_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nrt_model;
struct nrt_tensor;

/* NRT_STATUS and the other enumerations have no negative values, so they are unsigned int. */
typedef unsigned int bn_status;
typedef unsigned int bn_enum;

enum { BN_PLACEMENT_DEVICE = 0, BN_FRAMEWORK_NONE = 1, BN_USAGE_INPUT = 0, BN_USAGE_OUTPUT = 1 };
enum {
    BN_INSTANCE_TRN1 = 2, BN_INSTANCE_TRN1N = 3, BN_INSTANCE_INF2 = 4, BN_INSTANCE_TRN2 = 5,
    BN_INSTANCE_TRN2N = 6, BN_INSTANCE_INF2E = 7, BN_INSTANCE_TRN2P = 8,
    BN_INSTANCE_TRN2UAC = 13, BN_INSTANCE_TRN3 = 14, BN_INSTANCE_TRN3PDS98 = 15
};
enum { BN_NAME_MAX = 256 };
enum {
    BN_DTYPE_UNKNOWN = 0, BN_DTYPE_INT8 = 2, BN_DTYPE_UINT8 = 3, BN_DTYPE_BF16 = 6,
    BN_DTYPE_INT32 = 8, BN_DTYPE_UINT32 = 9, BN_DTYPE_FP32 = 10, BN_DTYPE_FP8_E4 = 14
};

typedef struct bn_tensor_info {
    char name[BN_NAME_MAX];
    bn_enum usage;
    size_t size; /* bytes */
    bn_enum dtype;
    uint32_t *shape;
    uint32_t ndim;
} bn_tensor_info;

typedef struct bn_tensor_info_array {
    uint64_t tensor_count;
    bn_tensor_info tensor_array[];
} bn_tensor_info_array;

typedef struct bn_instance_info {
    uint32_t family;
    uint32_t size;
    char arch_name[16];
    char device_revision[8];
} bn_instance_info;

typedef struct bn_version {
    uint64_t rt_major, rt_minor, rt_patch, rt_maintenance;
    char rt_detail[128];
    char git_hash[64];
} bn_version;

typedef struct bn_memory_stats {
    size_t bytes_used;
    size_t bytes_limit;
} bn_memory_stats;

typedef struct bn_model_info {
    uint32_t vnc;
} bn_model_info;

typedef struct bn_batch_op {
    uint64_t offset;
    uint64_t size;
    void *buffer;
} bn_batch_op;

typedef struct bn_batch {
    const struct nrt_tensor *tensor;
    const bn_batch_op *ops;
    uint32_t num_ops;
} bn_batch;

/* The statuses that status.go knows, with the library's names. */
#define BN_STATUSES(S)                                                                             \
    S(NRT_SUCCESS, 0) S(NRT_FAILURE, 1) S(NRT_INVALID, 2) S(NRT_INVALID_HANDLE, 3)                 \
    S(NRT_RESOURCE, 4) S(NRT_TIMEOUT, 5) S(NRT_HW_ERROR, 6) S(NRT_QUEUE_FULL, 7)                   \
    S(NRT_LOAD_NOT_ENOUGH_NC, 9) S(NRT_UNSUPPORTED_NEFF_VERSION, 10)                               \
    S(NRT_FAIL_HOST_MEM_ALLOC, 11) S(NRT_UNINITIALIZED, 13) S(NRT_CLOSED, 14)                      \
    S(NRT_QUEUE_EMPTY, 15) S(NRT_EXEC_UNIT_UNRECOVERABLE, 101) S(NRT_EXEC_BAD_INPUT, 1002)         \
    S(NRT_EXEC_COMPLETED_WITH_NUM_ERR, 1003) S(NRT_EXEC_COMPLETED_WITH_ERR, 1004)                  \
    S(NRT_EXEC_NC_BUSY, 1005) S(NRT_EXEC_OOB, 1006) S(NRT_COLL_PENDING, 1100)                      \
    S(NRT_EXEC_HW_ERR_COLLECTIVES, 1200) S(NRT_EXEC_HW_ERR_HBM_UE, 1201)                           \
    S(NRT_EXEC_HW_ERR_NC_UE, 1202) S(NRT_EXEC_HW_ERR_DMA_ABORT, 1203)                              \
    S(NRT_EXEC_SW_NQ_OVERFLOW, 1204) S(NRT_EXEC_HW_ERR_REPAIRABLE_HBM_UE, 1205)                    \
    S(NRT_NETWORK_PROXY_FAILURE, 1206)

/* The functions: required or optional, name, parameters. All return a status but for those of
 * BN_VOIDS. Structures of ours stand for the library's of the same layout. */
#define BN_FUNCTIONS(R, O)                                                                         \
    R(nrt_init, (bn_enum framework, const char *fw_version, const char *fal_version))              \
    R(nrt_get_version, (bn_version * version, size_t size))                                        \
    R(nrt_get_instance_info, (bn_instance_info * info, size_t size))                               \
    R(nrt_get_total_vnc_count, (uint32_t *count))                                                  \
    R(nrt_get_visible_vnc_count, (uint32_t *count))                                                \
    R(nrt_load, (const void *neff, size_t size, int32_t vnc, int32_t vnc_count,                    \
                 struct nrt_model **model))                                                        \
    R(nrt_load_collectives, (const void *neff, size_t size, int32_t vnc, int32_t vnc_count,        \
                             uint32_t device_id, uint32_t device_count, struct nrt_model **model)) \
    R(nrt_unload, (struct nrt_model * model))                                                      \
    R(nrt_get_model_tensor_info, (struct nrt_model * model, bn_tensor_info_array * *info))         \
    R(nrt_free_model_tensor_info, (bn_tensor_info_array * info))                                   \
    O(nrt_get_model_info, (const struct nrt_model *model, bn_model_info *info, size_t in,          \
                           size_t *out))                                                           \
    R(nrt_tensor_allocate, (bn_enum placement, int vnc, size_t size, const char *name,             \
                            struct nrt_tensor **tensor))                                           \
    R(nrt_tensor_read, (const struct nrt_tensor *tensor, void *buf, size_t offset, size_t size))   \
    R(nrt_tensor_write, (struct nrt_tensor * tensor, const void *buf, size_t offset, size_t size)) \
    R(nrt_tensor_memset, (struct nrt_tensor * tensor, uint64_t offset, int value, size_t size))    \
    O(nrt_tensor_read_batch, (const bn_batch *batches, uint64_t num_batches, bool unsafe))         \
    O(nrt_tensor_write_batch, (const bn_batch *batches, uint64_t num_batches, bool unsafe))        \
    R(nrt_allocate_tensor_set, (void **set))                                                       \
    R(nrt_add_tensor_to_tensor_set, (void *set, const char *name, struct nrt_tensor *tensor))      \
    R(nrt_execute, (struct nrt_model * model, const void *inputs, void *outputs))                  \
    O(nrt_get_vnc_memory_stats, (uint32_t vnc, bn_memory_stats * stats, size_t in, size_t *out))

#define BN_VOIDS(R)                                                                                \
    R(nrt_close, (void))                                                                           \
    R(nrt_tensor_free, (struct nrt_tensor * *tensor))                                              \
    R(nrt_destroy_tensor_set, (void **set))

/* The one asynchronous function in use, only where the library has it in version NRT_3.0.0: its
 * older form, which headers up to SDK 2.28 declare, takes another structure in place of ret. */
typedef bn_status (*bn_execute_schedule)(struct nrt_model *model, const void *inputs,
                                         void *outputs, int queue, bn_status *ret,
                                         uint64_t *sequence);
#define BN_ASYNC_NAME "nrta_execute_schedule"
#define BN_ASYNC_VERSION "NRT_3.0.0"

#endif
