/* Proves neuron/nrt/abi.h against an installed header of the Neuron runtime, by static assertions
 * alone: `make neuron-abi-check NRT_INCLUDE=dir`. With -DCHECK_ASYNC also the one asynchronous
 * function, which only releases from SDK 2.29 on declare in this form. */
#include "nrt/nrt.h"
#include "nrt/nrt_experimental.h"
#include "nrt/nrt_version.h"
#ifdef CHECK_ASYNC
#include "nrt/nrt_async.h"
#endif

#include "../../neuron/nrt/abi.h"

#define SAME(a, b) __builtin_types_compatible_p(a, b)
#define LIKE(theirs, ours, what) _Static_assert(sizeof(theirs) == sizeof(ours), what)
#define FIELD(theirs, ours, name)                                                                  \
    _Static_assert(offsetof(theirs, name) == offsetof(ours, name) &&                               \
                       sizeof(((theirs *)0)->name) == sizeof(((ours *)0)->name),                   \
                   #theirs "." #name " lies elsewhere or has another size")
#define VALUE(theirs, ours)                                                                        \
    _Static_assert((int)(theirs) == (int)(ours), #theirs " has another value")
#define STATUS(name, value) VALUE(name, value);

BN_STATUSES(STATUS)

VALUE(NRT_TENSOR_PLACEMENT_DEVICE, BN_PLACEMENT_DEVICE);
VALUE(NRT_FRAMEWORK_TYPE_NO_FW, BN_FRAMEWORK_NONE);
VALUE(NRT_TENSOR_USAGE_INPUT, BN_USAGE_INPUT);
VALUE(NRT_TENSOR_USAGE_OUTPUT, BN_USAGE_OUTPUT);
VALUE(NRT_INSTANCE_TRN1, BN_INSTANCE_TRN1);
VALUE(NRT_INSTANCE_TRN1N, BN_INSTANCE_TRN1N);
VALUE(NRT_INSTANCE_INF2, BN_INSTANCE_INF2);
VALUE(NRT_INSTANCE_TRN2, BN_INSTANCE_TRN2);
VALUE(NRT_INSTANCE_TRN2N, BN_INSTANCE_TRN2N);
VALUE(NRT_INSTANCE_INF2E, BN_INSTANCE_INF2E);
VALUE(NRT_INSTANCE_TRN2P, BN_INSTANCE_TRN2P);
VALUE(NRT_INSTANCE_TRN2UAC, BN_INSTANCE_TRN2UAC);
VALUE(NRT_INSTANCE_TRN3, BN_INSTANCE_TRN3);
VALUE(NRT_INSTANCE_TRN3PDS98, BN_INSTANCE_TRN3PDS98);
VALUE(NRT_TENSOR_NAME_MAX, BN_NAME_MAX);
VALUE(NRT_DTYPE_UNKNOWN, BN_DTYPE_UNKNOWN);
VALUE(NRT_DTYPE_INT8, BN_DTYPE_INT8);
VALUE(NRT_DTYPE_UINT8, BN_DTYPE_UINT8);
VALUE(NRT_DTYPE_BFLOAT16, BN_DTYPE_BF16);
VALUE(NRT_DTYPE_INT32, BN_DTYPE_INT32);
VALUE(NRT_DTYPE_UINT32, BN_DTYPE_UINT32);
VALUE(NRT_DTYPE_FLOAT32, BN_DTYPE_FP32);
VALUE(NRT_DTYPE_FP8_E4, BN_DTYPE_FP8_E4);

LIKE(NRT_STATUS, bn_status, "NRT_STATUS has another size");
LIKE(nrt_dtype_t, bn_enum, "nrt_dtype_t has another size");
LIKE(nrt_tensor_info_t, bn_tensor_info, "nrt_tensor_info_t has another size");
FIELD(nrt_tensor_info_t, bn_tensor_info, name);
FIELD(nrt_tensor_info_t, bn_tensor_info, usage);
FIELD(nrt_tensor_info_t, bn_tensor_info, size);
FIELD(nrt_tensor_info_t, bn_tensor_info, dtype);
FIELD(nrt_tensor_info_t, bn_tensor_info, shape);
FIELD(nrt_tensor_info_t, bn_tensor_info, ndim);
FIELD(nrt_tensor_info_array_t, bn_tensor_info_array, tensor_count);
_Static_assert(offsetof(nrt_tensor_info_array_t, tensor_array) ==
                   offsetof(bn_tensor_info_array, tensor_array),
               "nrt_tensor_info_array_t.tensor_array lies elsewhere");
LIKE(nrt_instance_info_t, bn_instance_info, "nrt_instance_info_t has another size");
FIELD(nrt_instance_info_t, bn_instance_info, family);
FIELD(nrt_instance_info_t, bn_instance_info, size);
FIELD(nrt_instance_info_t, bn_instance_info, arch_name);
FIELD(nrt_instance_info_t, bn_instance_info, device_revision);
LIKE(nrt_version_t, bn_version, "nrt_version_t has another size");
FIELD(nrt_version_t, bn_version, rt_major);
FIELD(nrt_version_t, bn_version, rt_minor);
FIELD(nrt_version_t, bn_version, rt_patch);
FIELD(nrt_version_t, bn_version, rt_maintenance);
FIELD(nrt_version_t, bn_version, rt_detail);
FIELD(nrt_version_t, bn_version, git_hash);
LIKE(nrt_tensor_batch_op_t, bn_batch_op, "nrt_tensor_batch_op_t has another size");
FIELD(nrt_tensor_batch_op_t, bn_batch_op, offset);
FIELD(nrt_tensor_batch_op_t, bn_batch_op, size);
FIELD(nrt_tensor_batch_op_t, bn_batch_op, buffer);
LIKE(nrt_tensor_batch_t, bn_batch, "nrt_tensor_batch_t has another size");
FIELD(nrt_tensor_batch_t, bn_batch, tensor);
FIELD(nrt_tensor_batch_t, bn_batch, ops);
FIELD(nrt_tensor_batch_t, bn_batch, num_ops);
/* These two may grow at their end: the caller passes the size that it knows. */
FIELD(nrt_vnc_memory_stats_t, bn_memory_stats, bytes_used);
FIELD(nrt_vnc_memory_stats_t, bn_memory_stats, bytes_limit);
FIELD(nrt_model_info_t, bn_model_info, vnc);

/* From here on our names mean the header's types, so that prototypes can be compared whole. An
 * enumeration of the header is compatible with the unsigned int that stands for it. */
#define bn_tensor_info_array nrt_tensor_info_array_t
#define bn_instance_info nrt_instance_info_t
#define bn_version nrt_version_t
#define bn_memory_stats nrt_vnc_memory_stats_t
#define bn_model_info nrt_model_info_t
#define bn_batch nrt_tensor_batch_t

#define STATUS_FUNCTION(name, params)                                                              \
    _Static_assert(SAME(__typeof__(&name), bn_status(*) params), #name " has another prototype");
#define VOID_FUNCTION(name, params)                                                                \
    _Static_assert(SAME(__typeof__(&name), void(*) params), #name " has another prototype");
BN_FUNCTIONS(STATUS_FUNCTION, STATUS_FUNCTION)
BN_VOIDS(VOID_FUNCTION)

#ifdef CHECK_ASYNC
_Static_assert(SAME(__typeof__(&nrta_execute_schedule), bn_execute_schedule),
               "nrta_execute_schedule has another prototype");
#endif
