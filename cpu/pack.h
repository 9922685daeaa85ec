// Repacking of matrices at load; see kern.h for the layouts.
#ifndef BASALT_CPU_PACK_H
#define BASALT_CPU_PACK_H

#include "exec.h"

// One matrix to pack: row-major [n, k] in the format source, which lies at data. When m->format is
// another one (Q8_0 or Q4_0 for plain numbers), the values are quantised.
typedef struct {
    const matrix *m;
    const uint8_t *data;
    int32_t source;
    // bs_pack sets the rest: the tasks that have tiles of this matrix, the first one's page.
    int32_t first_task, last_task;
    int64_t first_page, row_bytes;
} packing;

typedef struct {
    pool *pool;
    const kernels *k;
    packing *list;
    int32_t count;
} pack_job;

// Begins to pack on all threads of the pool, and gives the ticket to wait for. The job and what it
// points at must stay until then.
uint32_t bs_pack(pack_job *j);

int64_t bs_row_bytes(int format, int64_t n); // of n values

// The 32 codes of sub-block j (0 for blocks of 32) of one block, as unsigned bytes; Q8_0's as they
// are.
void bs_unpack_codes(int format, const uint8_t *block, int j, uint8_t *codes);
// The j-th scale and minimum of the 12 scale bytes of Q4_K and Q5_K.
void bs_k_scales(const uint8_t *s, int j, uint8_t *scale, uint8_t *min);

#endif
