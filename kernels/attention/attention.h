// Attention over the paged cache, for decode and prefill alike: causal, grouped queries, windows.
//
// A row is one head of one token. The context is cut into splits of 256 at absolute positions; each
// split gives a row its maximum m, its sum l of exp(score - m) and its weighted values o, and the
// splits are merged in ascending order: by one block that walks them all, or, to fill the device in
// decode, by blocks of one split each and bs_attention_merge. Both give the same bits.
#ifndef BASALT_ATTENTION_H
#define BASALT_ATTENTION_H

#include "../common/basalt.h"

enum { SPLIT = 256, ROWS = 16, MAX_DIM = 256 };

typedef struct {
    float m, l;
} softmax_part;

// Weights of two parts, and their merged maximum and sum.
typedef struct {
    softmax_part sum;
    float old, fresh;
} merge_step;

DEVICE merge_step merge(softmax_part a, softmax_part b) {
    merge_step s;
    s.sum.m = fmaxf(a.m, b.m);
    s.old = a.m == MINUS_INFINITY ? 0.0f : expf(plus(a.m, -s.sum.m));
    s.fresh = b.m == MINUS_INFINITY ? 0.0f : expf(plus(b.m, -s.sum.m));
    s.sum.l = mul_add(a.l, s.old, times(b.l, s.fresh));
    return s;
}

DEVICE float merged(float old, float fresh, const merge_step *s) {
    return mul_add(old, s->old, times(fresh, s->fresh));
}

DEVICE float probability(float score, float m) {
    return m == MINUS_INFINITY ? 0.0f : expf(plus(score, -m));
}

// The first and the last position that a query at pos sees.
DEVICE int first_seen(int pos, int window) {
    return window && pos >= window ? pos - window + 1 : 0;
}

// The partial results of a row in a split: m, l, o[dim].
DEVICE float *part_of(float *parts, int row, int rows, int split, int splits, int dim) {
    u64 unit = (u64)blockIdx.x * gridDim.y + blockIdx.y;
    return parts + ((unit * splits + split) * rows + row) * (u64)(dim + 2);
}

#endif
