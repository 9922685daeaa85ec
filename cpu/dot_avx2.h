// Integer dot products of one block (32 k, 16 columns) on AVX2: sum[r] = sum over k of
// (code - centre) * q.
//
// vpmaddubsw multiplies unsigned codes by signed activations and adds pairs in 16 bits. Pairs are
// added up in 16 bits, modulo 2^16, from minus the centre times the activations on: a sum of codes
// in [-8, 7] is at most 8 * 127 * 16 = 16256, of codes in [-32, 31] over half a block 32512, so
// that it is exact in the end, and one vpmaddwd widens it: 2 instructions for 32 products. Sums
// without a centre are exact over 16 k for codes below 16 (30480), over 8 k for codes below 32
// (31496). Bytes are split into their two nibbles.
#ifndef BASALT_CPU_DOT_AVX2_H
#define BASALT_CPU_DOT_AVX2_H

#include "vec_avx2.h"

#define Q8_ORDER Q8_PAIRS

INL __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

// Four activations in every lane.
INL __m256i spread(const act_block *x, int group) {
    int32_t v;
    memcpy(&v, x->q + 4 * group, sizeof v);
    return _mm256_set1_epi32(v);
}

INL __m256i low_nibbles(__m256i x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
INL __m256i high_nibbles(__m256i x) { return low_nibbles(_mm256_srli_epi16(x, 4)); }

// s += codes * activations of one group, in 16 bits. The empty assembly keeps the compiler from
// regrouping the additions of a block, which would need more registers than there are.
INL __m256i add_pair(__m256i s, __m256i codes, __m256i x) {
    s = _mm256_add_epi16(s, _mm256_maddubs_epi16(codes, x));
    __asm__("" : "+x"(s));
    return s;
}

INL vi add_pairs(vi s, vi codes, __m256i x) {
    return (vi){add_pair(s.a, codes.a, x), add_pair(s.b, codes.b, x)};
}

INL vi widen_scaled(vi s, vi scale) {
    return (vi){_mm256_madd_epi16(s.a, scale.a), _mm256_madd_epi16(s.b, scale.b)};
}

INL vi widen_pairs(vi s) {
    const __m256i ones = _mm256_set1_epi16(1);
    return widen_scaled(s, (vi){ones, ones});
}

// Sums that start from what a centre takes away.
INL vi start_pairs(const int16_t minus[2]) {
    int32_t v;
    memcpy(&v, minus, sizeof v);
    return vi_set(v);
}

// Unpacked codes of one group.
INL vi open_codes(const uint8_t *codes, int g) {
    return (vi){load32(codes + 64 * g), load32(codes + 64 * g + 32)};
}

INL void dot4(int m, const uint8_t *codes, const act_block *const *x, int centre, vi *sum) {
    vi part[MAX_ROWS];
    EACH_ROW(r, m) part[r] = centre ? start_pairs(x[r]->minus8) : vi_set(0);
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vi c = {load32(codes + 64 * j), load32(codes + 64 * j + 32)};
        vi low = {low_nibbles(c.a), low_nibbles(c.b)};
        EACH_ROW(r, m) part[r] = add_pairs(part[r], low, spread(x[r], j));
        vi high = {high_nibbles(c.a), high_nibbles(c.b)};
        EACH_ROW(r, m) part[r] = add_pairs(part[r], high, spread(x[r], j + 4));
    }
    EACH_ROW(r, m) sum[r] = widen_pairs(part[r]);
}

// The fifth bits of group g, in place.
INL __m256i fifth_bits(__m256i plane, int g) {
    const __m256i m = _mm256_set1_epi8(16);
    return _mm256_and_si256(
        g < 4 ? _mm256_slli_epi16(plane, 4 - g) : _mm256_srli_epi16(plane, g - 4), m);
}

INL __m256i code5(const uint8_t *codes, int g, int half) {
    __m256i c = load32(codes + 64 * (g & 3) + 32 * half);
    __m256i plane = load32(codes + 256 + 32 * half);
    return _mm256_or_si256(g < 4 ? low_nibbles(c) : high_nibbles(c), fifth_bits(plane, g));
}

INL void dot5(int m, int open, const uint8_t *codes, const act_block *const *x, vi *sum) {
    EACH_ROW(r, m) sum[r] = vi_set(0);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        vi part[MAX_ROWS];
        EACH_ROW(r, m) part[r] = vi_set(0);
#pragma GCC unroll 4
        for (int g = 4 * h; g < 4 * h + 4; g++) {
            vi c = open ? open_codes(codes, g) : (vi){code5(codes, g, 0), code5(codes, g, 1)};
            EACH_ROW(r, m) part[r] = add_pairs(part[r], c, spread(x[r], g));
        }
        EACH_ROW(r, m) sum[r] = vi_add(sum[r], widen_pairs(part[r]));
    }
}

INL __m256i upper_bits(__m256i plane, int g) {
    const __m256i m = _mm256_set1_epi8(48);
    switch (g & 3) {
    case 0:
        return _mm256_and_si256(_mm256_slli_epi16(plane, 4), m);
    case 1:
        return _mm256_and_si256(_mm256_slli_epi16(plane, 2), m);
    case 2:
        return _mm256_and_si256(plane, m);
    }
    return _mm256_and_si256(_mm256_srli_epi16(plane, 2), m);
}

INL __m256i code6(const uint8_t *codes, int g, int half) {
    __m256i c = load32(codes + 64 * (g & 3) + 32 * half);
    __m256i plane = load32(codes + 256 + 64 * (g >> 2) + 32 * half);
    return _mm256_or_si256(g < 4 ? low_nibbles(c) : high_nibbles(c), upper_bits(plane, g));
}

// Signed bytes, one a column, in both 16-bit lanes of the column.
INL vi pair_scales(const uint8_t *p) {
    const __m256i both = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13));
    __m128i x = _mm_loadu_si128((const __m128i *)p);
    vi y = {_mm256_cvtepi8_epi32(x), _mm256_cvtepi8_epi32(_mm_srli_si128(x, 8))};
    return (vi){_mm256_shuffle_epi8(y.a, both), _mm256_shuffle_epi8(y.b, both)};
}

// part[r] = the sums of k 16*half to 16*half+15.
INL void half6(int m, int open, const uint8_t *codes, const act_block *const *x, int half,
               vi *part) {
    EACH_ROW(r, m) part[r] = start_pairs(x[r]->minus32[half]);
#pragma GCC unroll 4
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        vi c = open ? open_codes(codes, g) : (vi){code6(codes, g, 0), code6(codes, g, 1)};
        EACH_ROW(r, m) part[r] = add_pairs(part[r], c, spread(x[r], g));
    }
}

// Each half has a scale of its own, by which it is widened.
INL void dot6(int m, int open, const uint8_t *codes, const act_block *const *x,
              const uint8_t *scales, vi *sum) {
    vi part[MAX_ROWS];
    half6(m, open, codes, x, 0, part);
    vi scale = pair_scales(scales);
    EACH_ROW(r, m) sum[r] = widen_scaled(part[r], scale);
    half6(m, open, codes, x, 1, part);
    scale = pair_scales(scales + TILE);
    EACH_ROW(r, m) sum[r] = vi_add(sum[r], widen_scaled(part[r], scale));
}

// Q8_0 would overflow pairs of 16 bits, so its codes and activations are widened to 16 bits each:
// vpmaddwd gives exact sums of pairs in 32 bits.
INL __m256i pairs16(const uint8_t *p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

INL __m256i add_wide(__m256i s, __m256i codes, __m256i x) {
    s = _mm256_add_epi32(s, _mm256_madd_epi16(codes, x));
    __asm__("" : "+x"(s));
    return s;
}

#define Q8_WIDE

INL void dot8(int m, const uint8_t *codes, const wide_block *const *x, vi *sum) {
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
        vi c = {pairs16(codes + 32 * j), pairs16(codes + 32 * j + 16)};
        EACH_ROW(r, m) {
            int32_t pair;
            memcpy(&pair, x[r]->q + 2 * j, sizeof pair);
            __m256i v = _mm256_set1_epi32(pair);
            sum[r] = (vi){add_wide(sum[r].a, c.a, v), add_wide(sum[r].b, c.b, v)};
        }
        IN_ORDER();
    }
}

// Unpacking for many rows.
INL void store32(uint8_t *y, __m256i x) { _mm256_storeu_si256((__m256i *)y, x); }

static void open5(uint8_t *y, const uint8_t *codes, int blocks) {
    for (; blocks > 0; blocks--, y += OPEN_BLOCK, codes += 320) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) store32(y + 32 * i, code5(codes, i / 2, i % 2));
    }
}

static void open6(uint8_t *y, const uint8_t *codes, int blocks) {
    for (; blocks > 0; blocks--, y += OPEN_BLOCK, codes += 384) {
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) store32(y + 32 * i, code6(codes, i / 2, i % 2));
    }
}

#define OPENS {[Q5_K] = open5, [Q6_K] = open6}

#endif
