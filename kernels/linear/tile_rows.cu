// Rounds rows of x to 16 bits and lays them in tiles (tiles.h). Grid: groups of 64 along K, tiles
// of 128 rows. A thread writes four runs of eight values.
#include "tiles.h"

KERNEL(256) bs_tile_rows(u32 *to, const float *x, const step_head *h, int m, int k, int half) {
    int rows = tile_count(h, m), groups = (int)gridDim.x;
    if ((int)blockIdx.y * TILE_ROWS >= rows) return;
    u32 *tile = (u32 *)tile_at(to, groups, (int)blockIdx.x);
    for (int i = (int)threadIdx.x; i < TILE_ROWS * 8; i += 256) {
        int row = i / 8, at = (int)blockIdx.x * 64 + i % 8 * 8, from = (int)blockIdx.y * 128 + row;
        u32 *out = tile + ((row / 8 * 8 + i % 8) * 8 + row % 8) * 4;
        for (int j = 0; j < 8; j += 2) {
            const float *p = x + (u64)from * k + at + j;
            float lo = from < rows && at + j < k ? p[0] : 0.0f;
            float hi = from < rows && at + j + 1 < k ? p[1] : 0.0f;
            out[j / 2] = half ? pair_f16(lo, hi) : pair_bf16(lo, hi);
        }
    }
}
