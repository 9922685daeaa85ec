// Mixture of experts: routing, the plan of the grouped products, and the weighted sum.
#include "../linear/linear.h"

enum { MAX_EXPERTS = 512 };

// For each token the top experts by probability (the lower index wins a tie) and their weights:
// softmax over all experts, divided by the sum of those taken where asked. One warp a token.
KERNEL(32) bs_route(int *picks, float *weights, const float *scores, const step_head *h,
                    int experts, int top, int normalise) {
    SHARED(float, p, MAX_EXPERTS);
    int t = (int)blockIdx.x, lane = (int)threadIdx.x;
    if (t >= h->tokens) return;
    float m = MINUS_INFINITY, sum = 0, taken = 0;
    for (int i = lane; i < experts; i += 32) m = fmaxf(m, scores[(u64)t * experts + i]);
    m = lane_max(m);
    for (int i = lane; i < experts; i += 32) {
        p[i] = expf(plus(scores[(u64)t * experts + i], -m));
        sum = plus(sum, p[i]);
    }
    sum = lane_sum(sum);
    for (int k = 0; k < top; k++) {
        u64 best = 0;
        for (int i = lane; i < experts; i += 32) {
            u64 v = (u64)float_bits(p[i]) << 32 | (u32)~i;
            if (p[i] >= 0 && v > best) best = v;
        }
        for (int mask = 16; mask > 0; mask >>= 1) {
            u64 other = lane_xor_u64(best, mask);
            if (other > best) best = other;
        }
        int expert = (int)~(u32)best;
        float w = p[expert] / sum;
        taken = plus(taken, w);
        __syncthreads();
        if (lane == 0) {
            picks[t * top + k] = expert;
            weights[t * top + k] = w;
            p[expert] = -1;
        }
        __syncthreads();
    }
    for (int k = lane; normalise && k < top; k += 32) weights[t * top + k] /= taken;
}

// Sorts the pairs (token, pick) by expert, pairs of an expert in their own order: rows[i] is the
// token of the i-th, place[pair] its index, and tiles cut each expert's run into at most cols.
// Tiles up to max_tiles that are not used get no rows. One block.
KERNEL(512) bs_plan(row_tile *tiles, int *rows, int *place, const int *picks, const step_head *h,
                    int experts, int top, int cols, int max_tiles) {
    SHARED(int, count, MAX_EXPERTS);
    SHARED(int, first_tile, MAX_EXPERTS);
    SHARED(int, used, 1);
    int pairs = h->tokens * top, e = (int)threadIdx.x, n = 0;
    for (int i = 0; e < experts && i < pairs; i++) n += picks[i] == e;
    count[e] = n;
    __syncthreads();
    if (e == 0) {
        int at = 0, tile = 0;
        for (int i = 0; i < experts; i++) {
            int c = count[i];
            count[i] = at;
            first_tile[i] = tile;
            at += c;
            tile += (c + cols - 1) / cols;
        }
        used[0] = tile;
    }
    __syncthreads();
    for (int i = 0; i < n; i += cols) {
        row_tile t = {e, count[e] + i, min_int(cols, n - i)};
        tiles[first_tile[e] + i / cols] = t;
    }
    row_tile none = {0, 0, 0};
    for (int i = used[0] + e; i < max_tiles; i += 512) tiles[i] = none;
    for (int i = 0, at = count[e]; n && i < pairs; i++) {
        if (picks[i] != e) continue;
        rows[at] = i / top;
        place[i] = at++;
    }
}

// y[t] = sum over picks, in their order, of weight * out[place].
KERNEL(256) bs_combine(float *y, const float *out, const int *place, const float *weights,
                       const step_head *h, int width, int top) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x), t = (int)blockIdx.y;
    if (t >= h->tokens || i >= width) return;
    float sum = 0;
    for (int k = 0; k < top; k++) {
        float v = out[(u64)place[t * top + k] * width + i];
        sum = mul_add(weights[t * top + k], v, sum);
    }
    y[(u64)t * width + i] = sum;
}
