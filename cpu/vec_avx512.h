// Sixteen lanes on AVX-512: one register each.
#ifndef BASALT_CPU_VEC_AVX512_H
#define BASALT_CPU_VEC_AVX512_H

#ifdef BASALT_EMULATE
#include "emulate_avx512.h"
#else
#include <immintrin.h>
#endif
#include <string.h>

#include "kern.h"

typedef __m512 vf;  // 16 floats
typedef __m512i vi; // 16 signed 32-bit integers

INL vf vf_set(float x) { return _mm512_set1_ps(x); }
INL vf vf_zero(void) { return _mm512_setzero_ps(); }
INL vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
INL void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }

INL __mmask16 first_lanes(int n) {
    return n >= TILE ? (__mmask16)0xffff : (__mmask16)((1u << (n < 0 ? 0 : n)) - 1);
}

// The first n lanes of p, the others zero; nothing is read beyond.
INL vf vf_load_n(const float *p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
INL void vf_store_n(float *p, vf x, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), x); }

INL vf vf_add(vf x, vf y) { return _mm512_add_ps(x, y); }
INL vf vf_sub(vf x, vf y) { return _mm512_sub_ps(x, y); }
INL vf vf_mul(vf x, vf y) { return _mm512_mul_ps(x, y); }
INL vf vf_div(vf x, vf y) { return _mm512_div_ps(x, y); }
// x * y + z, rounded once.
INL vf vf_fma(vf x, vf y, vf z) { return _mm512_fmadd_ps(x, y, z); }
// z - x * y, rounded once.
INL vf vf_fnma(vf x, vf y, vf z) { return _mm512_fnmadd_ps(x, y, z); }
// z + x * y, rounded once.
INL vf vf_more(vf z, vf x, float y) { return vf_fma(x, vf_set(y), z); }
// The greater lane; y where either is no number.
INL vf vf_max(vf x, vf y) { return _mm512_max_ps(x, y); }
INL vf vf_min(vf x, vf y) { return _mm512_min_ps(x, y); }

// x where t >= limit, else 0; x where t is no number.
INL vf vf_zero_below(vf x, vf t, float limit) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(t, _mm512_set1_ps(limit), _CMP_NLT_UQ), x);
}

INL vi vf_round(vf x) { return _mm512_cvtps_epi32(x); }
INL vf vf_from(vi x) { return _mm512_cvtepi32_ps(x); }
INL vi vf_bits(vf x) { return _mm512_castps_si512(x); }
INL vf vi_float(vi x) { return _mm512_castsi512_ps(x); }

INL vi vi_set(int32_t x) { return _mm512_set1_epi32(x); }
INL vi vi_add(vi x, vi y) { return _mm512_add_epi32(x, y); }
INL vi vi_sub(vi x, vi y) { return _mm512_sub_epi32(x, y); }
INL vi vi_mul(vi x, vi y) { return _mm512_mullo_epi32(x, y); }
INL vi vi_and(vi x, vi y) { return _mm512_and_si512(x, y); }
INL vi vi_max(vi x, vi y) { return _mm512_max_epi32(x, y); }
INL vi vi_shl(vi x, int n) { return _mm512_slli_epi32(x, (unsigned)n); }

// Lanes from lo to hi-1 of x, the others fill.
INL vf vf_keep(vf x, int lo, int hi, float fill) {
    __mmask16 keep = first_lanes(hi) & (__mmask16)~first_lanes(lo);
    return _mm512_mask_mov_ps(_mm512_set1_ps(fill), keep, x);
}

// Reductions halve the lanes: 16, 8, 4, 2, 1.
INL __m256 low_half(vf x) { return _mm512_castps512_ps256(x); }
INL __m256 high_half(vf x) {
    return _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x), 1));
}

INL float vf_sum(vf x) {
    __m256 s = _mm256_add_ps(low_half(x), high_half(x));
    __m128 t = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_add_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_add_ss(t, _mm_movehdup_ps(t)));
}

INL float vf_max_lane(vf x) {
    __m256 s = _mm256_max_ps(low_half(x), high_half(x));
    __m128 t = _mm_max_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    t = _mm_max_ps(t, _mm_movehl_ps(t, t));
    return _mm_cvtss_f32(_mm_max_ss(t, _mm_movehdup_ps(t)));
}

INL int32_t vi_sum(vi x) {
    __m256i s = _mm256_add_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}

INL int32_t vi_max_lane(vi x) {
    __m256i s = _mm256_max_epi32(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    __m128i t = _mm_max_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
    t = _mm_max_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}

// Sixteen small integers to bytes, saturating.
INL void vi_store_s8(int8_t *p, vi x) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(x));
}

// Sixteen integers to 16 bits, saturating.
INL void vi_store_s16(int16_t *p, vi x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtsepi32_epi16(x));
}

// Sixteen pairs of signed bytes, widened to 16 bits each.
INL vi vi_load_pairs(const uint8_t *p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)p));
}

// s + the products of each pair with one pair y, both exact.
INL vi vi_dot_pairs(vi s, vi x, int32_t y) {
    return _mm512_dpwssd_epi32(s, x, vi_set(y));
}

INL vf vf_load_f16(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INL vf vf_load_u8(const uint8_t *p) {
    return vf_from(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INL vi vi_load_s8(const uint8_t *p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}

// The even and odd members of 16 pairs of BF16.
INL vf vf_bf16_even(const uint8_t *p) {
    return vi_float(_mm512_slli_epi32(_mm512_loadu_si512((const void *)p), 16));
}

INL vf vf_bf16_odd(const uint8_t *p) {
    const vi m = vi_set((int)0xffff0000);
    return vi_float(vi_and(_mm512_loadu_si512((const void *)p), m));
}

INL void vprefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }
// Into the second cache.
INL void vprefetch_far(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T1); }

#endif
