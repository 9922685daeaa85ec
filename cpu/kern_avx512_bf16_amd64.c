// The kernels of AVX-512 with products of BF16 by BF16 (Cooper Lake, Sapphire Rapids, Zen 4 and
// later): twice as many an instruction, of activations that are rounded to BF16.
#define ROUND_BF16
#include "kern_avx512_amd64.c"
