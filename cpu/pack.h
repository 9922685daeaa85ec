// Repacking of matrices at load; see kern.h for the layouts.
#ifndef BASALT_CPU_PACK_H
#define BASALT_CPU_PACK_H

#include "exec.h"

// Packs a row-major matrix [n, k] of the format source into m, on all threads of the pool. When
// m->format is another one than source (Q8_0 or Q4_0 for plain numbers), the values are quantised.
void bs_pack(pool *p, const kernels *k, const matrix *m, int source, const uint8_t *data);

int64_t bs_row_bytes(int format, int64_t n); // of n values

// The 32 codes of sub-block j (0 for blocks of 32) of one block, as unsigned bytes; Q8_0's as they
// are.
void bs_unpack_codes(int format, const uint8_t *block, int j, uint8_t *codes);
// The j-th scale and minimum of the 12 scale bytes of Q4_K and Q5_K.
void bs_k_scales(const uint8_t *s, int j, uint8_t *scale, uint8_t *min);

#endif
