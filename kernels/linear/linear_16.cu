// Linear with BF16 and F16 weights; see linear.h. The names end in the rows of x a block takes.
#include "linear.h"

LINEAR(bs_linear_bf16_8, 1, 1, 4, load_16, mma_bf16, 0)
LINEAR(bs_linear_bf16_16, 1, 2, 4, load_16, mma_bf16, 0)
LINEAR(bs_linear_bf16_64, 2, 8, 1, load_16, mma_bf16, 0)
LINEAR(bs_linear_f16_8, 1, 1, 4, load_16, mma_f16, 1)
LINEAR(bs_linear_f16_16, 1, 2, 4, load_16, mma_f16, 1)
LINEAR(bs_linear_f16_64, 2, 8, 1, load_16, mma_f16, 1)
