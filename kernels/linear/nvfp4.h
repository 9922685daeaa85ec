// NVFP4: E2M1 numbers, 16 along K with a scale in UE4M3, and a float32 scale of a row of x or of a
// weight. Both operands lie in the fragment order of PTX's m16n8k64 for four bits: lane
// 4 g + t holds eight numbers from 8 t on (the first in the low bits) of row g, and the same 32
// further along K; the sixteen-row operand has rows g and g + 8 of each.
//
// Weights [N/16][K/64][lane][4 words], scales [N/16][K/64][16 rows][4]; rows of x [M/8][K/64][lane]
// [2 words], scales [M/8][K/64][8 rows][4], and a float32 for each row.
#ifndef BASALT_NVFP4_H
#define BASALT_NVFP4_H

#include "../common/async.h"

DEVICE float from_e2m1(u32 x) {
    float v = (x & 6) ? (float)(2 + (x & 1)) * 0.5f : (float)(x & 1) * 0.5f;
    if (x & 4) v *= x & 2 ? 4.0f : 2.0f;
    return x & 8 ? -v : v;
}

// The nearest of 0, 1/2, 1, 3/2, 2, 3, 4, 6; ties to the even code.
DEVICE u32 to_e2m1(float x) {
    float a = fabsf(x);
    u32 code = (u32)(a > 0.25f) + (u32)(a >= 0.75f) + (u32)(a > 1.25f) + (u32)(a >= 1.75f) +
               (u32)(a > 2.5f) + (u32)(a >= 3.5f) + (u32)(a > 5.0f);
    return code | (x < 0 ? 8u : 0u);
}

DEVICE float from_ue4m3(u32 x) {
    int exponent = (int)(x >> 3 & 15), fraction = (int)(x & 7);
    if (exponent == 0) return (float)fraction * (1.0f / 512);
    return (float)(8 + fraction) * bits_float((127 + exponent - 10) << 23);
}

// The nearest at or above x, so that no number of a block is out of reach; x is at most 448.
DEVICE u32 to_ue4m3(float x) {
    u32 code = 0;
    for (u32 bit = 64; bit > 0; bit >>= 1) {
        if (from_ue4m3((code | bit) - 1) < x) code |= bit;
    }
    return code > 126 ? 126 : code;
}

// Grid: outputs / 32, rows of x / 64; the eight runs of K are those of linear.h.
#define NVFP4(name, mma)                                                                          \
    KERNEL(256)                                                                                   \
    name(float *y, const u32 *x, const u32 *x_scales, const float *row_scales, const u32 *w,      \
         const u32 *w_scales, const float *w_scale, int m, int n, int k, int stride) {            \
        SHARED(float, total, 32 * 64);                                                            \
        int groups = (k + 63) / 64, run = (groups + 7) / 8, warp = (int)threadIdx.x / 32;         \
        int lane = (int)threadIdx.x % 32, end = min_int(groups, (warp + 1) * run);                \
        float acc[2][8][4] = {{{0}}};                                                             \
        for (int g = warp * run; g < end; g++) {                                                  \
            u32 a[2][4], sa[2];                                                                   \
            UNROLL for (int r = 0; r < 2; r++) {                                                  \
                int tile = min_int((int)blockIdx.x * 2 + r, (n + 15) / 16 - 1);                   \
                u64 at = (u64)tile * groups + g;                                                  \
                UNROLL for (int i = 0; i < 4; i++) a[r][i] = w[(at * 32 + lane) * 4 + i];         \
                sa[r] = w_scales[at * 16 + lane / 4 + lane % 2 * 8];                              \
            }                                                                                     \
            UNROLL for (int c = 0; c < 8; c++) {                                                  \
                int tile = min_int((int)blockIdx.y * 8 + c, (m + 7) / 8 - 1);                     \
                u64 at = (u64)tile * groups + g;                                                  \
                u32 b[2] = {x[(at * 32 + lane) * 2], x[(at * 32 + lane) * 2 + 1]};                \
                u32 sb = x_scales[at * 8 + lane / 4];                                             \
                UNROLL for (int r = 0; r < 2; r++) mma(acc[r][c], a[r], b, sa[r], sb);            \
            }                                                                                     \
        }                                                                                         \
        for (int turn = 0; turn < 8; turn++) {                                                    \
            if (turn == warp) {                                                                   \
                UNROLL for (int r = 0; r < 2; r++)                                                \
                    UNROLL for (int c = 0; c < 8; c++)                                            \
                        add_tile(total, acc[r][c], 32, 16 * r, 8 * c, turn == 0);                 \
            }                                                                                     \
            __syncthreads();                                                                      \
        }                                                                                         \
        for (int e = (int)threadIdx.x; e < 32 * 64; e += 256) {                                   \
            int out = (int)blockIdx.x * 32 + e % 32, row = (int)blockIdx.y * 64 + e / 32;         \
            if (out >= n || row >= m) continue;                                                   \
            y[(u64)row * stride + out] = times(total[e], times(row_scales[row], *w_scale));       \
        }                                                                                         \
    }

#endif
