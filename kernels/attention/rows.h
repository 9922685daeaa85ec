// What prefill kernels share whose warps have 16 rows in the fragments of mma.sync, which wgmma's
// are too: queries, scores of a split as lo (128 positions) and hi, probabilities, results.
#ifndef BASALT_ROWS_H
#define BASALT_ROWS_H

#include "prefill.h"

// A warp's queries, 16 numbers a step, as fragments of A.
DEVICE void load_query(u32 *a, const float *queries, const prefill *c, int first, int step,
                       int dim) {
    int lane = (int)threadIdx.x % 32;
    for (int i = 0; i < 4; i++) {
        int row = first + lane / 4 + i % 2 * 8, d = step * 16 + lane % 4 * 2 + i / 2 * 8;
        u64 at;
        float2 v = {0, 0};
        if (row_at(c, row, dim, &at)) v = *(const float2 *)(queries + at + d);
        a[i] = pair_bf16(v.x, v.y);
    }
}

// Turns a thread's scores of a row (the even or the odd pairs) into probabilities.
DEVICE softmax_part soften_row(float *lo, float *hi, int odd) {
    softmax_part part = {MINUS_INFINITY, 0};
    float l[8] = {0};
    UNROLL for (int i = 0; i < 64; i++) {
        if (i / 2 % 2 == odd) part.m = fmaxf(part.m, fmaxf(lo[i], hi[i]));
    }
    for (int m = 1; m < 4; m *= 2) part.m = fmaxf(part.m, lane_xor(part.m, m));
    UNROLL for (int i = 0; i < 128; i++) {
        if (i / 2 % 2 != odd) continue;
        float *s = i < 64 ? lo + i : hi + (i - 64);
        *s = probability(*s, part.m);
        l[i / 4 % 8] = plus(l[i / 4 % 8], *s);
    }
    UNROLL for (int m = 4; m > 0; m /= 2) {
        UNROLL for (int i = 0; i < 4; i++) {
            if (i < m) l[i] = plus(l[i], l[i + m]);
        }
    }
    for (int m = 2; m > 0; m /= 2) l[0] = plus(l[0], lane_xor(l[0], m));
    part.l = l[0];
    return part;
}

DEVICE void mask_scores(float *s, const prefill *c, int first, int pos, float scale) {
    int lane = (int)threadIdx.x % 32;
    UNROLL for (int i = 0; i < 64; i++) {
        int row = first + lane / 4 + i % 4 / 2 * 8, at = pos + i / 4 * 8 + lane % 4 * 2 + i % 2;
        s[i] = seen_score(c, row, at, s[i], scale);
    }
}

DEVICE void put_rows(float *out, const float *o, const softmax_part *all, const prefill *c,
                     int first, int dim) {
    int lane = (int)threadIdx.x % 32;
    for (int half = 0; half < 2; half++) {
        u64 at;
        if (!row_at(c, first + lane / 4 + 8 * half, dim, &at)) continue;
        UNROLL for (int i = 0; i < 64; i++) {
            int d = i / 4 * 8 + lane % 4 * 2 + i % 2;
            if (i % 4 / 2 == half && d < dim) out[at + d] = o[i] / all[half].l;
        }
    }
}

#endif
