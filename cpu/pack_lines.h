// The codes of one block of 32 k of a tile's 16 columns, as the lines that kern.h describes.
// Vectors of 16 bytes are GCC's and Clang's own: their shuffles become the unpack instructions that
// every x86-64 has, and the zip instructions of ARM.
#ifndef BASALT_CPU_PACK_LINES_H
#define BASALT_CPU_PACK_LINES_H

#include <string.h>

#include "kern.h"

typedef uint32_t words __attribute__((vector_size(16)));
typedef uint16_t halves __attribute__((vector_size(16)));

#if defined(__clang__)
#define SHUFFLE(type, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(type, a, b, ...) __builtin_shuffle(a, b, (type){__VA_ARGS__})
#endif

INL words low_words(words a, words b) { return SHUFFLE(words, a, b, 0, 4, 1, 5); }
INL words high_words(words a, words b) { return SHUFFLE(words, a, b, 2, 6, 3, 7); }
INL halves low_halves(halves a, halves b) {
    return SHUFFLE(halves, a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}
INL halves high_halves(halves a, halves b) {
    return SHUFFLE(halves, a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

INL words words_at(const uint8_t *p) {
    words x;
    memcpy(&x, p, sizeof x);
    return x;
}

INL void put_words(uint8_t *p, words x) { memcpy(p, &x, sizeof x); }

// y[j] holds word j of each of four columns, whose 16 bytes lie at x[0] + at to x[3] + at.
INL void turn_words(words y[4], const uint8_t *const *x, int at) {
    words a = words_at(x[0] + at), b = words_at(x[1] + at);
    words c = words_at(x[2] + at), d = words_at(x[3] + at);
    words ac = low_words(a, c), bd = low_words(b, d);
    y[0] = low_words(ac, bd);
    y[1] = high_words(ac, bd);
    ac = high_words(a, c);
    bd = high_words(b, d);
    y[2] = low_words(ac, bd);
    y[3] = high_words(ac, bd);
}

// Writes pairs of bytes of eight columns, 16 bytes of each: pair i of column c to y + 32 i + 2 c.
INL void turn_pairs(uint8_t *y, const uint8_t *const *x, int at) {
    halves a[8], b[8];
    for (int c = 0; c < 8; c++) memcpy(&a[c], x[c] + at, sizeof a[c]);
    // Three rounds of interleaving column c with column c + 4 transpose the square.
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++) {
            b[2 * i] = low_halves(a[i], a[i + 4]);
            b[2 * i + 1] = high_halves(a[i], a[i + 4]);
        }
        memcpy(a, b, sizeof a);
    }
    for (int i = 0; i < 8; i++) memcpy(y + 32 * i, &a[i], sizeof a[i]);
}

// Q8_0 in BF16's order: [k/2][16][2].
INL void put_pairs(uint8_t *y, const uint8_t *const *codes) {
    for (int half = 0; half < 2; half++) {
        turn_pairs(y + 256 * half, codes, 16 * half);
        turn_pairs(y + 256 * half + 16, codes + 8, 16 * half);
    }
}

// Lines of four codes a column, from 16 bytes of each on.
INL void put_lines(uint8_t *y, const uint8_t *const *codes, int at, uint32_t flip) {
    for (int c = 0; c < TILE; c += 4) {
        words line[4];
        turn_words(line, codes + c, at);
        for (int j = 0; j < 4; j++) put_words(y + 64 * j + 4 * c, line[j] ^ flip);
    }
}

INL uint8_t *put_q8_0(uint8_t *y, const uint8_t *const *codes, int layout) {
    if (layout == Q8_PAIRS) {
        put_pairs(y, codes);
    } else {
        uint32_t flip = layout == Q8_SIGNED ? 0 : 0x80808080;
        put_lines(y, codes, 0, flip);
        put_lines(y + 256, codes, 16, flip);
    }
    return y + 512;
}

// The file's order of nibbles in a block of Q4_0 is that of a tile.
INL uint8_t *put_q4_0(uint8_t *y, const uint8_t *const *codes) {
    put_lines(y, codes, 0, 0);
    return y + 256;
}

// Bits 4 and 5 of four groups, two bits for each.
INL words upper_bits(const words group[4]) {
    words plane = group[0] >> 4 & 0x03030303;
    for (int g = 1; g < 4; g++) plane |= (group[g] >> 4 & 0x03030303) << 2 * g;
    return plane;
}

// Bit 4 of four groups.
INL words fifth_bits(const words group[4]) {
    words plane = group[0] >> 4 & 0x01010101;
    for (int g = 1; g < 4; g++) plane |= (group[g] >> 4 & 0x01010101) << g;
    return plane;
}

// Writes codes of up to six bits, a byte each; gives the end of what it wrote.
INL uint8_t *put_codes(uint8_t *y, int format, uint8_t codes[TILE][BLOCK]) {
    for (int c = 0; c < TILE; c += 4) {
        const uint8_t *x[4] = {codes[c], codes[c + 1], codes[c + 2], codes[c + 3]};
        words low[4], high[4];
        turn_words(low, x, 0);
        turn_words(high, x, 16);
        for (int j = 0; j < 4; j++) {
            words both = (low[j] & 0x0f0f0f0f) | (high[j] & 0x0f0f0f0f) << 4;
            put_words(y + 64 * j + 4 * c, both);
        }
        if (format == Q5_K) put_words(y + 256 + 4 * c, fifth_bits(low) | fifth_bits(high) << 4);
        if (format == Q6_K) {
            put_words(y + 256 + 4 * c, upper_bits(low));
            put_words(y + 320 + 4 * c, upper_bits(high));
        }
    }
    return y + (format == Q5_K ? 320 : format == Q6_K ? 384 : 256);
}

#endif
