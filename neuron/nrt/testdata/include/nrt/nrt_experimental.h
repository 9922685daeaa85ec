#ifndef TEST_NRT_EXPERIMENTAL_H
#define TEST_NRT_EXPERIMENTAL_H

#include "nrt/nrt.h"

#define NRT_TENSOR_NAME_MAX 256

typedef enum { NRT_TENSOR_USAGE_INPUT, NRT_TENSOR_USAGE_OUTPUT } nrt_tensor_usage_t;

typedef struct {
    char name[NRT_TENSOR_NAME_MAX];
    nrt_tensor_usage_t usage;
    size_t size;
    nrt_dtype_t dtype;
    uint32_t *shape;
    uint32_t ndim;
} nrt_tensor_info_t;

typedef struct {
    uint64_t tensor_count;
    nrt_tensor_info_t tensor_array[];
} nrt_tensor_info_array_t;

typedef struct {
    uint32_t vnc;
} nrt_model_info_t;

NRT_STATUS nrt_get_model_tensor_info(nrt_model_t *model, nrt_tensor_info_array_t **info);
NRT_STATUS nrt_free_model_tensor_info(nrt_tensor_info_array_t *info);
NRT_STATUS nrt_get_model_info(const nrt_model_t *model, nrt_model_info_t *info, size_t in,
                              size_t *out);

#endif
