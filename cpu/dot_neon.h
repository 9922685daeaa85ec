// Integer dot products of one block (32 k, 16 columns) on NEON: sum[r] += sum over k of code * q.
// sdot adds four products of signed bytes to each 32-bit lane, exactly, and takes the activations
// of one group from a lane of a register. Codes below 64 are the same signed and unsigned; those of
// Q8_0 are kept signed.
#ifndef BASALT_CPU_DOT_NEON_H
#define BASALT_CPU_DOT_NEON_H

#include "vec_neon.h"

#include "dot_centre.h"

#define Q8_ORDER Q8_SIGNED

// The codes of one group: 16 columns x 4 k.
typedef struct {
    int8x16_t a, b, c, d;
} codes64;

INL codes64 line(const uint8_t *p) {
    const int8_t *q = (const int8_t *)p;
    return (codes64){vld1q_s8(q), vld1q_s8(q + 16), vld1q_s8(q + 32), vld1q_s8(q + 48)};
}

INL int8x16_t low_nibble(int8x16_t x) { return vandq_s8(x, vdupq_n_s8(15)); }
INL int8x16_t high_nibble(int8x16_t x) {
    return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(x), 4));
}

INL codes64 nibbles(const uint8_t *codes, int g) {
    codes64 x = line(codes + 64 * (g & 3));
    return g < 4 ? EACH_1(codes64, low_nibble, x) : EACH_1(codes64, high_nibble, x);
}

// x's bits at shift, as many as mask has, moved to bit 4.
INL int8x16_t plane_bits(int8x16_t x, int shift, int mask) {
    uint8x16_t y = vshlq_u8(vreinterpretq_u8_s8(x), vdupq_n_s8((int8_t)(4 - shift)));
    return vreinterpretq_s8_u8(vandq_u8(y, vdupq_n_u8((uint8_t)(mask << 4))));
}

INL codes64 with_plane(codes64 x, const uint8_t *plane, int shift, int mask) {
    codes64 p = line(plane);
    return (codes64){vorrq_s8(x.a, plane_bits(p.a, shift, mask)),
                     vorrq_s8(x.b, plane_bits(p.b, shift, mask)),
                     vorrq_s8(x.c, plane_bits(p.c, shift, mask)),
                     vorrq_s8(x.d, plane_bits(p.d, shift, mask))};
}

// sum[r] += codes of group g * activations.
INL void add_group(int m, codes64 w, const act_block *const *x, int g, vi *sum) {
    EACH_ROW(r, m) {
        int32_t q;
        memcpy(&q, x[r]->q + 4 * g, sizeof q);
        int8x16_t v = vreinterpretq_s8_s32(vdupq_n_s32(q));
        sum[r] = (vi){vdotq_s32(sum[r].a, w.a, v), vdotq_s32(sum[r].b, w.b, v),
                      vdotq_s32(sum[r].c, w.c, v), vdotq_s32(sum[r].d, w.d, v)};
    }
}

INL void dot4(int m, const uint8_t *codes, const act_block *const *x, int centre, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_sum(x[r], centre);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) add_group(m, nibbles(codes, g), x, g, sum);
}

INL void dot5(int m, int open, const uint8_t *codes, const act_block *const *x, vi *sum) {
    (void)open;
    EACH_ROW(r, m) sum[r] = vi_set(0);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        add_group(m, with_plane(nibbles(codes, g), codes + 256, g, 1), x, g, sum);
    }
}

// The sum of k 16*half to 16*half+15 alone.
INL void half6(int m, const uint8_t *codes, const act_block *const *x, int half, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_half(x[r], half);
    const uint8_t *plane = codes + 256 + 64 * half;
#pragma GCC unroll 4
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        add_group(m, with_plane(nibbles(codes, g), plane, 2 * (g & 3), 3), x, g, sum);
    }
}

#include "dot_q6.h"

INL void dot8(int m, const uint8_t *codes, const act_block *const *x, vi *sum) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) add_group(m, line(codes + 64 * g), x, g, sum);
}

#endif
