// y = x W^T + b for many rows of x, portable (mma.sync and cp.async, sm_80 and later): 128 outputs
// for 128 rows a block, a warp 32 outputs for 64 rows. Weights go from global memory to registers
// in their fragment order (linear.h), a group of 64 along K ahead of the products; tiles of x
// (tiles.h) pass through a ring of four in shared memory, three copies under way while one is
// multiplied. 64 KiB of shared memory and 255 registers are one block a multiprocessor on 8.0 and
// on 8.6, 8.9 and 12.0, which have 99 KiB: the ring is as deep as fits there.
//
// K is cut into the eight runs of linear.h, each summed from zero by the same instruction and added
// in ascending order: the bits are those of the kernels of decode.
#include "small.h"
#include "tiles.h"

enum { STAGES = 4, COLS = 8 };

// Starts the copies of a group, or of nothing: groups of copies are counted.
DEVICE void fetch(const void *tiles, int groups, int g) {
    if (g < groups) {
        const u8 *from = tile_at(tiles, groups, g);
        u8 *to = bs_dynamic + g % STAGES * TILE_BYTES;
        for (int i = (int)threadIdx.x * 16; i < TILE_BYTES; i += 256 * 16) {
            async_16(to + i, from + i);
        }
    }
    async_commit();
}

// Fragment B of eight rows: two core matrices, of which each lane has its word.
DEVICE void load_tile(u32 *b, const u8 *tile, int step, int c) {
    const u32 *at = (const u32 *)(tile + c * STRIDE + 2 * step * LEAD) + threadIdx.x % 32;
    b[0] = at[0];
    b[1] = at[LEAD / 4];
}

DEVICE void store_sums(float *y, const float *total, const float *factors, const float *bias,
                       int tile, int rows, int n, int stride) {
    int lane = (int)threadIdx.x % 32, from = (int)blockIdx.y * TILE_ROWS;
    from += (int)threadIdx.x / 128 * 64 + lane % 4 * 2;
    UNROLL for (int i = 0; i < COLS * 4; i++) {
        int out = tile * 16 + lane / 4 + i % 4 / 2 * 8, at = from + i / 4 * 8 + i % 2;
        if (out >= n || at >= rows) continue;
        y[(u64)at * stride + out] = finished(total[i], factors, bias, out);
    }
}

// Grid: outputs / 128, rows of x / 128. 64 KiB of dynamic shared memory.
#define LINEAR_TILE(name, load, mma, by_row)                                                      \
    KERNEL(256)                                                                                   \
    name(float *y, const void *x, const void *w, const void *scales, const float *bias,           \
         const step_head *h, int m, int n, int k, int stride, int shift) {                        \
        int rows = tile_count(h, m), groups = (k + 63) / 64, run = (groups + 7) / 8, g = 0;       \
        int tile = (int)blockIdx.x * 8 + (int)threadIdx.x / 32 % 4 * 2, last = (n + 15) / 16 - 1; \
        if ((int)blockIdx.y * TILE_ROWS >= rows) return;                                          \
        for (int i = 0; i < STAGES - 1; i++) fetch(x, groups, i);                                 \
        matrix mat = {(const uint4 *)w, (const u32 *)scales, 0, groups, shift};                   \
        const float *factors = take_factors(&mat, n, by_row);                                     \
        float acc[2][COLS * 4] = {{0}}, total[2][COLS * 4] = {{0}};                               \
        fragments f[2], next[2];                                                                  \
        UNROLL for (int r = 0; r < 2; r++) {                                                      \
            mat.tile = min_int(tile + r, last);                                                   \
            load(&next[r], &mat, 0);                                                              \
        }                                                                                         \
        for (int turn = 0; turn < 8; turn++) {                                                    \
            int end = min_int(groups, (turn + 1) * run);                                          \
            UNROLL for (int i = 0; i < COLS * 8; i++) acc[i / (COLS * 4)][i % (COLS * 4)] = 0;    \
            for (; g < end; g++) {                                                                \
                UNROLL for (int r = 0; r < 2; r++) {                                              \
                    f[r] = next[r];                                                               \
                    mat.tile = min_int(tile + r, last);                                           \
                    load(&next[r], &mat, min_int(g + 1, groups - 1));                             \
                }                                                                                 \
                async_wait(STAGES - 2);                                                           \
                __syncthreads();                                                                  \
                fetch(x, groups, g + STAGES - 1);                                                 \
                const u8 *b = bs_dynamic + g % STAGES * TILE_BYTES;                               \
                b += (int)threadIdx.x / 128 * COLS * STRIDE;                                      \
                UNROLL for (int s = 0; s < 4; s++) {                                              \
                    UNROLL for (int c = 0; c < COLS; c++) {                                       \
                        u32 columns[2];                                                           \
                        load_tile(columns, b, s, c);                                              \
                        UNROLL for (int r = 0; r < 2; r++)                                        \
                            mma(acc[r] + 4 * c, (const u32 *)&f[r].a[s], columns);                \
                    }                                                                             \
                }                                                                                 \
            }                                                                                     \
            UNROLL for (int r = 0; r < 2; r++) {                                                  \
                UNROLL for (int i = 0; i < COLS * 4; i++)                                         \
                    total[r][i] = turn ? plus(total[r][i], acc[r][i]) : acc[r][i];                \
            }                                                                                     \
        }                                                                                         \
        UNROLL for (int r = 0; r < 2; r++)                                                        \
            store_sums(y, total[r], factors, bias, tile + r, rows, n, stride);                    \
    }

LINEAR_TILE(bs_linear_bf16_128, load_16, mma_bf16, 0)
LINEAR_TILE(bs_linear_f16_128, load_16, mma_f16, 0)
LINEAR_TILE(bs_linear_q8_128, load_8, mma_bf16, 0)
LINEAR_TILE(bs_linear_q4_128, load_4, mma_bf16, 0)
LINEAR_TILE(bs_linear_f8_128, load_f8, mma_bf16, 1)
LINEAR_TILE(bs_linear_f8b_128, load_f8b, mma_bf16, 0)
LINEAR_TILE(bs_linear_mx4_128, load_mx4, mma_bf16, 0)
LINEAR_TILE(bs_linear_nv4_128, load_nv4, mma_bf16, 1)
