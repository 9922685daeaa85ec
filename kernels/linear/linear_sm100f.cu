// y = x W^T + b on the Blackwell of data centres (tcgen05, sm_100 and sm_103): 128 outputs for 128
// rows of x a block. Eight warps widen weights from their fragment order (linear.h) into core
// matrices in shared memory, a register a store without conflicts; tiles of x come by bulk copies;
// a ninth warp's first lane starts the products, whose sums lie in tensor memory.
//
// K is cut into the eight runs of linear.h, each summed from zero and added in ascending order; the
// load-time check decides whether the bits are those of mma.sync.
#include "small.h"
#include "tiles.h"

enum { STAGES = 3, STAGE_BYTES = 2 * TILE_BYTES };

typedef struct {
    u64 ready[STAGES], full[STAGES], empty[STAGES], done;
    u32 sums; // in tensor memory
} ring;

DEVICE void open_ring(ring *r) {
    for (int s = 0; s < STAGES; s++) {
        barrier_open(&r->ready[s], 8);
        barrier_open(&r->full[s], 1);
        barrier_open(&r->empty[s], 1);
    }
    barrier_open(&r->done, 1);
    barriers_visible();
}

DEVICE void fetch(ring *r, const void *tiles, int groups, int g) {
    int s = g % STAGES;
    if (g >= groups) return;
    if (g >= STAGES) barrier_wait(&r->empty[s], (g / STAGES - 1) & 1);
    bulk_copy(bs_dynamic + s * STAGE_BYTES + TILE_BYTES, tile_at(tiles, groups, g), TILE_BYTES,
              &r->full[s]);
}

// The lane that starts products.
DEVICE void multiply(ring *r, const void *tiles, int groups, int run, int half) {
    u32 shape = tensor_shape(TILE_ROWS, half);
    for (int g = 0; g < STAGES - 1; g++) fetch(r, tiles, groups, g);
    for (int g = 0; g < groups; g++) {
        const u8 *stage = bs_dynamic + g % STAGES * STAGE_BYTES;
        fetch(r, tiles, groups, g + STAGES - 1);
        barrier_wait(&r->full[g % STAGES], (g / STAGES) & 1);
        barrier_wait(&r->ready[g % STAGES], (g / STAGES) & 1);
        tensor_after();
        for (int s = 0; s < 4; s++) {
            tensor_mma(r->sums, operand_100(stage + s * 2 * LEAD, LEAD, STRIDE),
                       operand_100(stage + TILE_BYTES + s * 2 * LEAD, LEAD, STRIDE), shape,
                       s == 0 && g % run == 0);
        }
        tensor_commit(&r->empty[g % STAGES]);
        if (g % run == run - 1 || g == groups - 1) tensor_commit(&r->done);
    }
}

// A warp's 16 rows of one group: each register is a core matrix.
DEVICE void put_weights(u8 *stage, const fragments *f) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    UNROLL for (int s = 0; s < 4; s++) {
        u32 *at = (u32 *)(stage + warp * 2 * STRIDE + s * 2 * LEAD) + lane;
        at[0] = f->a[s].x;
        at[STRIDE / 4] = f->a[s].y;
        at[LEAD / 4] = f->a[s].z;
        at[(STRIDE + LEAD) / 4] = f->a[s].w;
    }
    publish_shared();
}

// Adds the sums of a run: a thread has one output, and half of the rows of x.
DEVICE void add_run(float *total, u32 sums, int turn, int empty) {
    int warp = (int)threadIdx.x / 32;
    u32 at = sums + ((u32)(warp % 4 * 32) << 16) + (u32)(warp / 4 * 64);
    for (int c = 0; c < 64; c += 16) {
        float v[16] = {0};
        if (!empty) tensor_read(v, at + (u32)c);
        UNROLL for (int i = 0; i < 16; i++) {
            UNROLL for (int j = 0; j < 4; j++) {
                if (c == 16 * j) total[16 * j + i] = turn ? plus(total[16 * j + i], v[i]) : v[i];
            }
        }
    }
    tensor_before();
}

DEVICE void store_lane(float *y, const float *total, const float *factors, const float *bias,
                       int rows, int n, int stride) {
    int warp = (int)threadIdx.x / 32;
    int out = (int)blockIdx.x * 128 + warp % 4 * 32 + (int)threadIdx.x % 32;
    UNROLL for (int i = 0; i < 64; i++) {
        int at = (int)blockIdx.y * TILE_ROWS + warp / 4 * 64 + i;
        if (out >= n || at >= rows) continue;
        y[(u64)at * stride + out] = finished(total[i], factors, bias, out);
    }
}

// Grid: outputs / 128, rows of x / 128. 96 KiB of dynamic shared memory.
#define LINEAR_100(name, load, half, by_row)                                                      \
    KERNEL(288)                                                                                   \
    name(float *y, const void *x, const void *w, const void *scales, const float *bias,           \
         const step_head *h, int m, int n, int k, int stride, int shift) {                        \
        SHARED(ring, r, 1);                                                                       \
        int rows = tile_count(h, m), groups = (k + 63) / 64, run = (groups + 7) / 8;              \
        int warp = (int)threadIdx.x / 32, tile = (int)blockIdx.x * 8 + warp, g = 0;               \
        if ((int)blockIdx.y * TILE_ROWS >= rows) return;                                          \
        if (threadIdx.x == 0) open_ring(r);                                                       \
        if (warp == 8) tensor_take(&r->sums, TILE_ROWS);                                          \
        tensor_before();                                                                          \
        __syncthreads();                                                                          \
        tensor_after();                                                                           \
        if (warp == 8) {                                                                          \
            if (threadIdx.x % 32 == 0) multiply(r, x, groups, run, half);                         \
            __syncwarp();                                                                         \
        } else {                                                                                  \
            matrix mat = {(const uint4 *)w, (const u32 *)scales, min_int(tile, (n + 15) / 16 - 1), \
                          groups, shift};                                                         \
            const float *factors = take_factors(&mat, n, by_row);                                 \
            float total[64] = {0};                                                                \
            for (int turn = 0; turn < 8; turn++) {                                                \
                int end = min_int(groups, (turn + 1) * run), empty = g >= end;                    \
                for (; g < end; g++) {                                                            \
                    fragments f;                                                                  \
                    load(&f, &mat, g);                                                            \
                    if (g >= STAGES) barrier_wait(&r->empty[g % STAGES], (g / STAGES - 1) & 1);   \
                    put_weights(bs_dynamic + g % STAGES * STAGE_BYTES, &f);                       \
                    __syncwarp();                                                                 \
                    if (threadIdx.x % 32 == 0) barrier_arrive(&r->ready[g % STAGES]);             \
                }                                                                                 \
                if (!empty) barrier_wait(&r->done, turn & 1);                                     \
                tensor_after();                                                                   \
                add_run(total, r->sums, turn, empty);                                             \
            }                                                                                     \
            store_lane(y, total, factors, bias, rows, n, stride);                                 \
        }                                                                                         \
        __syncthreads();                                                                          \
        if (warp == 8) tensor_give(r->sums, TILE_ROWS);                                           \
    }

LINEAR_100(bs_linear_bf16_sm100f, load_16, 0, 0)
LINEAR_100(bs_linear_f16_sm100f, load_16, 1, 0)
LINEAR_100(bs_linear_q8_sm100f, load_8, 0, 0)
LINEAR_100(bs_linear_q4_sm100f, load_4, 0, 0)
LINEAR_100(bs_linear_f8_sm100f, load_f8, 0, 1)
LINEAR_100(bs_linear_f8b_sm100f, load_f8b, 0, 0)
LINEAR_100(bs_linear_mx4_sm100f, load_mx4, 0, 0)
LINEAR_100(bs_linear_nv4_sm100f, load_nv4, 0, 1)
