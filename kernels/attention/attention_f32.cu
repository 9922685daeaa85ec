// Attention over a float32 cache, and the merge of splits. A block a row: a thread scores one
// position of a split and then sums one number of the head over its 256 positions.
#include "attention.h"

DEVICE float block_max(float x, float *part) {
    x = lane_max(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    for (int i = 0; i < 8; i++) x = fmaxf(x, part[i]);
    return x;
}

DEVICE float block_sum(float x, float *part) {
    x = lane_sum(x);
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < 8; i++) x = plus(x, part[i]);
    return x;
}

// Tiles have one token each. Grid: tiles, heads, splits; parts as for bfloat16.
KERNEL(256) bs_attention_f32(float *out, float *parts, const float *queries, const float *keys,
                             const float *values, const step_head *h, int heads, int kv_heads,
                             int dim, int per_token, int block_size, int window, int scale) {
    SHARED(float, probs, SPLIT);
    SHARED(float, part, 8);
    if ((int)blockIdx.x >= h->tiles) return;
    query_tile tile = ((const query_tile *)step_ints(h, h->query_tiles))[blockIdx.x];
    const int *table = step_ints(h, h->tables) + (u64)tile.table * h->max_blocks;
    int head = (int)blockIdx.y, kv = head / (heads / kv_heads), last = tile.position;
    const float *q = queries + ((u64)tile.first * heads + head) * dim;
    int split = parts ? (int)blockIdx.z : first_seen(last, window) / SPLIT;
    int end = parts ? min_int(split + 1, last / SPLIT + 1) : last / SPLIT + 1, d = (int)threadIdx.x;
    softmax_part all = {MINUS_INFINITY, 0};
    float acc = 0;
    for (; split < end; split++) {
        int pos = split * SPLIT + d;
        float s = MINUS_INFINITY;
        if (pos <= last && pos >= first_seen(last, window)) {
            u64 at = ((u64)table[pos / block_size] * kv_heads + kv) * block_size;
            const float *key = keys + (at + pos % block_size) * dim;
            s = 0;
            for (int i = 0; i < dim; i++) s = mul_add(q[i], key[i], s);
            s = times(s, bits_float(scale));
        }
        float m = block_max(s, part), p = s == MINUS_INFINITY ? 0.0f : expf(plus(s, -m));
        probs[d] = p;
        softmax_part fresh = {m, block_sum(p, part)};
        merge_step step = merge(all, fresh);
        float o = 0;
        for (int i = 0; d < dim && i < SPLIT && split * SPLIT + i <= last; i++) {
            pos = split * SPLIT + i;
            u64 at = ((u64)table[pos / block_size] * kv_heads + kv) * block_size * dim;
            o = mul_add(probs[i], values[at + (u64)d * block_size + pos % block_size], o);
        }
        acc = merged(acc, o, &step);
        all = step.sum;
        __syncthreads();
    }
    if (d >= dim) return;
    float *to = out + ((u64)tile.first * heads + head) * dim;
    if (parts) {
        to = part_of(parts, 0, per_token, (int)blockIdx.z, (int)gridDim.z, dim) + 2;
        to[-2] = all.m;
        to[-1] = all.l;
    }
    to[d] = parts ? acc : acc / all.l;
}

// Merges the splits of decode rows. Grid: tiles, units; rows is the number of heads of a unit.
KERNEL(128) bs_attention_merge(float *out, float *parts, const step_head *h, int heads, int rows,
                               int dim, int splits, int window) {
    if ((int)blockIdx.x >= h->tiles) return;
    query_tile tile = ((const query_tile *)step_ints(h, h->query_tiles))[blockIdx.x];
    int first = first_seen(tile.position, window) / SPLIT, end = tile.position / SPLIT + 1;
    for (int i = (int)threadIdx.x; i < rows * dim; i += 128) {
        int row = i / dim, d = i % dim;
        softmax_part all = {MINUS_INFINITY, 0};
        float acc = 0;
        for (int split = first; split < end; split++) {
            const float *p = part_of(parts, row, rows, split, splits, dim);
            softmax_part fresh = {p[0], p[1]};
            merge_step step = merge(all, fresh);
            acc = merged(acc, p[2 + d], &step);
            all = step.sum;
        }
        int head = (int)blockIdx.y * rows + row;
        out[((u64)tile.first * heads + head) * dim + d] = acc / all.l;
    }
}
