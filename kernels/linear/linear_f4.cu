// Linear with weights in E2M1: MXFP4 and NVFP4; see small.h.
#include "small.h"

LINEAR_BY(bs_linear_mx4_8, 1, 1, 4, load_mx4, mma_bf16, 0, 0)
LINEAR_BY(bs_linear_mx4_16, 1, 2, 4, load_mx4, mma_bf16, 0, 0)
LINEAR_BY(bs_linear_mx4_64, 2, 8, 1, load_mx4, mma_bf16, 0, 0)
LINEAR_BY(bs_linear_nv4_8, 1, 1, 4, load_nv4, mma_bf16, 0, 1)
LINEAR_BY(bs_linear_nv4_16, 1, 2, 4, load_nv4, mma_bf16, 0, 1)
LINEAR_BY(bs_linear_nv4_64, 2, 8, 1, load_nv4, mma_bf16, 0, 1)
