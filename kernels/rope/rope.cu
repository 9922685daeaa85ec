// Heads of [T, (H + 2G) D]: normalisation of queries and keys, rotary positions, and the append of
// keys and values to the paged cache, in one. A block of 32 threads a head of a token.
//
// The cache of a layer is [block][G][block size][D] for keys and [block][G][D][block size] for
// values, which attention reads along positions; float32 or bfloat16.
#include "../common/basalt.h"

// Dynamic NTK; base is 0 without it.
typedef struct {
    double base, factor;
    int position, unused;
} ntk_params;

// angles[t][i] = (cos, sin) of position * frequency, scaled. In double, as positions are long.
KERNEL(64) bs_angles(float2 *angles, const step_head *h, const double *freq,
                     const ntk_params *ntk, int half, int scale) {
    int t = (int)blockIdx.x;
    if (t >= h->tokens) return;
    int pos = step_ints(h, h->positions)[t];
    for (int i = (int)threadIdx.x; i < half; i += 64) {
        double f = freq[i];
        if (ntk->base > 0 && pos >= ntk->position) {
            double d = 2.0 * half;
            double stretch = ntk->factor * (pos + 1) / ntk->position - (ntk->factor - 1);
            f = pow(ntk->base * pow(stretch, d / (d - 2)), -2.0 * i / d);
        }
        double a = pos * f;
        float2 v = {times((float)cos(a), bits_float(scale)),
                    times((float)sin(a), bits_float(scale))};
        angles[(u64)t * half + i] = v;
    }
}

DEVICE void norm_head(float *v, const float *w, int dim, int eps) {
    float squares = 0;
    for (int i = (int)threadIdx.x; i < dim; i += 32) squares = mul_add(v[i], v[i], squares);
    float scale = 1.0f / sqrtf(lane_sum(squares) / (float)dim + bits_float(eps));
    for (int i = (int)threadIdx.x; i < dim; i += 32) v[i] = times(times(v[i], scale), w[i]);
    __syncthreads();
}

DEVICE void rotate_head(float *v, const float2 *angles, int half, int interleaved) {
    for (int i = (int)threadIdx.x; i < half; i += 32) {
        int p = interleaved ? 2 * i : i, q = interleaved ? 2 * i + 1 : i + half;
        float a = v[p], b = v[q];
        float2 turn = angles[i];
        v[p] = plus(times(a, turn.x), -times(b, turn.y));
        v[q] = plus(times(a, turn.y), times(b, turn.x));
    }
    __syncthreads();
}

DEVICE void append(void *cache, u64 at, u64 step, const float *v, int dim, int narrow) {
    for (int i = (int)threadIdx.x; i < dim; i += 32) {
        if (narrow) {
            ((u16 *)cache)[at + i * step] = to_bf16(v[i]);
        } else {
            ((float *)cache)[at + i * step] = v[i];
        }
    }
}

KERNEL(32) bs_heads(float *queries, void *keys, void *values, const float *qkv,
                    const step_head *h, const float *q_norm, const float *k_norm,
                    const float2 *angles, int heads, int kv_heads, int dim, int half,
                    int interleaved, int eps, int block_size, int narrow) {
    SHARED(float, v, 256);
    int t = (int)blockIdx.x, head = (int)blockIdx.y;
    if (t >= h->tokens) return;
    const float *from = qkv + ((u64)t * (heads + 2 * kv_heads) + head) * dim;
    for (int i = (int)threadIdx.x; i < dim; i += 32) v[i] = from[i];
    __syncthreads();
    int kind = head < heads ? 0 : head < heads + kv_heads ? 1 : 2;
    if (kind < 2) {
        if (q_norm) norm_head(v, kind ? k_norm : q_norm, dim, eps);
        if (half) rotate_head(v, angles + (u64)t * half, half, interleaved);
    }
    if (kind == 0) {
        float *to = queries + ((u64)t * heads + head) * dim;
        for (int i = (int)threadIdx.x; i < dim; i += 32) to[i] = v[i];
        return;
    }
    int slot = step_ints(h, h->slots)[t], in = slot % block_size;
    u64 base = ((u64)(slot / block_size) * kv_heads + (head - heads) % kv_heads) * block_size * dim;
    if (kind == 1) {
        append(keys, base + (u64)in * dim, 1, v, dim, narrow);
    } else {
        append(values, base + in, (u64)block_size, v, dim, narrow);
    }
}
