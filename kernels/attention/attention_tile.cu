// Prefill attention, portable (mma.sync and cp.async, sm_80 and later): eight warps of 16 rows.
// Scores of a whole split stay in registers, become probabilities there and are the operand A of
// the second product. Halves of a split, 128 positions of keys or of values, pass through a ring of
// three in shared memory, two under way while one is used: 96 KiB for heads of 128, of the 99 KiB
// that 8.6, 8.9 and 12.0 have. See prefill.h and rows.h.
#include "rows.h"

enum { RING = 3, HALF = SPLIT / 2 };

typedef struct {
    int first, end, next; // splits; the next half to fetch: keys, keys, values, values of each
} halves;

// Starts the copies of the next half, or of nothing: groups of copies are counted.
DEVICE void fetch_half(halves *r, const prefill *c, int dim) {
    int split = r->first + r->next / 4, part = r->next % 4, at = split * SPLIT + part % 2 * HALF;
    u8 *to = bs_dynamic + r->next % RING * (HALF * dim * 2);
    if (split < r->end && part < 2) fetch_keys(to, c, at, HALF, dim, 256);
    if (split < r->end && part >= 2) fetch_values(to, c, at, HALF, dim, 256);
    r->next++;
    async_commit();
}

// Waits for the oldest half, starts the next copies where the one before it lay, and gives it.
DEVICE const u8 *take_half(halves *r, const prefill *c, int dim) {
    const u8 *half = bs_dynamic + (r->next - (RING - 1)) % RING * (HALF * dim * 2);
    async_wait(RING - 2);
    __syncthreads();
    fetch_half(r, c, dim);
    return half;
}

// Fragment B: two core matrices, of which each lane has its word.
DEVICE void load_b(u32 *b, const u8 *core) {
    const u32 *at = (const u32 *)core + threadIdx.x % 32;
    b[0] = at[0];
    b[1] = at[LEAD / 4];
}

DEVICE void score_half(float *s, const u32 (*q)[4], const u8 *keys, int dim) {
    UNROLL for (int j = 0; j < HALF / 8; j++) {
        UNROLL for (int i = 0; i < 4; i++) s[4 * j + i] = 0;
        UNROLL for (int step = 0; step * 16 < dim; step++) {
            u32 b[2];
            load_b(b, keys + (j * (dim / 8) + 2 * step) * LEAD);
            mma_bf16(s + 4 * j, q[step], b);
        }
    }
}

// Adds the values of a half, weighted.
DEVICE void weigh_half(float *part, const u32 (*p)[4], const u8 *values, int dim) {
    UNROLL for (int j = 0; j < dim / 8; j++) {
        UNROLL for (int step = 0; step < HALF / 16; step++) {
            u32 b[2];
            load_b(b, values + (j * (HALF / 8) + 2 * step) * LEAD);
            mma_bf16(part + 4 * j, p[step], b);
        }
    }
}

// Grid: tiles, key-value heads times units of at most 16 heads of a group. 768 bytes of dynamic
// shared memory for each number of a head.
#define ATTENTION_TILE(name, dim)                                                                 \
    KERNEL(256)                                                                                   \
    name(float *out, const float *queries, const u16 *keys, const u16 *values,                    \
         const step_head *h, int heads, int kv_heads, int per_token, int block_size, int window,  \
         int scale) {                                                                             \
        if ((int)blockIdx.x >= h->tiles) return;                                                  \
        prefill c = prefill_of(keys, values, h, heads, kv_heads, dim, per_token, block_size,      \
                               window);                                                           \
        halves r = {first_seen(c.tile.position, window) / SPLIT, c.last / SPLIT + 1, 0};          \
        for (int i = 0; i < RING - 1; i++) fetch_half(&r, &c, dim);                               \
        int first = (int)threadIdx.x / 32 * 16;                                                   \
        softmax_part all[2] = {{MINUS_INFINITY, 0}, {MINUS_INFINITY, 0}};                         \
        float o[64] = {0};                                                                        \
        for (int split = r.first; split < r.end; split++) {                                       \
            float lo[64], hi[64], part[64] = {0};                                                 \
            u32 q[dim / 16][4], p[16][4];                                                         \
            UNROLL for (int s = 0; s < dim / 16; s++) {                                           \
                load_query(q[s], queries, &c, first, s, dim);                                     \
            }                                                                                     \
            score_half(lo, q, take_half(&r, &c, dim), dim);                                       \
            score_half(hi, q, take_half(&r, &c, dim), dim);                                       \
            mask_scores(lo, &c, first, split * SPLIT, bits_float(scale));                         \
            mask_scores(hi, &c, first, split * SPLIT + HALF, bits_float(scale));                  \
            softmax_part fresh[2] = {soften_row(lo, hi, 0), soften_row(lo, hi, 1)};               \
            UNROLL for (int s = 0; s < 16; s++) {                                                 \
                const float *v = s < 8 ? lo + 8 * s : hi + 8 * (s - 8);                           \
                UNROLL for (int i = 0; i < 4; i++) p[s][i] = pair_bf16(v[2 * i], v[2 * i + 1]);   \
            }                                                                                     \
            weigh_half(part, p, take_half(&r, &c, dim), dim);                                     \
            weigh_half(part, p + 8, take_half(&r, &c, dim), dim);                                 \
            merge_step low = merge(all[0], fresh[0]), high = merge(all[1], fresh[1]);             \
            UNROLL for (int i = 0; i < dim / 2; i++) {                                            \
                o[i] = merged(o[i], part[i], i % 4 < 2 ? &low : &high);                           \
            }                                                                                     \
            all[0] = low.sum;                                                                     \
            all[1] = high.sum;                                                                    \
        }                                                                                         \
        put_rows(out, o, all, &c, first, dim);                                                    \
    }

ATTENTION_TILE(bs_attention_64_tile, 64)
ATTENTION_TILE(bs_attention_128_tile, 128)
