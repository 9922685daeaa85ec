// Sixteen lanes on AVX2, FMA and F16C: two 256-bit registers each.
#ifndef BASALT_CPU_VEC_AVX2_H
#define BASALT_CPU_VEC_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "kern.h"

typedef struct {
    __m256 a, b;
} vf; // 16 floats
typedef struct {
    __m256i a, b;
} vi; // 16 signed 32-bit integers

INL vf vf_set(float x) { return (vf){_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
INL vf vf_zero(void) { return (vf){_mm256_setzero_ps(), _mm256_setzero_ps()}; }
INL vf vf_load(const float *p) { return (vf){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
INL void vf_store(float *p, vf x) {
    _mm256_storeu_ps(p, x.a);
    _mm256_storeu_ps(p + 8, x.b);
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

INL vf vf_add(vf x, vf y) { return (vf){_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
INL vf vf_sub(vf x, vf y) { return (vf){_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
INL vf vf_mul(vf x, vf y) { return (vf){_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
INL vf vf_div(vf x, vf y) { return (vf){_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
// x * y + z, rounded once.
INL vf vf_fma(vf x, vf y, vf z) {
    return (vf){_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
// z - x * y, rounded once.
INL vf vf_fnma(vf x, vf y, vf z) {
    return (vf){_mm256_fnmadd_ps(x.a, y.a, z.a), _mm256_fnmadd_ps(x.b, y.b, z.b)};
}
// z + x * y, rounded once. The sum stays in its registers, which are few: a compiler that may
// choose moves it between them, or to the stack.
INL vf vf_more(vf z, vf x, float y) {
    __m256 s = _mm256_set1_ps(y);
    __asm__("vfmadd231ps %1, %2, %0" : "+x"(z.a) : "x"(x.a), "x"(s));
    __asm__("vfmadd231ps %1, %2, %0" : "+x"(z.b) : "x"(x.b), "x"(s));
    return z;
}
// The greater lane; y where either is no number.
INL vf vf_max(vf x, vf y) { return (vf){_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
INL vf vf_min(vf x, vf y) { return (vf){_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }

// x where t >= limit, else 0; x where t is no number.
INL vf vf_zero_below(vf x, vf t, float limit) {
    __m256 l = _mm256_set1_ps(limit);
    return (vf){_mm256_andnot_ps(_mm256_cmp_ps(t.a, l, _CMP_LT_OQ), x.a),
                _mm256_andnot_ps(_mm256_cmp_ps(t.b, l, _CMP_LT_OQ), x.b)};
}

INL vi vf_round(vf x) { return (vi){_mm256_cvtps_epi32(x.a), _mm256_cvtps_epi32(x.b)}; }
INL vf vf_from(vi x) { return (vf){_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
INL vi vf_bits(vf x) { return (vi){_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
INL vf vi_float(vi x) { return (vf){_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }

INL vi vi_set(int32_t x) { return (vi){_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
INL vi vi_add(vi x, vi y) { return (vi){_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
INL vi vi_sub(vi x, vi y) { return (vi){_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
INL vi vi_and(vi x, vi y) { return (vi){_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
INL vi vi_max(vi x, vi y) { return (vi){_mm256_max_epi32(x.a, y.a), _mm256_max_epi32(x.b, y.b)}; }
INL vi vi_shl(vi x, int n) {
    return (vi){_mm256_slli_epi32(x.a, n), _mm256_slli_epi32(x.b, n)};
}

// Lanes from lo to hi-1 of x, the others fill.
INL vf vf_keep(vf x, int lo, int hi, float fill) {
    const __m256i ia = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i ib = _mm256_add_epi32(ia, _mm256_set1_epi32(8));
    const __m256i l = _mm256_set1_epi32(lo - 1), h = _mm256_set1_epi32(hi);
    __m256i ma = _mm256_and_si256(_mm256_cmpgt_epi32(ia, l), _mm256_cmpgt_epi32(h, ia));
    __m256i mb = _mm256_and_si256(_mm256_cmpgt_epi32(ib, l), _mm256_cmpgt_epi32(h, ib));
    __m256 f = _mm256_set1_ps(fill);
    return (vf){_mm256_blendv_ps(f, x.a, _mm256_castsi256_ps(ma)),
                _mm256_blendv_ps(f, x.b, _mm256_castsi256_ps(mb))};
}

// Reductions halve the lanes: 16, 8, 4, 2, 1.
INL float vf_sum(vf x) {
    __m256 s = _mm256_add_ps(x.a, x.b);
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

INL float vf_max_lane(vf x) {
    __m256 s = _mm256_max_ps(x.a, x.b);
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}

INL int32_t vi_sum(vi x) {
    __m256i s = _mm256_add_epi32(x.a, x.b);
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}

INL int32_t vi_max_lane(vi x) {
    __m256i s = _mm256_max_epi32(x.a, x.b);
    __m128i t = _mm_max_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}

// Sixteen small integers to bytes, saturating.
INL void vi_store_s8(int8_t *p, vi x) {
    __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
    __m128i v = _mm_packs_epi16(_mm256_castsi256_si128(w), _mm256_extracti128_si256(w, 1));
    _mm_storeu_si128((__m128i *)p, v);
}

// Sixteen integers to 16 bits, saturating.
INL void vi_store_s16(int16_t *p, vi x) {
    __m256i w = _mm256_permute4x64_epi64(_mm256_packs_epi32(x.a, x.b), 0xd8);
    _mm256_storeu_si256((__m256i *)p, w);
}

// Sixteen pairs of signed bytes, widened to 16 bits each.
INL vi vi_load_pairs(const uint8_t *p) {
    return (vi){_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)),
                _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

INL __m256i add_dot(__m256i s, __m256i x, __m256i y) {
    s = _mm256_add_epi32(s, _mm256_madd_epi16(x, y));
    __asm__("" : "+x"(s));
    return s;
}

// s + the products of each pair with one pair y, both exact.
INL vi vi_dot_pairs(vi s, vi x, int32_t y) {
    __m256i v = _mm256_set1_epi32(y);
    return (vi){add_dot(s.a, x.a, v), add_dot(s.b, x.b, v)};
}

INL vf vf_load_f16(const uint8_t *p) {
    return (vf){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 16)))};
}

INL vf vf_load_u8(const uint8_t *p) {
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    return vf_from((vi){_mm256_cvtepu8_epi32(x), _mm256_cvtepu8_epi32(_mm_srli_si128(x, 8))});
}

// The even and odd members of 16 pairs of BF16.
INL vf vf_bf16_even(const uint8_t *p) {
    return vi_float((vi){_mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)p), 16),
                         _mm256_slli_epi32(_mm256_loadu_si256((const __m256i *)(p + 32)), 16)});
}

INL vf vf_bf16_odd(const uint8_t *p) {
    const __m256i m = _mm256_set1_epi32((int)0xffff0000);
    return vi_float((vi){_mm256_and_si256(_mm256_loadu_si256((const __m256i *)p), m),
                         _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(p + 32)), m)});
}

INL void vprefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }
// Into the second cache.
INL void vprefetch_far(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }

#endif
