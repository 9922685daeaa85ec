// Integer dot products of one block (32 k, 16 columns) in plain C: sum[r] += sum of code * q.
#ifndef BASALT_CPU_DOT_PORTABLE_H
#define BASALT_CPU_DOT_PORTABLE_H

#include "vec_portable.h"

#include "dot_centre.h"

#define Q8_ORDER Q8_OFFSET

// sum[r] += codes of one group (16 columns x 4 k) * activations.
INL void add_group(int m, const uint8_t *codes, const act_block *const *x, int g, vi *sum) {
    EACH_ROW(r, m) {
        const int8_t *q = x[r]->q + 4 * g;
        EACH_LANE(i) {
            const uint8_t *c = codes + 4 * i;
            int four = c[0] * q[0] + c[1] * q[1] + c[2] * q[2] + c[3] * q[3];
            sum[r].v[i] = (int32_t)((uint32_t)sum[r].v[i] + (uint32_t)four);
        }
    }
}

// The nibbles of group g, with upper bits taken from a line of planes: bits at shift of width mask.
INL void unpack(uint8_t *c, const uint8_t *codes, int g) {
    for (int i = 0; i < 64; i++) c[i] = codes[64 * (g & 3) + i] >> (g < 4 ? 0 : 4) & 15;
}

INL void unpack_upper(uint8_t *c, const uint8_t *plane, int shift, int mask) {
    for (int i = 0; i < 64; i++) c[i] |= (uint8_t)((plane[i] >> shift & mask) << 4);
}

INL void dot4(int m, const uint8_t *codes, const act_block *const *x, int centre, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_sum(x[r], centre);
    uint8_t c[64];
    for (int g = 0; g < 8; g++) {
        unpack(c, codes, g);
        add_group(m, c, x, g, sum);
    }
}

INL void dot5(int m, int open, const uint8_t *codes, const act_block *const *x, vi *sum) {
    (void)open;
    EACH_ROW(r, m) sum[r] = vi_set(0);
    uint8_t c[64];
    for (int g = 0; g < 8; g++) {
        unpack(c, codes, g);
        unpack_upper(c, codes + 256, g, 1);
        add_group(m, c, x, g, sum);
    }
}

// The sum of k 16*half to 16*half+15 alone.
INL void half6(int m, const uint8_t *codes, const act_block *const *x, int half, vi *sum) {
    EACH_ROW(r, m) sum[r] = minus_half(x[r], half);
    uint8_t c[64];
    for (int g = 4 * half; g < 4 * half + 4; g++) {
        unpack(c, codes, g);
        unpack_upper(c, codes + 256 + 64 * half, 2 * (g & 3), 3);
        add_group(m, c, x, g, sum);
    }
}

#include "dot_q6.h"

INL void dot8(int m, const uint8_t *codes, const act_block *const *x, vi *sum) {
    for (int g = 0; g < 8; g++) add_group(m, codes + 64 * g, x, g, sum);
}

#endif
