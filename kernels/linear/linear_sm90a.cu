// y = x W^T + b on Hopper (wgmma): 128 outputs for 128 rows of x a block. Weights go from global
// memory to registers in their fragment order (linear.h), which is wgmma's for A; tiles of x come
// by bulk copies into a ring, which the first thread feeds.
//
// K is cut into the eight runs of linear.h, each summed from zero and added in ascending order; the
// load-time check decides whether the bits are those of mma.sync.
#include "small.h"
#include "tiles.h"

enum { STAGES = 4 };

typedef struct {
    u64 full[STAGES], empty[STAGES];
} ring;

// Starts the copy of a group, once every warp has left its place; by one thread.
DEVICE void fetch(ring *r, const void *tiles, int groups, int g) {
    int s = g % STAGES;
    if (g >= groups) return;
    if (g >= STAGES) barrier_wait(&r->empty[s], (g / STAGES - 1) & 1);
    bulk_copy(bs_dynamic + s * TILE_BYTES, tile_at(tiles, groups, g), TILE_BYTES, &r->full[s]);
}

// Writes a warp's 16 outputs for the block's rows of x.
DEVICE void store_warp(float *y, const float *total, const float *factors, const float *bias,
                       int row, int rows, int n, int stride) {
    int lane = (int)threadIdx.x % 32;
    UNROLL for (int i = 0; i < 64; i++) {
        int out = row + lane / 4 + i % 4 / 2 * 8;
        int at = (int)blockIdx.y * TILE_ROWS + i / 4 * 8 + lane % 4 * 2 + i % 2;
        if (out >= n || at >= rows) continue;
        y[(u64)at * stride + out] = finished(total[i], factors, bias, out);
    }
}

// Grid: outputs / 128, rows of x / 128. 64 KiB of dynamic shared memory.
#define LINEAR_90(name, load, mma, by_row)                                                        \
    KERNEL(256)                                                                                   \
    name(float *y, const void *x, const void *w, const void *scales, const float *bias,           \
         const step_head *h, int m, int n, int k, int stride, int shift) {                        \
        SHARED(ring, r, 1);                                                                       \
        int rows = tile_count(h, m), groups = (k + 63) / 64, run = (groups + 7) / 8;              \
        int warp = (int)threadIdx.x / 32, tile = (int)blockIdx.x * 8 + warp, g = 0;               \
        if ((int)blockIdx.y * TILE_ROWS >= rows) return;                                          \
        if (threadIdx.x == 0) {                                                                   \
            for (int s = 0; s < STAGES; s++) barrier_open(&r->full[s], 1);                        \
            for (int s = 0; s < STAGES; s++) barrier_open(&r->empty[s], 8);                       \
            barriers_visible();                                                                   \
            for (int i = 0; i < STAGES - 1; i++) fetch(r, x, groups, i);                          \
        }                                                                                         \
        __syncthreads();                                                                          \
        matrix mat = {(const uint4 *)w, (const u32 *)scales, min_int(tile, (n + 15) / 16 - 1),    \
                      groups, shift};                                                             \
        const float *factors = take_factors(&mat, n, by_row);                                     \
        float acc[64] = {0}, total[64] = {0};                                                     \
        fragments f, next;                                                                        \
        load(&next, &mat, 0);                                                                     \
        for (int turn = 0; turn < 8; turn++) {                                                    \
            int end = min_int(groups, (turn + 1) * run), fresh = 1;                               \
            UNROLL for (int i = 0; i < 64; i++) acc[i] = g < end ? acc[i] : 0.0f;                 \
            for (; g < end; g++) {                                                                \
                f = next;                                                                         \
                load(&next, &mat, min_int(g + 1, groups - 1));                                    \
                if (threadIdx.x == 0) fetch(r, x, groups, g + STAGES - 1);                        \
                __syncwarp();                                                                     \
                barrier_wait(&r->full[g % STAGES], (g / STAGES) & 1);                             \
                group_fence();                                                                    \
                UNROLL for (int s = 0; s < 4; s++) {                                              \
                    const u8 *b = bs_dynamic + g % STAGES * TILE_BYTES + s * 2 * LEAD;            \
                    mma(acc, (const u32 *)&f.a[s], operand(b, LEAD, STRIDE), fresh);              \
                    fresh = 0;                                                                    \
                }                                                                                 \
                group_commit();                                                                   \
                group_wait();                                                                     \
                if (threadIdx.x % 32 == 0) barrier_arrive(&r->empty[g % STAGES]);                 \
            }                                                                                     \
            UNROLL for (int i = 0; i < 64; i++) total[i] = turn ? plus(total[i], acc[i]) : acc[i]; \
        }                                                                                         \
        store_warp(y, total, factors, bias, tile * 16, rows, n, stride);                          \
    }

LINEAR_90(bs_linear_bf16_sm90a, load_16, group_mma_bf16_128, 0)
LINEAR_90(bs_linear_f16_sm90a, load_16, group_mma_f16_128, 0)
LINEAR_90(bs_linear_q8_sm90a, load_8, group_mma_bf16_128, 0)
LINEAR_90(bs_linear_q4_sm90a, load_4, group_mma_bf16_128, 0)
LINEAR_90(bs_linear_f8_sm90a, load_f8, group_mma_bf16_128, 1)
LINEAR_90(bs_linear_f8b_sm90a, load_f8b, group_mma_bf16_128, 0)
LINEAR_90(bs_linear_mx4_sm90a, load_mx4, group_mma_bf16_128, 0)
LINEAR_90(bs_linear_nv4_sm90a, load_nv4, group_mma_bf16_128, 1)
