// Weights in small floats, widened to BF16 in registers (linear.h has the products).
//
// A number in E4M3 or E2M1 is moved to the fields of a BF16, where it is too small by a power of
// two, which one product mends: exactly, subnormal numbers too. (E4M3's NaN reads as 480.)
//
// f8: one scale for the tensor or a row; it multiplies the sum, so weights are exact.
// f8b: one for blocks of rows and columns, whole tiles and groups: it multiplies the number, which
//      is rounded to BF16 once. Scales are [N/16][block along K] floats.
// mx4: 32 along K share a power of two: exact. [N/16][K/64][16 rows][2] bytes.
// nv4: 16 along K share a scale in E4M3, which BF16 holds times a number exactly, and the tensor
//      has one, as in f8. [N/16][K/64][16 rows][4] bytes.
// Where the sum is multiplied, floats for the rows of all tiles stand before the other scales.
//
// E4M3 lies as linear.h's 8-bit values do. Of E2M1 a word has a step of K: the first numbers of a
// lane's four pairs in its low half, the second ones in the high half.
#ifndef BASALT_SMALL_H
#define BASALT_SMALL_H

#include "linear.h"

#define BF16_2_120 0x7b807b80u
#define BF16_2_126 0x7e807e80u

// Two numbers in E4M3 that spread_bytes has put apart.
DEVICE u32 widen_e4m3(u32 x) {
    return times_bf16((x & 0x80008000u) | (x & 0x7f007f00u) >> 4, BF16_2_120);
}

DEVICE void load_f8(fragments *f, const matrix *m, int group) {
    const uint4 *at = m->w + ((u64)m->tile * m->groups + group) * 64 + threadIdx.x % 32;
    uint4 q[2] = {at[0], at[32]};
    for (int i = 0; i < 4; i++) {
        u32 lo = i % 2 ? q[i / 2].z : q[i / 2].x, hi = i % 2 ? q[i / 2].w : q[i / 2].y;
        f->a[i].x = widen_e4m3(spread_bytes(lo, 0, 1));
        f->a[i].y = widen_e4m3(spread_bytes(lo, 2, 3));
        f->a[i].z = widen_e4m3(spread_bytes(hi, 0, 1));
        f->a[i].w = widen_e4m3(spread_bytes(hi, 2, 3));
    }
}

DEVICE u32 times_float(u32 pair, float s) {
    return pair_bf16(times(bits_float((int)(pair << 16)), s),
                     times(bits_float((int)(pair & 0xffff0000u)), s));
}

DEVICE void load_f8b(fragments *f, const matrix *m, int group) {
    int blocks = (m->groups * 64 + (1 << m->shift) - 1) >> m->shift;
    u64 block = (u64)m->tile * blocks + (group * 64 >> m->shift);
    float s = ((const float *)m->scales)[block];
    load_f8(f, m, group);
    for (int i = 0; i < 4; i++) {
        f->a[i].x = times_float(f->a[i].x, s);
        f->a[i].y = times_float(f->a[i].y, s);
        f->a[i].z = times_float(f->a[i].z, s);
        f->a[i].w = times_float(f->a[i].w, s);
    }
}

// Pair i of a word of E2M1 numbers, times a pair of equal scales.
DEVICE u32 scaled_e2m1(u32 word, int i, u32 scale) {
    u32 magnitude = i < 2 ? word << (6 - 4 * i) : word >> (4 * i - 6);
    u32 x = (magnitude & 0x01c001c0u) | (word << (12 - 4 * i) & 0x80008000u);
    return times_bf16(times_bf16(x, BF16_2_126), scale);
}

// A step of K from a word and the scales of rows g and g + 8.
DEVICE void widen_step(uint4 *a, u32 word, u32 low, u32 high) {
    a->x = scaled_e2m1(word, 0, low);
    a->y = scaled_e2m1(word, 1, high);
    a->z = scaled_e2m1(word, 2, low);
    a->w = scaled_e2m1(word, 3, high);
}

DEVICE u32 widen_e8m0(u32 byte) {
    u32 x = byte ? byte << 7 : 64;
    return x | x << 16;
}

DEVICE void load_mx4(fragments *f, const matrix *m, int group) {
    u64 at = (u64)m->tile * m->groups + group;
    int lane = (int)threadIdx.x % 32;
    uint4 q = m->w[at * 32 + lane];
    const u16 *s = (const u16 *)m->scales + at * 16 + lane / 4;
    u32 word[4] = {q.x, q.y, q.z, q.w}, low = s[0], high = s[8];
    for (int i = 0; i < 4; i++) {
        widen_step(&f->a[i], word[i], widen_e8m0(low >> i / 2 * 8 & 255),
                   widen_e8m0(high >> i / 2 * 8 & 255));
    }
}

DEVICE void load_nv4(fragments *f, const matrix *m, int group) {
    u64 at = (u64)m->tile * m->groups + group;
    int lane = (int)threadIdx.x % 32;
    uint4 q = m->w[at * 32 + lane];
    const u32 *s = m->scales + at * 16 + lane / 4;
    u32 word[4] = {q.x, q.y, q.z, q.w}, low = s[0], high = s[8];
    for (int i = 0; i < 4; i++) {
        widen_step(&f->a[i], word[i], widen_e4m3(spread_bytes(low, i, i)),
                   widen_e4m3(spread_bytes(high, i, i)));
    }
}

#endif
