// Rows of an embedding table, from their file's format to float.
#include <string.h>

#include "exec.h"
#include "pack.h"
#include "pack_lines.h"

static uint16_t u16_at(const uint8_t *p) {
    uint16_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static void decode_q8_0(float *y, const uint8_t *x) {
    float d = f16_widen(u16_at(x));
    for (int i = 0; i < BLOCK; i++) y[i] = d * (float)(int8_t)x[2 + i];
}

static void decode_q4_0(float *y, const uint8_t *x) {
    float d = f16_widen(u16_at(x));
    for (int i = 0; i < BLOCK / 2; i++) {
        y[i] = d * (float)((x[2 + i] & 15) - 8);
        y[i + 16] = d * (float)((x[2 + i] >> 4) - 8);
    }
}

void bs_k_scales(const uint8_t *s, int j, uint8_t *scale, uint8_t *min) {
    if (j < 4) {
        *scale = s[j] & 63;
        *min = s[j + 4] & 63;
    } else {
        *scale = (uint8_t)((s[j + 4] & 15) | s[j - 4] >> 6 << 4);
        *min = (uint8_t)(s[j + 4] >> 4 | s[j] >> 6 << 4);
    }
}

static void decode_k45(float *y, const uint8_t *x, int bits) {
    float d = f16_widen(u16_at(x)), dmin = f16_widen(u16_at(x + 2));
    for (int j = 0; j < 8; j++) {
        uint8_t codes[BLOCK], scale, min;
        bs_k_scales(x + 4, j, &scale, &min);
        bs_unpack_codes(bits == 4 ? Q4_K : Q5_K, x, j, codes);
        for (int i = 0; i < BLOCK; i++) {
            y[j * BLOCK + i] = d * scale * (float)codes[i] - dmin * min;
        }
    }
}

static void decode_q6_k(float *y, const uint8_t *x) {
    float d = f16_widen(u16_at(x + 208));
    for (int j = 0; j < 8; j++) {
        uint8_t codes[BLOCK];
        bs_unpack_codes(Q6_K, x, j, codes);
        for (int i = 0; i < BLOCK; i++) {
            float scale = d * (float)(int8_t)x[192 + 2 * j + i / 16];
            y[j * BLOCK + i] = scale * (float)(codes[i] - 32);
        }
    }
}

void bs_unpack_codes(int format, const uint8_t *x, int j, uint8_t *codes) {
    const uint8_t *low;
    switch (format) {
    case Q8_0:
        memcpy(codes, x + 2, BLOCK);
        return;
    case Q4_0:
        for (int i = 0; i < 16; i++) {
            codes[i] = x[2 + i] & 15;
            codes[16 + i] = x[2 + i] >> 4;
        }
        return;
    case Q4_K:
        low = x + 16 + j / 2 * BLOCK;
        for (int i = 0; i < BLOCK; i += 16) {
            put_words(codes + i, words_at(low + i) >> 4 * (j & 1) & 0x0f0f0f0f);
        }
        return;
    case Q5_K:
        low = x + 48 + j / 2 * BLOCK;
        for (int i = 0; i < BLOCK; i += 16) {
            words upper = (words_at(x + 16 + i) >> j & 0x01010101) << 4;
            put_words(codes + i, (words_at(low + i) >> 4 * (j & 1) & 0x0f0f0f0f) | upper);
        }
        return;
    case Q6_K: // halves of 128 values; in each, quarter q has nibble q/2 of byte i + 32 (q%2)
        low = x + 64 * (j / 4) + BLOCK * (j & 1);
        for (int i = 0; i < BLOCK; i += 16) {
            words upper = words_at(x + 128 + 32 * (j / 4) + i) >> 2 * (j & 3) & 0x03030303;
            words nibbles = words_at(low + i) >> 4 * (j / 2 & 1) & 0x0f0f0f0f;
            put_words(codes + i, nibbles | upper << 4);
        }
        return;
    }
}

int64_t bs_row_bytes(int format, int64_t n) {
    switch (format) {
    case F32:
        return 4 * n;
    case F16:
    case BF16:
        return 2 * n;
    case Q8_0:
        return n / BLOCK * 34;
    case Q4_0:
        return n / BLOCK * 18;
    case Q4_K:
        return n / SUPER * 144;
    case Q5_K:
        return n / SUPER * 176;
    }
    return n / SUPER * 210; // Q6_K
}

static void decode_block(int format, float *y, const uint8_t *x) {
    switch (format) {
    case Q8_0:
        decode_q8_0(y, x);
        break;
    case Q4_0:
        decode_q4_0(y, x);
        break;
    case Q4_K:
        decode_k45(y, x, 4);
        break;
    case Q5_K:
        decode_k45(y, x, 5);
        break;
    case Q6_K:
        decode_q6_k(y, x);
        break;
    }
}

void bs_decode_row(int format, float *y, const uint8_t *x, int n) {
    switch (format) {
    case F32:
        memcpy(y, x, (size_t)n * sizeof *y);
        return;
    case F16:
        for (int i = 0; i < n; i++) y[i] = f16_widen(u16_at(x + 2 * i));
        return;
    case BF16:
        for (int i = 0; i < n; i++) y[i] = bf16_widen(u16_at(x + 2 * i));
        return;
    }
    int size = format == Q8_0 || format == Q4_0 ? BLOCK : SUPER;
    int64_t bytes = bs_row_bytes(format, size);
    for (; n > 0; n -= size, y += size, x += bytes) decode_block(format, y, x);
}
