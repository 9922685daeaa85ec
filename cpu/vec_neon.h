// Sixteen lanes on NEON with the dot product of ARMv8.2: four registers each.
#ifndef BASALT_CPU_VEC_NEON_H
#define BASALT_CPU_VEC_NEON_H

#include <arm_neon.h>
#include <string.h>

#include "kern.h"

typedef struct {
    float32x4_t a, b, c, d;
} vf; // 16 floats
typedef struct {
    int32x4_t a, b, c, d;
} vi; // 16 signed 32-bit integers

// One instruction on each of the four registers of x, or of x and y.
#define EACH_1(type, op, x) ((type){op((x).a), op((x).b), op((x).c), op((x).d)})
#define EACH_2(type, op, x, y) \
    ((type){op((x).a, (y).a), op((x).b, (y).b), op((x).c, (y).c), op((x).d, (y).d)})

INL vf vf_set(float x) {
    float32x4_t v = vdupq_n_f32(x);
    return (vf){v, v, v, v};
}
INL vf vf_zero(void) { return vf_set(0); }
INL vf vf_load(const float *p) {
    return (vf){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8), vld1q_f32(p + 12)};
}
INL void vf_store(float *p, vf x) {
    vst1q_f32(p, x.a);
    vst1q_f32(p + 4, x.b);
    vst1q_f32(p + 8, x.c);
    vst1q_f32(p + 12, x.d);
}

// The first n lanes of p, the others zero; nothing is read beyond.
INL vf vf_load_n(const float *p, int n) {
    if (n >= TILE) return vf_load(p);
    float t[TILE] = {0};
    memcpy(t, p, (size_t)n * sizeof *p);
    return vf_load(t);
}

INL void vf_store_n(float *p, vf x, int n) {
    if (n >= TILE) {
        vf_store(p, x);
        return;
    }
    float t[TILE];
    vf_store(t, x);
    memcpy(p, t, (size_t)n * sizeof *p);
}

INL vf vf_add(vf x, vf y) { return EACH_2(vf, vaddq_f32, x, y); }
INL vf vf_sub(vf x, vf y) { return EACH_2(vf, vsubq_f32, x, y); }
INL vf vf_mul(vf x, vf y) { return EACH_2(vf, vmulq_f32, x, y); }
INL vf vf_div(vf x, vf y) { return EACH_2(vf, vdivq_f32, x, y); }
// x * y + z, rounded once.
INL vf vf_fma(vf x, vf y, vf z) {
    return (vf){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                vfmaq_f32(z.d, x.d, y.d)};
}
// z - x * y, rounded once.
INL vf vf_fnma(vf x, vf y, vf z) {
    return (vf){vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b), vfmsq_f32(z.c, x.c, y.c),
                vfmsq_f32(z.d, x.d, y.d)};
}

// y where it is no number or not less than x: the convention of x86's maxps.
INL float32x4_t max_or_second(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}
INL float32x4_t min_or_second(float32x4_t x, float32x4_t y) {
    return vbslq_f32(vcltq_f32(x, y), x, y);
}
// z + x * y, rounded once.
INL vf vf_more(vf z, vf x, float y) { return vf_fma(x, vf_set(y), z); }
// The greater lane; y where either is no number.
INL vf vf_max(vf x, vf y) { return EACH_2(vf, max_or_second, x, y); }
INL vf vf_min(vf x, vf y) { return EACH_2(vf, min_or_second, x, y); }

INL float32x4_t clear_below(float32x4_t x, float32x4_t t, float32x4_t limit) {
    uint32x4_t bits = vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(t, limit));
    return vreinterpretq_f32_u32(bits);
}
// x where t >= limit, else 0; x where t is no number.
INL vf vf_zero_below(vf x, vf t, float limit) {
    float32x4_t l = vdupq_n_f32(limit);
    return (vf){clear_below(x.a, t.a, l), clear_below(x.b, t.b, l), clear_below(x.c, t.c, l),
                clear_below(x.d, t.d, l)};
}

INL vi vf_round(vf x) { return EACH_1(vi, vcvtnq_s32_f32, x); }
INL vf vf_from(vi x) { return EACH_1(vf, vcvtq_f32_s32, x); }
INL vi vf_bits(vf x) { return EACH_1(vi, vreinterpretq_s32_f32, x); }
INL vf vi_float(vi x) { return EACH_1(vf, vreinterpretq_f32_s32, x); }

INL vi vi_set(int32_t x) {
    int32x4_t v = vdupq_n_s32(x);
    return (vi){v, v, v, v};
}
INL vi vi_add(vi x, vi y) { return EACH_2(vi, vaddq_s32, x, y); }
INL vi vi_sub(vi x, vi y) { return EACH_2(vi, vsubq_s32, x, y); }
INL vi vi_mul(vi x, vi y) { return EACH_2(vi, vmulq_s32, x, y); }
INL vi vi_and(vi x, vi y) { return EACH_2(vi, vandq_s32, x, y); }
INL vi vi_max(vi x, vi y) { return EACH_2(vi, vmaxq_s32, x, y); }
INL vi vi_shl(vi x, int n) {
    vi by = vi_set(n);
    return EACH_2(vi, vshlq_s32, x, by);
}

// Lanes from lo to hi-1 of x, the others fill.
INL vf vf_keep(vf x, int lo, int hi, float fill) {
    float t[TILE];
    vf_store(t, x);
    for (int i = 0; i < TILE; i++) t[i] = i >= lo && i < hi ? t[i] : fill;
    return vf_load(t);
}

// Reductions halve the lanes: 16, 8, 4, 2, 1.
INL float vf_sum(vf x) {
    float32x4_t s = vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
    float32x2_t t = vadd_f32(vget_low_f32(s), vget_high_f32(s));
    return vget_lane_f32(t, 0) + vget_lane_f32(t, 1);
}
INL float vf_max_lane(vf x) {
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}
INL int32_t vi_sum(vi x) {
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}
INL int32_t vi_max_lane(vi x) {
    return vmaxvq_s32(vmaxq_s32(vmaxq_s32(x.a, x.b), vmaxq_s32(x.c, x.d)));
}

// Sixteen small integers to bytes, saturating.
INL void vi_store_s8(int8_t *p, vi x) {
    int16x8_t low = vcombine_s16(vqmovn_s32(x.a), vqmovn_s32(x.b));
    int16x8_t high = vcombine_s16(vqmovn_s32(x.c), vqmovn_s32(x.d));
    vst1q_s8(p, vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
}

// Sixteen integers to 16 bits, saturating.
INL void vi_store_s16(int16_t *p, vi x) {
    vst1q_s16(p, vcombine_s16(vqmovn_s32(x.a), vqmovn_s32(x.b)));
    vst1q_s16(p + 8, vcombine_s16(vqmovn_s32(x.c), vqmovn_s32(x.d)));
}

// Sixteen pairs of signed bytes, widened to 16 bits each: all first ones, then all second ones.
INL vi vi_load_pairs(const uint8_t *p) {
    int8x16x2_t x = vld2q_s8((const int8_t *)p);
    return (vi){vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(x.val[0]))),
                vreinterpretq_s32_s16(vmovl_high_s8(x.val[0])),
                vreinterpretq_s32_s16(vmovl_s8(vget_low_s8(x.val[1]))),
                vreinterpretq_s32_s16(vmovl_high_s8(x.val[1]))};
}

// s + the products of each pair with one pair y, both exact.
INL vi vi_dot_pairs(vi s, vi x, int32_t y) {
    int16x8_t a = vreinterpretq_s16_s32(x.a), b = vreinterpretq_s16_s32(x.b);
    int16x8_t c = vreinterpretq_s16_s32(x.c), d = vreinterpretq_s16_s32(x.d);
    int16x4_t pair = vreinterpret_s16_s32(vdup_n_s32(y));
    s.a = vmlal_lane_s16(s.a, vget_low_s16(a), pair, 0);
    s.b = vmlal_high_lane_s16(s.b, a, pair, 0);
    s.c = vmlal_lane_s16(s.c, vget_low_s16(b), pair, 0);
    s.d = vmlal_high_lane_s16(s.d, b, pair, 0);
    s.a = vmlal_lane_s16(s.a, vget_low_s16(c), pair, 1);
    s.b = vmlal_high_lane_s16(s.b, c, pair, 1);
    s.c = vmlal_lane_s16(s.c, vget_low_s16(d), pair, 1);
    s.d = vmlal_high_lane_s16(s.d, d, pair, 1);
    return s;
}

INL float32x4_t four_halves(const uint8_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
INL vf vf_load_f16(const uint8_t *p) {
    return (vf){four_halves(p), four_halves(p + 8), four_halves(p + 16), four_halves(p + 24)};
}

INL vf vf_load_u8(const uint8_t *p) {
    uint8x16_t x = vld1q_u8(p);
    uint16x8_t low = vmovl_u8(vget_low_u8(x)), high = vmovl_u8(vget_high_u8(x));
    return (vf){vcvtq_f32_u32(vmovl_u16(vget_low_u16(low))),
                vcvtq_f32_u32(vmovl_u16(vget_high_u16(low))),
                vcvtq_f32_u32(vmovl_u16(vget_low_u16(high))),
                vcvtq_f32_u32(vmovl_u16(vget_high_u16(high)))};
}

INL vi vi_load_s8(const uint8_t *p) {
    int8x16_t x = vld1q_s8((const int8_t *)p);
    int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_s8(vget_high_s8(x));
    return (vi){vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)),
                vmovl_s16(vget_low_s16(high)), vmovl_s16(vget_high_s16(high))};
}

INL uint32x4_t four_pairs(const uint8_t *p) { return vreinterpretq_u32_u8(vld1q_u8(p)); }
INL float32x4_t even_of(uint32x4_t x) { return vreinterpretq_f32_u32(vshlq_n_u32(x, 16)); }
INL float32x4_t odd_of(uint32x4_t x) {
    return vreinterpretq_f32_u32(vandq_u32(x, vdupq_n_u32(0xffff0000)));
}
// The even and odd members of 16 pairs of BF16.
INL vf vf_bf16_even(const uint8_t *p) {
    return (vf){even_of(four_pairs(p)), even_of(four_pairs(p + 16)), even_of(four_pairs(p + 32)),
                even_of(four_pairs(p + 48))};
}
INL vf vf_bf16_odd(const uint8_t *p) {
    return (vf){odd_of(four_pairs(p)), odd_of(four_pairs(p + 16)), odd_of(four_pairs(p + 32)),
                odd_of(four_pairs(p + 48))};
}

INL void vprefetch(const void *p) { __builtin_prefetch(p); }
// Into the second cache.
INL void vprefetch_far(const void *p) { __builtin_prefetch(p, 0, 2); }

#endif
