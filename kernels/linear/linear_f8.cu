// Linear with weights in E4M3; see small.h.
#include "small.h"

LINEAR_BY(bs_linear_f8_8, 1, 1, 4, load_f8, mma_bf16, 0, 1)
LINEAR_BY(bs_linear_f8_16, 1, 2, 4, load_f8, mma_bf16, 0, 1)
LINEAR_BY(bs_linear_f8_64, 2, 8, 1, load_f8, mma_bf16, 0, 1)
LINEAR_BY(bs_linear_f8b_8, 1, 1, 2, load_f8b, mma_bf16, 0, 0)
LINEAR_BY(bs_linear_f8b_16, 1, 2, 2, load_f8b, mma_bf16, 0, 0)
LINEAR_BY(bs_linear_f8b_64, 2, 8, 1, load_f8b, mma_bf16, 0, 0)
