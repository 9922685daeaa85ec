// y = x W^T + b for weights in fragment order, portable (mma.sync, sm_80 and later).
//
// The weights are the 16 x 16 operand A, 16 outputs a tile; rows of x, rounded to 16 bits, are the
// columns of B. K is cut into eight runs of whole groups of 64, one a warp; a warp adds its run in
// ascending order from zero, and the block adds the eight sums in ascending order. The cut depends
// on K alone, so a row has the same bits for every number of rows and every tile size below.
//
// Fragment order: [N/16][K/16][lane][8 values], padded with zeros to whole tiles and to groups of
// 64 along K; lane = 4 g + t holds rows g and g+8, columns 2t, 2t+1, 2t+8, 2t+9 as PTX's m16n8k16
// wants them. 8-bit values lie for two steps of K together, 4-bit values for four, so that a lane
// always loads 16 bytes. Scales of blocks are pairs of halves (scale, minimum) in
// [N/16][block along K][16 rows].
#ifndef BASALT_LINEAR_H
#define BASALT_LINEAR_H

#include "../common/basalt.h"

// The rows that a block works on: of the step, or a run of pairs (row, expert) of one expert.
typedef struct {
    int expert, first, count;
} row_tile;

typedef struct {
    const float *x;
    const int *rows; // source row of each pair, or NULL
    int first, count, k;
} activations;

DEVICE row_tile find_rows(const row_tile *tiles, const step_head *h, int m, int cols) {
    row_tile t = {0, (int)blockIdx.y * cols, 0};
    if (tiles) return tiles[blockIdx.y];
    if (m < 0) m = step_rows(h, m == -2);
    t.count = m - t.first;
    return t;
}

DEVICE float2 load_two(const float *row, int at, int k) {
    float2 v = {0, 0};
    if (k % 2 == 0) {
        if (at < k) v = *(const float2 *)(row + at);
    } else {
        if (at < k) v.x = row[at];
        if (at + 1 < k) v.y = row[at + 1];
    }
    return v;
}

// Fragment B of eight rows of x from column m on, step ks of K.
DEVICE void load_rows(u32 *b, const activations *a, int m, int ks, int half) {
    int lane = (int)threadIdx.x % 32;
    b[0] = b[1] = 0;
    m += lane / 4;
    if (m >= a->count) return;
    int from = a->rows ? a->rows[a->first + m] : a->first + m;
    const float *row = a->x + (u64)from * a->k;
    for (int i = 0; i < 2; i++) {
        float2 v = load_two(row, ks * 16 + lane % 4 * 2 + 8 * i, a->k);
        b[i] = half ? pair_f16(v.x, v.y) : pair_bf16(v.x, v.y);
    }
}

// What a lane holds of one group of 64 along K.
typedef struct {
    uint4 a[4];
} fragments;

typedef struct {
    const uint4 *w;
    const u32 *scales;
    int tile, groups, shift; // shift: log2 of the values that share a scale
} matrix;

DEVICE void load_16(fragments *f, const matrix *m, int group) {
    const uint4 *at = m->w + ((u64)m->tile * m->groups + group) * 128 + threadIdx.x % 32;
    for (int i = 0; i < 4; i++) f->a[i] = at[32 * i];
}

// Two values of one row: scale * q - minimum, rounded to bfloat16.
DEVICE u32 scaled(u32 pair, int q0, int q1) {
    float s = from_f16((u16)pair), min = from_f16((u16)(pair >> 16));
    return pair_bf16(plus(times(s, (float)q0), -min), plus(times(s, (float)q1), -min));
}

DEVICE const u32 *scales_at(const matrix *m, int ks) {
    int blocks = m->groups * 64 >> m->shift;
    u64 block = (u64)m->tile * blocks + (ks * 16 >> m->shift);
    return m->scales + block * 16 + threadIdx.x % 32 / 4;
}

DEVICE u32 scaled_8(u32 pair, u32 bytes, int at) {
    return scaled(pair, (i8)(bytes >> at), (i8)(bytes >> (at + 8)));
}

DEVICE void load_8(fragments *f, const matrix *m, int group) {
    const uint4 *at = m->w + ((u64)m->tile * m->groups + group) * 64 + threadIdx.x % 32;
    uint4 q[2] = {at[0], at[32]};
    for (int i = 0; i < 4; i++) {
        const u32 *s = scales_at(m, 4 * group + i);
        u32 lo = i % 2 ? q[i / 2].z : q[i / 2].x, hi = i % 2 ? q[i / 2].w : q[i / 2].y;
        f->a[i].x = scaled_8(s[0], lo, 0);
        f->a[i].y = scaled_8(s[8], lo, 16);
        f->a[i].z = scaled_8(s[0], hi, 0);
        f->a[i].w = scaled_8(s[8], hi, 16);
    }
}

DEVICE u32 scaled_4(u32 pair, u32 word, int at) {
    return scaled(pair, (int)(word >> at & 15), (int)(word >> (at + 4) & 15));
}

DEVICE void load_4(fragments *f, const matrix *m, int group) {
    uint4 q = m->w[((u64)m->tile * m->groups + group) * 32 + threadIdx.x % 32];
    u32 word[4] = {q.x, q.y, q.z, q.w};
    for (int i = 0; i < 4; i++) {
        const u32 *s = scales_at(m, 4 * group + i);
        f->a[i].x = scaled_4(s[0], word[i], 0);
        f->a[i].y = scaled_4(s[8], word[i], 8);
        f->a[i].z = scaled_4(s[0], word[i], 16);
        f->a[i].w = scaled_4(s[8], word[i], 24);
    }
}

// Adds a warp's sums to the block's, warp after warp.
DEVICE void add_tile(float *total, const float *acc, int rows, int row, int col, int fresh) {
    int lane = (int)threadIdx.x % 32;
    for (int i = 0; i < 4; i++) {
        float *p = total + (col + lane % 4 * 2 + i % 2) * rows + row + lane / 4 + i / 2 * 8;
        *p = fresh ? acc[i] : plus(*p, acc[i]);
    }
}

// The factors of a matrix's sums, which stand before its other scales, or NULL.
DEVICE const float *take_factors(matrix *m, int n, int by_row) {
    const float *factors = (const float *)m->scales;
    if (!by_row) return 0;
    m->scales += (n + 15) / 16 * 16;
    return factors;
}

DEVICE float finished(float sum, const float *factors, const float *bias, int row) {
    if (factors) sum = times(sum, factors[row]);
    return bias ? plus(sum, bias[row]) : sum;
}

// Writes the block's sums with the bias: total has rows outputs for each of cols rows of x.
DEVICE void store_tile(float *y, const float *total, const float *factors, const float *bias,
                       const row_tile *t, int n, int stride, int rows, int cols) {
    __syncthreads();
    int first = (int)blockIdx.x * rows;
    for (int e = (int)threadIdx.x; e < rows * cols; e += 256) {
        int row = first + e % rows, col = e / rows;
        if (row >= n || col >= t->count) continue;
        y[(u64)(t->first + col) * stride + row] = finished(total[e], factors, bias, row);
    }
}

// rows16 tiles of 16 outputs times cols8 tiles of 8 rows of x: [M, k] x [n, k] -> [M, stride]. A
// warp has the weights of ahead groups under way together: more where they are few.
#define LINEAR(name, rows16, cols8, ahead, load, mma, half)                                       \
    LINEAR_BY(name, rows16, cols8, ahead, load, mma, half, 0)

// The same, and sums are multiplied by a factor of their row where by_row (small.h).
#define LINEAR_BY(name, rows16, cols8, ahead, load, mma, half, by_row)                            \
    KERNEL(256)                                                                                   \
    name(float *y, const float *x, const void *w, const void *scales, const float *bias,          \
         const step_head *h, const row_tile *tiles, const int *rows, int m, int n, int k,         \
         int stride, int expert_units, int scale_units, int shift) {                              \
        SHARED(float, total, rows16 * 16 * cols8 * 8);                                            \
        row_tile t = find_rows(tiles, h, m, cols8 * 8);                                           \
        if (t.count <= 0) return;                                                                 \
        int groups = (k + 63) / 64, run = (groups + 7) / 8, warp = (int)threadIdx.x / 32;         \
        activations act = {x, rows, t.first, t.count, k};                                         \
        matrix mat = {(const uint4 *)w + (u64)t.expert * expert_units,                            \
                      (const u32 *)scales + (u64)t.expert * scale_units * 4, 0, groups, shift};   \
        const float *factors = take_factors(&mat, n, by_row);                                     \
        float acc[rows16][cols8][4] = {{{0}}};                                                    \
        int end = min_int(groups, (warp + 1) * run), tiles16 = (n + 15) / 16;                     \
        for (int g = warp * run; g < end; g += ahead) {                                           \
            fragments f[ahead][rows16];                                                           \
            UNROLL for (int j = 0; j < ahead; j++) {                                              \
                UNROLL for (int r = 0; r < rows16; r++) {                                         \
                    mat.tile = min_int((int)blockIdx.x * rows16 + r, tiles16 - 1);                \
                    load(&f[j][r], &mat, min_int(g + j, end - 1));                                \
                }                                                                                 \
            }                                                                                     \
            UNROLL for (int s = 0; s < 4 * ahead; s++) {                                          \
                if (g + s / 4 >= end) break;                                                      \
                UNROLL for (int c = 0; c < cols8; c++) {                                          \
                    u32 b[2];                                                                     \
                    load_rows(b, &act, 8 * c, 4 * g + s, half);                                   \
                    UNROLL for (int r = 0; r < rows16; r++)                                       \
                        mma(acc[r][c], (u32 *)&f[s / 4][r].a[s % 4], b);                          \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
        for (int turn = 0; turn < 8; turn++) {                                                    \
            if (turn == warp) {                                                                   \
                UNROLL for (int r = 0; r < rows16; r++)                                           \
                    UNROLL for (int c = 0; c < cols8; c++)                                        \
                        add_tile(total, acc[r][c], rows16 * 16, 16 * r, 8 * c, turn == 0);        \
            }                                                                                     \
            __syncthreads();                                                                      \
        }                                                                                         \
        store_tile(y, total, factors, bias, &t, n, stride, rows16 * 16, cols8 * 8);               \
    }

#endif
