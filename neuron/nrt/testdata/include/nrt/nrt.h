#ifndef TEST_NRT_H
#define TEST_NRT_H

#include "nrt/nrt_status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct nrt_model nrt_model_t;
typedef struct nrt_tensor nrt_tensor_t;
typedef void nrt_tensor_set_t;

typedef enum { NRT_TENSOR_PLACEMENT_DEVICE, NRT_TENSOR_PLACEMENT_HOST } nrt_tensor_placement_t;
typedef enum { NRT_FRAMEWORK_TYPE_INVALID, NRT_FRAMEWORK_TYPE_NO_FW } nrt_framework_type_t;
enum {
    NRT_INSTANCE_TRN1 = 2, NRT_INSTANCE_TRN1N, NRT_INSTANCE_INF2, NRT_INSTANCE_TRN2,
    NRT_INSTANCE_TRN2N, NRT_INSTANCE_INF2E, NRT_INSTANCE_TRN2P, NRT_INSTANCE_TRN2UAC = 13,
    NRT_INSTANCE_TRN3 = 14, NRT_INSTANCE_TRN3PDS98 = 15
};
typedef enum {
    NRT_DTYPE_UNKNOWN = 0, NRT_DTYPE_INT8 = 2, NRT_DTYPE_UINT8 = 3, NRT_DTYPE_BFLOAT16 = 6,
    NRT_DTYPE_INT32 = 8, NRT_DTYPE_UINT32 = 9, NRT_DTYPE_FLOAT32 = 10, NRT_DTYPE_FP8_E4 = 14
} nrt_dtype_t;

typedef struct {
    uint32_t family;
    uint32_t size;
    char arch_name[16];
    char device_revision[8];
} nrt_instance_info_t;

typedef struct {
    uint64_t offset;
    uint64_t size;
    void *buffer;
} nrt_tensor_batch_op_t;

typedef struct {
    const nrt_tensor_t *tensor;
    const nrt_tensor_batch_op_t *ops;
    uint32_t num_ops;
} nrt_tensor_batch_t;

typedef struct {
    size_t bytes_used;
    size_t bytes_limit;
} nrt_vnc_memory_stats_t;

NRT_STATUS nrt_init(nrt_framework_type_t framework, const char *fw, const char *fal);
void nrt_close();
NRT_STATUS nrt_get_instance_info(nrt_instance_info_t *info, size_t size);
NRT_STATUS nrt_get_total_vnc_count(uint32_t *count);
NRT_STATUS nrt_get_visible_vnc_count(uint32_t *count);
NRT_STATUS nrt_get_vnc_memory_stats(uint32_t vnc, nrt_vnc_memory_stats_t *stats, size_t in,
                                    size_t *out);

NRT_STATUS nrt_load(const void *neff, size_t size, int32_t vnc, int32_t vnc_count,
                    nrt_model_t **model);
NRT_STATUS nrt_load_collectives(const void *neff, size_t size, int32_t vnc, int32_t vnc_count,
                                uint32_t id, uint32_t count, nrt_model_t **model);
NRT_STATUS nrt_unload(nrt_model_t *model);
NRT_STATUS nrt_execute(nrt_model_t *model, const nrt_tensor_set_t *in, nrt_tensor_set_t *out);

NRT_STATUS nrt_tensor_allocate(nrt_tensor_placement_t placement, int vnc, size_t size,
                               const char *name, nrt_tensor_t **tensor);
void nrt_tensor_free(nrt_tensor_t **tensor);
NRT_STATUS nrt_tensor_read(const nrt_tensor_t *tensor, void *buf, size_t offset, size_t size);
NRT_STATUS nrt_tensor_write(nrt_tensor_t *tensor, const void *buf, size_t offset, size_t size);
NRT_STATUS nrt_tensor_memset(nrt_tensor_t *tensor, uint64_t offset, int value, size_t size);
NRT_STATUS nrt_tensor_read_batch(const nrt_tensor_batch_t *batches, uint64_t n, bool unsafe);
NRT_STATUS nrt_tensor_write_batch(const nrt_tensor_batch_t *batches, uint64_t n, bool unsafe);

NRT_STATUS nrt_allocate_tensor_set(nrt_tensor_set_t **set);
void nrt_destroy_tensor_set(nrt_tensor_set_t **set);
NRT_STATUS nrt_add_tensor_to_tensor_set(nrt_tensor_set_t *set, const char *name,
                                        nrt_tensor_t *tensor);

#endif
