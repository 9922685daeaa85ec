// Sixteen lanes in plain C: the shape that compilers vectorise with what the base instruction set
// has. Sums of products are rounded once, as on the other instruction sets, so that a model gives
// the same tokens on every processor.
#ifndef BASALT_CPU_VEC_PORTABLE_H
#define BASALT_CPU_VEC_PORTABLE_H

#include <string.h>

#include "kern.h"

typedef struct {
    float v[TILE];
} vf; // 16 floats
typedef struct {
    int32_t v[TILE];
} vi; // 16 signed 32-bit integers

#define EACH_LANE(i) for (int i = 0; i < TILE; i++)
#define LANES(type, name, expr)         \
    type name;                          \
    EACH_LANE(i) { name.v[i] = (expr); }

INL vf vf_set(float x) {
    LANES(vf, y, x)
    return y;
}
INL vf vf_zero(void) { return vf_set(0); }
INL vf vf_load(const float *p) {
    vf y;
    memcpy(&y, p, sizeof y);
    return y;
}
INL void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }

// The first n lanes of p, the others zero; nothing is read beyond.
INL vf vf_load_n(const float *p, int n) {
    vf y = {{0}};
    memcpy(&y, p, (size_t)(n < TILE ? n : TILE) * sizeof *p);
    return y;
}

INL void vf_store_n(float *p, vf x, int n) {
    memcpy(p, &x, (size_t)(n < TILE ? n : TILE) * sizeof *p);
}

INL vf vf_add(vf x, vf y) {
    LANES(vf, z, x.v[i] + y.v[i])
    return z;
}
INL vf vf_sub(vf x, vf y) {
    LANES(vf, z, x.v[i] - y.v[i])
    return z;
}
INL vf vf_mul(vf x, vf y) {
    LANES(vf, z, x.v[i] * y.v[i])
    return z;
}
INL vf vf_div(vf x, vf y) {
    LANES(vf, z, x.v[i] / y.v[i])
    return z;
}
// Without an instruction for it, double holds the product and nearly always the sum: its own
// rounding shows in about one of 2^29 results. BASALT_FUSED, for tests, takes the slow way.
#if defined(__FP_FAST_FMAF) || defined(BASALT_FUSED)
INL float fused(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
#else
INL float fused(float x, float y, float z) { return (float)((double)x * y + z); }
#endif
// x * y + z, rounded once.
INL vf vf_fma(vf x, vf y, vf z) {
    LANES(vf, u, fused(x.v[i], y.v[i], z.v[i]))
    return u;
}
// z - x * y, rounded once.
INL vf vf_fnma(vf x, vf y, vf z) {
    LANES(vf, u, fused(-x.v[i], y.v[i], z.v[i]))
    return u;
}
// z + x * y, rounded once.
INL vf vf_more(vf z, vf x, float y) { return vf_fma(x, vf_set(y), z); }
// The greater lane; y where either is no number.
INL vf vf_max(vf x, vf y) {
    LANES(vf, z, x.v[i] > y.v[i] ? x.v[i] : y.v[i])
    return z;
}
INL vf vf_min(vf x, vf y) {
    LANES(vf, z, x.v[i] < y.v[i] ? x.v[i] : y.v[i])
    return z;
}
// x where t >= limit, else 0; x where t is no number.
INL vf vf_zero_below(vf x, vf t, float limit) {
    LANES(vf, z, t.v[i] < limit ? 0 : x.v[i])
    return z;
}

INL vf vi_float(vi x) {
    vf y;
    memcpy(&y, &x, sizeof y);
    return y;
}
INL vi vf_bits(vf x) {
    vi y;
    memcpy(&y, &x, sizeof y);
    return y;
}
// Adding 1.5 * 2^23 leaves the rounded integer in the fraction, for |x| < 2^22; anything else gives
// some integer without trapping.
INL vi vf_round(vf x) {
    vi y = vf_bits(vf_add(x, vf_set(12582912.0f)));
    LANES(vi, z, (int32_t)((uint32_t)y.v[i] - 0x4b400000u))
    return z;
}
INL vf vf_from(vi x) {
    LANES(vf, y, (float)x.v[i])
    return y;
}

INL vi vi_set(int32_t x) {
    LANES(vi, y, x)
    return y;
}
// Integer lanes wrap around, as registers do.
INL vi vi_mul(vi x, vi y) {
    LANES(vi, z, (int32_t)((uint32_t)x.v[i] * (uint32_t)y.v[i]))
    return z;
}
INL vi vi_add(vi x, vi y) {
    LANES(vi, z, (int32_t)((uint32_t)x.v[i] + (uint32_t)y.v[i]))
    return z;
}
INL vi vi_sub(vi x, vi y) {
    LANES(vi, z, (int32_t)((uint32_t)x.v[i] - (uint32_t)y.v[i]))
    return z;
}
INL vi vi_and(vi x, vi y) {
    LANES(vi, z, x.v[i] & y.v[i])
    return z;
}
INL vi vi_max(vi x, vi y) {
    LANES(vi, z, x.v[i] > y.v[i] ? x.v[i] : y.v[i])
    return z;
}
INL vi vi_shl(vi x, int n) {
    LANES(vi, z, (int32_t)((uint32_t)x.v[i] << n))
    return z;
}

// Lanes from lo to hi-1 of x, the others fill.
INL vf vf_keep(vf x, int lo, int hi, float fill) {
    LANES(vf, y, i >= lo && i < hi ? x.v[i] : fill)
    return y;
}

// Reductions halve the lanes: 16, 8, 4, 2, 1.
INL float vf_sum(vf x) {
    for (int n = TILE / 2; n > 0; n /= 2) {
        for (int i = 0; i < n; i++) x.v[i] += x.v[i + n];
    }
    return x.v[0];
}

INL float vf_max_lane(vf x) {
    for (int i = 1; i < TILE; i++) x.v[0] = x.v[i] > x.v[0] ? x.v[i] : x.v[0];
    return x.v[0];
}

INL int32_t vi_sum(vi x) {
    uint32_t sum = 0;
    EACH_LANE(i) { sum += (uint32_t)x.v[i]; }
    return (int32_t)sum;
}

INL int32_t vi_max_lane(vi x) {
    for (int i = 1; i < TILE; i++) x.v[0] = x.v[i] > x.v[0] ? x.v[i] : x.v[0];
    return x.v[0];
}

// Sixteen small integers to bytes, saturating.
INL void vi_store_s8(int8_t *p, vi x) {
    EACH_LANE(i) { p[i] = (int8_t)(x.v[i] < -128 ? -128 : x.v[i] > 127 ? 127 : x.v[i]); }
}

// Sixteen integers to 16 bits, saturating.
INL void vi_store_s16(int16_t *p, vi x) {
    EACH_LANE(i) {
        int32_t v = x.v[i] < -32768 ? -32768 : x.v[i] > 32767 ? 32767 : x.v[i];
        p[i] = (int16_t)v;
    }
}

// Sixteen pairs of signed bytes, as two 16-bit numbers in each lane.
INL vi vi_load_pairs(const uint8_t *p) {
    LANES(vi, y, (int32_t)((uint32_t)(int8_t)p[2 * i + 1] << 16 |
                           (uint16_t)(int8_t)p[2 * i]))
    return y;
}

INL int32_t dot_pair(int32_t x, int32_t y) {
    return (int16_t)x * (int16_t)y + (x >> 16) * (y >> 16);
}

// s + the products of each pair with one pair y, both exact.
INL vi vi_dot_pairs(vi s, vi x, int32_t y) {
    LANES(vi, z, (int32_t)((uint32_t)s.v[i] + (uint32_t)dot_pair(x.v[i], y)))
    return z;
}

INL uint16_t half_at(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return h;
}

INL vf vf_load_f16(const uint8_t *p) {
    LANES(vf, y, f16_widen(half_at(p + 2 * i)))
    return y;
}
INL vf vf_load_u8(const uint8_t *p) {
    LANES(vf, y, (float)p[i])
    return y;
}
INL vi vi_load_s8(const uint8_t *p) {
    LANES(vi, y, (int8_t)p[i])
    return y;
}
// The even and odd members of 16 pairs of BF16.
INL vf vf_bf16_even(const uint8_t *p) {
    LANES(vf, y, bf16_widen(half_at(p + 4 * i)))
    return y;
}
INL vf vf_bf16_odd(const uint8_t *p) {
    LANES(vf, y, bf16_widen(half_at(p + 4 * i + 2)))
    return y;
}

INL void vprefetch(const void *p) { (void)p; }
// Into the second cache.
INL void vprefetch_far(const void *p) { (void)p; }

#endif
