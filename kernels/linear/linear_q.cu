// Linear with 8-bit and 4-bit weights, widened to BF16 in registers; see linear.h.
#include "linear.h"

LINEAR(bs_linear_q8_8, 1, 1, 2, load_8, mma_bf16, 0)
LINEAR(bs_linear_q8_16, 1, 2, 2, load_8, mma_bf16, 0)
LINEAR(bs_linear_q8_64, 2, 8, 1, load_8, mma_bf16, 0)
LINEAR(bs_linear_q4_8, 1, 1, 2, load_4, mma_bf16, 0)
LINEAR(bs_linear_q4_16, 1, 2, 2, load_4, mma_bf16, 0)
LINEAR(bs_linear_q4_64, 2, 8, 1, load_4, mma_bf16, 0)
