// Prefill attention on the Blackwell of data centres (tcgen05): a thread has one of 128 rows, whose
// scores and results lie in its lane of tensor memory: 256 columns of scores, then the head's
// numbers. Queries, keys, values and probabilities are core matrices in shared memory. See
// prefill.h.
#include "prefill.h"

enum { COLUMNS = 512 };

typedef struct {
    u64 done;
    u32 sums; // in tensor memory
    int phase;
} products;

// The thread's row of queries as core matrices [row/8][dim/8][8][8].
DEVICE void put_queries(u8 *to, const float *queries, const prefill *c, int dim) {
    int row = (int)threadIdx.x;
    u64 at;
    int real = row_at(c, row, dim, &at);
    for (int d = 0; d < dim; d += 2) {
        float2 v = {0, 0};
        if (real) v = *(const float2 *)(queries + at + d);
        u8 *out = to + ((row / 8 * (dim / 8) + d / 8) * 8 + row % 8) * 16 + d % 8 * 2;
        *(u32 *)out = pair_bf16(v.x, v.y);
    }
}

// D = A B over steps of 16 along K by the first thread; every thread waits for the sums.
DEVICE void product(products *p, u32 d, const u8 *a, int a_stride, const u8 *b, int b_stride,
                    int n, int steps, int phase) {
    publish_shared();
    tensor_before();
    __syncthreads();
    if (threadIdx.x == 0) {
        tensor_after();
        for (int s = 0; s < steps; s++) {
            tensor_mma(d, operand_100(a + s * 2 * LEAD, LEAD, a_stride),
                       operand_100(b + s * 2 * LEAD, LEAD, b_stride), tensor_shape(n, 0), s == 0);
        }
        tensor_commit(&p->done);
    }
    barrier_wait(&p->done, phase);
    tensor_after();
}

// Reads 16 scores of the thread's row from a column on.
DEVICE void read_scores(float *v, u32 lane, const prefill *c, int first, int col, float scale) {
    tensor_read(v, lane + (u32)col);
    UNROLL for (int i = 0; i < 16; i++) {
        v[i] = seen_score(c, (int)threadIdx.x, first + col + i, v[i], scale);
    }
}

// Writes the row's probabilities as core matrices [row/8][position/8][8][8].
DEVICE softmax_part soften_lane(u8 *to, u32 lane, const prefill *c, int first, float scale) {
    softmax_part part = {MINUS_INFINITY, 0};
    float v[16], l[32];
    int row = (int)threadIdx.x;
    for (int col = 0; col < SPLIT; col += 16) {
        read_scores(v, lane, c, first, col, scale);
        UNROLL for (int i = 0; i < 16; i++) part.m = fmaxf(part.m, v[i]);
    }
    UNROLL for (int i = 0; i < 32; i++) l[i] = 0;
    for (int far = 0; far < SPLIT; far += 64) {
        UNROLL for (int near = 0; near < 64; near += 16) {
            int col = far + near;
            read_scores(v, lane, c, first, col, scale);
            u32 *out = (u32 *)(to + ((row / 8 * (SPLIT / 8) + col / 8) * 8 + row % 8) * 16);
            UNROLL for (int i = 0; i < 16; i += 2) {
                float p = probability(v[i], part.m), q = probability(v[i + 1], part.m);
                l[(near + i) / 2] = plus(plus(l[(near + i) / 2], p), q);
                out[i / 8 * 32 + i % 8 / 2] = pair_bf16(p, q);
            }
        }
    }
    UNROLL for (int m = 16; m > 0; m /= 2) {
        UNROLL for (int i = 0; i < 16; i++) {
            if (i < m) l[i] = plus(l[i], l[i + m]);
        }
    }
    part.l = l[0];
    return part;
}

DEVICE void put_row(float *out, const float *o, softmax_part all, const prefill *c, int dim) {
    u64 at;
    if (!row_at(c, (int)threadIdx.x, dim, &at)) return;
    UNROLL for (int i = 0; i < 128; i++) {
        if (i < dim) out[at + i] = o[i] / all.l;
    }
}

// Grid: tiles, key-value heads times units of at most 16 heads of a group. Dynamic shared memory:
// 64 KiB of probabilities, and 1280 bytes for each number of a head.
#define ATTENTION_100(name, dim)                                                                  \
    KERNEL(128)                                                                                   \
    name(float *out, const float *queries, const u16 *keys, const u16 *values,                    \
         const step_head *h, int heads, int kv_heads, int per_token, int block_size, int window,  \
         int scale) {                                                                             \
        SHARED(products, p, 1);                                                                   \
        if ((int)blockIdx.x >= h->tiles) return;                                                  \
        prefill c = prefill_of(keys, values, h, heads, kv_heads, dim, per_token, block_size,      \
                               window);                                                           \
        u8 *probs = bs_dynamic, *key = probs + PREFILL_ROWS * SPLIT * 2;                          \
        u8 *value = key + SPLIT * dim * 2, *query = value + SPLIT * dim * 2;                      \
        int warp = (int)threadIdx.x / 32, end = c.last / SPLIT + 1, phase = 0;                    \
        if (threadIdx.x == 0) {                                                                   \
            barrier_open(&p->done, 1);                                                            \
            barriers_visible();                                                                   \
        }                                                                                         \
        if (warp == 0) tensor_take(&p->sums, COLUMNS);                                            \
        put_queries(query, queries, &c, dim);                                                     \
        tensor_before();                                                                          \
        __syncthreads();                                                                          \
        tensor_after();                                                                           \
        u32 lane = p->sums + ((u32)(warp * 32) << 16);                                            \
        softmax_part all = {MINUS_INFINITY, 0};                                                   \
        float o[dim];                                                                             \
        UNROLL for (int i = 0; i < dim; i++) o[i] = 0;                                            \
        for (int split = first_seen(c.tile.position, window) / SPLIT; split < end; split++) {     \
            fetch_keys(key, &c, split * SPLIT, SPLIT, dim, 128);                                  \
            fetch_values(value, &c, split * SPLIT, SPLIT, dim, 128);                              \
            async_arrived();                                                                      \
            product(p, p->sums, query, dim * 16, key, dim * 16, SPLIT, dim / 16, phase);          \
            softmax_part fresh = soften_lane(probs, lane, &c, split * SPLIT, bits_float(scale));  \
            product(p, p->sums + SPLIT, probs, SPLIT * 16, value, SPLIT * 16, dim, 16, phase ^ 1);\
            merge_step step = merge(all, fresh);                                                  \
            UNROLL for (int i = 0; i < dim; i += 16) {                                            \
                float v[16];                                                                      \
                tensor_read(v, lane + SPLIT + i);                                                 \
                UNROLL for (int j = 0; j < 16; j++) o[i + j] = merged(o[i + j], v[j], &step);     \
            }                                                                                     \
            all = step.sum;                                                                       \
        }                                                                                         \
        put_row(out, o, all, &c, dim);                                                            \
        tensor_before();                                                                          \
        __syncthreads();                                                                          \
        if (warp == 0) tensor_give(p->sums, COLUMNS);                                             \
    }

ATTENTION_100(bs_attention_64_sm100f, 64)
ATTENTION_100(bs_attention_128_sm100f, 128)
