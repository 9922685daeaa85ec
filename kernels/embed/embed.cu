// y[t] = table[id[t]], from any format of a checkpoint to float32: [T, width]. An id below zero is
// the id that row -1-id of the step before has drawn. One block a token.
#include "../common/blocks.h"

KERNEL(256) bs_embed(float *y, const step_head *h, const u8 *table, const int *drawn, int width,
                     int row_bytes, int format) {
    int t = (int)blockIdx.x;
    if (t >= h->tokens) return;
    int id = step_ints(h, h->ids)[t];
    if (id < 0) id = drawn[-1 - id];
    const u8 *row = table + (u64)id * (u64)row_bytes;
    for (int i = (int)threadIdx.x; i < width; i += 256) {
        y[(u64)t * width + i] = value_at(format, row, i);
    }
}

// y[s] = x[sample_rows[s]]: [T, width] -> [S, width].
KERNEL(256) bs_gather(float *y, const float *x, const step_head *h, int width) {
    int s = (int)blockIdx.x;
    if (s >= h->samples) return;
    const float *row = x + (u64)step_ints(h, h->sample_rows)[s] * width;
    for (int i = (int)threadIdx.x; i < width; i += 256) y[(u64)s * width + i] = row[i];
}
