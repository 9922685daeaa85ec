// NVFP4 on the Blackwell of workstations (sm_120, sm_121) by block-scaled mma.sync; see nvfp4.h.
#include "linear.h"
#include "nvfp4.h"

NVFP4(bs_linear_nvfp4_sm120f, mma_nvfp4)
