#ifndef TEST_NRT_ASYNC_H
#define TEST_NRT_ASYNC_H

#include "nrt/nrt.h"

typedef uint64_t nrta_seq_t;

NRT_STATUS nrta_execute_schedule(nrt_model_t *model, const nrt_tensor_set_t *in,
                                 nrt_tensor_set_t *out, int queue, NRT_STATUS *ret,
                                 nrta_seq_t *sequence);

#endif
