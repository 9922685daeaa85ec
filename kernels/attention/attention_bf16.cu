// Attention over a bfloat16 cache by mma.sync: a tile of 16 rows, the heads of a group times some
// tokens, against a key-value head. Queries and probabilities are rounded to bfloat16; scores, sums
// and results are float32. Four warps: each scores 64 positions of a split, then sums a quarter of
// the head's numbers over all 256.
#include "attention.h"

typedef struct {
    const u16 *keys, *values; // of the layer and the key-value head
    const int *table;
    int kv_heads, dim, block_size, last, window, per_token;
    query_tile tile;
} context;

DEVICE u64 block_at(const context *c, int pos) {
    return (u64)c->table[pos / c->block_size] * c->kv_heads * c->block_size * c->dim;
}

DEVICE int row_position(const context *c, int row) { return c->tile.position + row / c->per_token; }

// Fragment A of step ks from 16 rows of 16-bit numbers.
DEVICE void load_a(u32 *a, const u16 *rows, int stride, int ks) {
    int lane = (int)threadIdx.x % 32;
    const u16 *p = rows + lane / 4 * stride + ks * 16 + lane % 4 * 2;
    a[0] = *(const u32 *)p;
    a[1] = *(const u32 *)(p + 8 * stride);
    a[2] = *(const u32 *)(p + 8);
    a[3] = *(const u32 *)(p + 8 * stride + 8);
}

DEVICE void score_eight(float *scores, const context *c, const u16 *q, int stride, int first,
                        int from, float scale) {
    int lane = (int)threadIdx.x % 32, pos = first + from + lane / 4, valid = pos <= c->last;
    const u16 *key = c->keys;
    if (valid) key += block_at(c, pos) + (u64)(pos % c->block_size) * c->dim;
    float acc[4] = {0, 0, 0, 0};
    for (int ks = 0; ks * 16 < c->dim; ks++) {
        u32 a[4], b[2] = {0, 0};
        load_a(a, q, stride, ks);
        for (int i = 0; i < 2; i++) {
            int d = ks * 16 + lane % 4 * 2 + 8 * i;
            if (valid && d < c->dim) b[i] = *(const u32 *)(key + d);
        }
        mma_bf16(acc, a, b);
    }
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, at = from + lane % 4 * 2 + i % 2, p = row_position(c, row);
        int seen = first + at <= p && first + at >= first_seen(p, c->window);
        scores[row * (SPLIT + 4) + at] = seen ? times(acc[i], scale) : MINUS_INFINITY;
    }
}

// Probabilities of a warp's four rows, and each row's part. A lane sums four pairs of positions, 64
// apart, then lanes add up: the order that fits the fragments of every kernel of attention.
DEVICE void soften(u16 *probs, softmax_part *part, const float *scores) {
    int lane = (int)threadIdx.x % 32;
    for (int k = 0; k < 4; k++) {
        int row = (int)threadIdx.x / 32 * 4 + k;
        const float *s = scores + row * (SPLIT + 4);
        float m = MINUS_INFINITY, l = 0;
        for (int i = lane; i < SPLIT; i += 32) m = fmaxf(m, s[i]);
        m = lane_max(m);
        for (int i = 0; i < 8; i++) {
            int at = 2 * lane + 64 * (i / 2) + i % 2;
            float p = probability(s[at], m);
            probs[row * (SPLIT + 8) + at] = to_bf16(p);
            l = plus(l, p);
        }
        l = lane_sum(l);
        softmax_part v = {m, l};
        if (lane == 0) part[row] = v;
    }
}

// Weighted values of eight numbers of the head from d on, over the split.
DEVICE void weigh_eight(float *acc, const context *c, const u16 *probs, int first, int d) {
    int lane = (int)threadIdx.x % 32;
    d += lane / 4;
    for (int ks = 0; ks * 16 < SPLIT && first + ks * 16 <= c->last; ks++) {
        u32 a[4], b[2] = {0, 0};
        load_a(a, probs, SPLIT + 8, ks);
        for (int i = 0; i < 2; i++) {
            int pos = first + ks * 16 + lane % 4 * 2 + 8 * i;
            if (pos > c->last || d >= c->dim) continue;
            b[i] = *(const u32 *)(c->values + block_at(c, pos) + (u64)d * c->block_size +
                                  pos % c->block_size);
            if (pos == c->last) b[i] &= 0xffffu;
        }
        mma_bf16(acc, a, b);
    }
}

DEVICE void load_queries(u16 *q, int stride, const float *from, const context *c, int heads,
                         int head) {
    int padded = (c->dim + 15) / 16 * 16;
    for (int i = (int)threadIdx.x; i < ROWS * padded; i += 128) {
        int row = i / padded, d = i % padded, t = row / c->per_token;
        float v = 0;
        if (t < c->tile.count && d < c->dim) {
            v = from[((u64)(c->tile.first + t) * heads + head + row % c->per_token) * c->dim + d];
        }
        q[row * stride + d] = to_bf16(v);
    }
}

// The results of a warp's numbers: to the output, or to the parts of the split.
DEVICE void store_rows(float *out, float *parts, float acc[8][4], const softmax_part *part,
                       const context *c, int heads, int head, int split) {
    int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32;
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, t = row / c->per_token, h = head + row % c->per_token;
        if (t >= c->tile.count || row >= c->per_token * (ROWS / c->per_token)) continue;
        float *to = out + ((u64)(c->tile.first + t) * heads + h) * c->dim;
        if (parts) {
            to = part_of(parts, row, c->per_token, split, (int)gridDim.z, c->dim) + 2;
            to[-2] = part[row].m;
            to[-1] = part[row].l;
        }
        UNROLL for (int n = 0; n < 8; n++) {
            int d = (n * 4 + warp) * 8 + lane % 4 * 2 + i % 2;
            if (d < c->dim) to[d] = parts ? acc[n][i] : acc[n][i] / part[row].l;
        }
    }
}

// parts is NULL where a block walks every split, else each block (z) does one.
// Grid: tiles, key-value heads times units of at most 16 heads of a group, splits.
KERNEL(128) bs_attention_bf16(float *out, float *parts, const float *queries, const u16 *keys,
                              const u16 *values, const step_head *h, int heads, int kv_heads,
                              int dim, int per_token, int block_size, int window, int scale) {
    SHARED(u16, q, ROWS *(MAX_DIM + 8));
    SHARED(float, scores, ROWS *(SPLIT + 4));
    SHARED(u16, probs, ROWS *(SPLIT + 8));
    SHARED(softmax_part, fresh, ROWS);
    SHARED(softmax_part, all, ROWS);
    if ((int)blockIdx.x >= h->tiles) return;
    int units = heads / kv_heads / per_token, kv = (int)blockIdx.y / units;
    int head = (int)blockIdx.y * per_token, warp = (int)threadIdx.x / 32;
    u64 base = (u64)kv * block_size * dim;
    context c = {keys + base, values + base, 0, kv_heads, dim, block_size, 0, window, per_token,
                 ((const query_tile *)step_ints(h, h->query_tiles))[blockIdx.x]};
    c.table = step_ints(h, h->tables) + (u64)c.tile.table * h->max_blocks;
    c.last = c.tile.position + c.tile.count - 1;
    int split = parts ? (int)blockIdx.z : first_seen(c.tile.position, window) / SPLIT;
    int end = parts ? min_int(split + 1, c.last / SPLIT + 1) : c.last / SPLIT + 1;
    float acc[8][4] = {{0}};
    load_queries(q, dim + 8 + (16 - dim % 16) % 16, queries, &c, heads, head);
    if (threadIdx.x < ROWS) all[threadIdx.x].m = MINUS_INFINITY, all[threadIdx.x].l = 0;
    __syncthreads();
    for (; split < end; split++) {
        for (int i = 0; i < 64; i += 8) {
            score_eight(scores, &c, q, dim + 8 + (16 - dim % 16) % 16, split * SPLIT,
                        warp * 64 + i, bits_float(scale));
        }
        __syncthreads();
        soften(probs, fresh, scores);
        __syncthreads();
        int lane = (int)threadIdx.x % 32;
        merge_step low = merge(all[lane / 4], fresh[lane / 4]);
        merge_step high = merge(all[lane / 4 + 8], fresh[lane / 4 + 8]);
        UNROLL for (int n = 0; n < 8; n++) {
            if ((n * 4 + warp) * 8 >= dim) break;
            float part[4] = {0, 0, 0, 0};
            weigh_eight(part, &c, probs, split * SPLIT, (n * 4 + warp) * 8);
            UNROLL for (int i = 0; i < 4; i++) {
                acc[n][i] = merged(acc[n][i], part[i], i < 2 ? &low : &high);
            }
        }
        __syncthreads();
        if (warp == 0 && lane % 4 == 0) all[lane / 4] = low.sum, all[lane / 4 + 8] = high.sum;
        __syncthreads();
    }
    store_rows(out, parts, acc, all, &c, heads, head, (int)blockIdx.z);
}
