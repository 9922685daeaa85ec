// AVX-512 intrinsics for tests on processors without AVX-512: those of SIMDe (Debian:
// libsimde-dev), and the few that it lacks, by the definitions of the Intel intrinsics guide.
#ifndef BASALT_CPU_EMULATE_AVX512_H
#define BASALT_CPU_EMULATE_AVX512_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#pragma GCC diagnostic ignored "-Wpsabi"
#include <immintrin.h>
#include <simde/x86/avx512.h>
#include <string.h>

typedef union {
    simde__m512 f;
    simde__m512i i;
    __m256 f256[2];
    __m256i i256[2];
    __m128i i128[4];
    float f32[16];
    int32_t i32[16];
} emulated;

static inline simde__m512i emulated_cvtps_epi32(simde__m512 x) {
    emulated y = {.f = x};
    for (int i = 0; i < 2; i++) y.i256[i] = _mm256_cvtps_epi32(y.f256[i]);
    return y.i;
}

static inline simde__m512 emulated_cvtepi32_ps(simde__m512i x) {
    emulated y = {.i = x};
    for (int i = 0; i < 2; i++) y.f256[i] = _mm256_cvtepi32_ps(y.i256[i]);
    return y.f;
}

static inline simde__m512 emulated_cvtph_ps(__m256i x) {
    emulated y;
    y.f256[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(x));
    y.f256[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(x, 1));
    return y.f;
}

static inline simde__m512i emulated_cvtepu8_epi32(__m128i x) {
    emulated y;
    uint8_t b[16];
    memcpy(b, &x, sizeof b);
    for (int i = 0; i < 16; i++) y.i32[i] = b[i];
    return y.i;
}

static inline simde__m512i emulated_cvtepi8_epi32(__m128i x) {
    emulated y;
    int8_t b[16];
    memcpy(b, &x, sizeof b);
    for (int i = 0; i < 16; i++) y.i32[i] = b[i];
    return y.i;
}

static inline simde__m512 emulated_maskz_loadu_ps(uint16_t mask, const float *p) {
    emulated y;
    for (int i = 0; i < 16; i++) y.f32[i] = mask >> i & 1 ? p[i] : 0;
    return y.f;
}

static inline void emulated_mask_storeu_ps(float *p, uint16_t mask, simde__m512 x) {
    emulated y = {.f = x};
    for (int i = 0; i < 16; i++) {
        if (mask >> i & 1) p[i] = y.f32[i];
    }
}

#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtph_ps
#undef _mm512_cvtepu8_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_madd_epi16 // SIMDe's has the arguments of its masked form
#undef _mm512_maskz_loadu_ps
#undef _mm512_mask_storeu_ps
#define _mm512_cvtps_epi32(x) emulated_cvtps_epi32(x)
#define _mm512_cvtepi32_ps(x) emulated_cvtepi32_ps(x)
#define _mm512_cvtph_ps(x) emulated_cvtph_ps(x)
#define _mm512_cvtepu8_epi32(x) emulated_cvtepu8_epi32(x)
#define _mm512_cvtepi8_epi32(x) emulated_cvtepi8_epi32(x)
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#define _mm512_maskz_loadu_ps(m, p) emulated_maskz_loadu_ps(m, p)
#define _mm512_mask_storeu_ps(p, m, x) emulated_mask_storeu_ps(p, m, x)

#endif
