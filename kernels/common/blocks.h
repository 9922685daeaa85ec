// Values of the checkpoint's formats, one at a time: for embedding rows and for packing at load.
#ifndef BASALT_BLOCKS_H
#define BASALT_BLOCKS_H

#include "basalt.h"

enum { FORMAT_F32, FORMAT_F16, FORMAT_BF16, FORMAT_Q8_0, FORMAT_Q4_0, FORMAT_Q4_K, FORMAT_Q5_K,
       FORMAT_Q6_K, FORMAT_MXFP4, FORMAT_E4M3, FORMAT_E8M0, FORMAT_E2M1 };

DEVICE u16 u16_at(const u8 *p) { return (u16)(p[0] | p[1] << 8); }

// A value is scale * q - minimum.
typedef struct {
    float scale, minimum;
    int q;
} quantum;

DEVICE quantum q8_0_at(const u8 *row, int i) {
    const u8 *b = row + (u64)(i / 32) * 34;
    quantum v = {from_f16(u16_at(b)), 0, (i8)b[2 + i % 32]};
    return v;
}

DEVICE quantum q4_0_at(const u8 *row, int i) {
    const u8 *b = row + (u64)(i / 32) * 18;
    int at = i % 32;
    float d = from_f16(u16_at(b));
    quantum v = {d, 8 * d, at < 16 ? b[2 + at] & 15 : b[2 + at - 16] >> 4};
    return v;
}

// The j-th six-bit scale and minimum of the twelve bytes at s.
DEVICE void k4_scale(const u8 *s, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
        *minimum = s[j + 4] >> 4 | (s[j] >> 6) << 4;
    }
}

// Q4_K (high NULL) and Q5_K.
DEVICE quantum k45_at(const u8 *b, int at, int fifth) {
    int scale, minimum, sub = at / 32;
    k4_scale(b + 4, sub, &scale, &minimum);
    const u8 *nibbles = b + (fifth ? 48 : 16);
    int q = nibbles[sub / 2 * 32 + at % 32];
    q = sub % 2 ? q >> 4 : q & 15;
    if (fifth) q |= (b[16 + at % 32] >> sub & 1) << 4;
    quantum v = {times(from_f16(u16_at(b)), (float)scale),
                 times(from_f16(u16_at(b + 2)), (float)minimum), q};
    return v;
}

DEVICE quantum q6_k_at(const u8 *b, int at) {
    int half = at / 128, in = at % 128, k = in / 32, i = in % 32;
    int low = b[64 * half + i + 32 * (k & 1)] >> (4 * (k >> 1)) & 15;
    int high = b[128 + 32 * half + i] >> (2 * k) & 3;
    int scale = (i8)b[192 + 8 * half + 2 * k + i / 16];
    quantum v = {times(from_f16(u16_at(b + 208)), (float)scale), 0, (low | high << 4) - 32};
    return v;
}

DEVICE quantum quantum_at(int format, const u8 *row, int i) {
    switch (format) {
    case FORMAT_Q8_0: return q8_0_at(row, i);
    case FORMAT_Q4_0: return q4_0_at(row, i);
    case FORMAT_Q4_K: return k45_at(row + (u64)(i / 256) * 144, i % 256, 0);
    case FORMAT_Q5_K: return k45_at(row + (u64)(i / 256) * 176, i % 256, 1);
    }
    return q6_k_at(row + (u64)(i / 256) * 210, i % 256);
}

DEVICE float value_at(int format, const u8 *row, int i) {
    if (format == FORMAT_F32) return ((const float *)row)[i];
    if (format == FORMAT_F16) return from_f16(((const u16 *)row)[i]);
    if (format == FORMAT_BF16) return from_bf16(((const u16 *)row)[i]);
    quantum v = quantum_at(format, row, i);
    return plus(times(v.scale, (float)v.q), -v.minimum);
}

#endif
