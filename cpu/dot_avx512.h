// Products of one block on AVX-512 VNNI. vpdpbusd adds four products of unsigned codes and signed
// activations to each 32-bit lane, exactly. One register holds one group: 16 columns x 4 k.
#ifndef BASALT_CPU_DOT_AVX512_H
#define BASALT_CPU_DOT_AVX512_H

#include "vec_avx512.h"

#include "dot_centre.h"

#define Q8_ORDER Q8_OFFSET

INL vi line(const uint8_t *p) { return _mm512_loadu_si512((const void *)p); }

INL vi low_nibbles(vi x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
INL vi high_nibbles(vi x) { return low_nibbles(_mm512_srli_epi16(x, 4)); }
INL vi nibbles(const uint8_t *codes, int g) {
    vi x = line(codes + 64 * (g & 3));
    return g < 4 ? low_nibbles(x) : high_nibbles(x);
}

// sum[r] += codes of group g * activations.
INL void add_group(int m, vi codes, const act_block *const *x, int g, vi *sum) {
    EACH_ROW(r, m) {
        int32_t q;
        memcpy(&q, x[r]->q + 4 * g, sizeof q);
        sum[r] = _mm512_dpbusd_epi32(sum[r], codes, _mm512_set1_epi32(q));
    }
}

INL void dot4(int m, const uint8_t *codes, const act_block *const *x, int centre, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_sum(x[r], centre);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vi c = line(codes + 64 * j);
        add_group(m, low_nibbles(c), x, j, sum);
        add_group(m, high_nibbles(c), x, j + 4, sum);
    }
}

INL void dot5(int m, int open, const uint8_t *codes, const act_block *const *x, vi *sum) {
    (void)open;
    EACH_ROW(r, m) sum[r] = vi_set(0);
    const vi sixteens = _mm512_set1_epi8(16);
    vi plane = line(codes + 256);
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) {
        vi fifth = g < 4 ? _mm512_slli_epi16(plane, 4 - g) : _mm512_srli_epi16(plane, g - 4);
        fifth = _mm512_and_si512(fifth, sixteens);
        add_group(m, _mm512_or_si512(nibbles(codes, g), fifth), x, g, sum);
    }
}

INL vi upper_bits(vi plane, int g) {
    const vi bits = _mm512_set1_epi8(48);
    switch (g & 3) {
    case 0:
        return _mm512_and_si512(_mm512_slli_epi16(plane, 4), bits);
    case 1:
        return _mm512_and_si512(_mm512_slli_epi16(plane, 2), bits);
    case 2:
        return _mm512_and_si512(plane, bits);
    }
    return _mm512_and_si512(_mm512_srli_epi16(plane, 2), bits);
}

// The sum of k 16*half to 16*half+15 alone.
INL void half6(int m, const uint8_t *codes, const act_block *const *x, int half, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_half(x[r], half);
    vi plane = line(codes + 256 + 64 * half);
#pragma GCC unroll 4
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        add_group(m, _mm512_or_si512(nibbles(codes, g), upper_bits(plane, g)), x, g, sum);
    }
}

#include "dot_q6.h"

INL void dot8(int m, const uint8_t *codes, const act_block *const *x, vi *sum) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; g++) add_group(m, line(codes + 64 * g), x, g, sum);
}

#if defined(ROUND_BF16)
// vdpbf16ps adds the products of a pair of BF16 to each float lane. It takes rows of BF16; an odd
// last k is paired with zero on both sides.
#define BF16_PRODUCTS

// acc += one line times numbers k and k+1 of each row.
INL void add_bf16_pair(int m, const uint8_t *w, const void *const *rows, int64_t k, vf *acc) {
    __m512bh c = (__m512bh)line(w);
    EACH_ROW(r, m) {
        int32_t pair;
        memcpy(&pair, (const char *)rows[r] + 2 * k, sizeof pair);
        acc[r] = _mm512_dpbf16_ps(acc[r], c, (__m512bh)_mm512_set1_epi32(pair));
    }
}

static double peak_bf16(int64_t rounds) {
    vf s[8];
    __m512bh x = (__m512bh)_mm512_set1_epi32(0x3f003f00);
    for (int i = 0; i < 8; i++) s[i] = vf_set((float)i);
    for (int64_t n = 0; n < rounds; n++) {
        EACH_ROW(i, 8) s[i] = _mm512_dpbf16_ps(s[i], x, x);
    }
    for (int i = 1; i < 8; i++) s[0] = vf_add(s[0], s[i]);
    volatile float keep = vf_sum(s[0]);
    (void)keep;
    return 4.0 * TILE * 8 * (double)rounds;
}
#endif

#endif
