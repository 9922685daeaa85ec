// Packing of weights at load: rows of any format of a checkpoint [n, k] to the fragment order of
// linear.h. A thread writes what one lane holds of one step of K; values outside are zero.
#include "../common/blocks.h"

typedef struct {
    const u8 *w;
    int format, n, k, row_bytes, group, step, row, col;
    u64 tile;
} piece;

// The piece of thread i: step of K, lane; tiles of rows along blockIdx.y.
DEVICE piece piece_of(const u8 *w, int format, int n, int k, int row_bytes) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x), lane = i % 32;
    piece p = {w, format, n, k, row_bytes, i / 128, i / 32, 0, 0, blockIdx.y};
    p.row = (int)blockIdx.y * 16 + lane / 4;
    p.col = p.step * 16 + lane % 4 * 2;
    return p;
}

// Row and column of the i-th of a lane's eight values, and whether the matrix has them.
DEVICE int place(const piece *p, int i, int *row, int *col) {
    *row = p->row + i / 2 % 2 * 8;
    *col = p->col + i % 2 + i / 4 * 8;
    return *row < p->n && *col < p->k;
}

KERNEL(256) bs_pack_16(u16 *to, const u8 *w, int format, int n, int k, int row_bytes, int half) {
    piece p = piece_of(w, format, n, k, row_bytes);
    int groups = (k + 63) / 64, row, col;
    if (p.group >= groups) return;
    u16 *out = to + ((p.tile * groups * 4 + p.step) * 32 + threadIdx.x % 32) * 8;
    for (int i = 0; i < 8; i++) {
        float v = 0;
        if (place(&p, i, &row, &col)) v = value_at(format, w + (u64)row * row_bytes, col);
        out[i] = half ? to_f16(v) : to_bf16(v);
    }
}

KERNEL(256) bs_pack_q(u8 *to, const u8 *w, int format, int n, int k, int row_bytes, int bits) {
    piece p = piece_of(w, format, n, k, row_bytes);
    int groups = (k + 63) / 64, row, col, steps = bits == 8 ? 2 : 4;
    if (p.group >= groups) return;
    u64 run = (p.tile * groups * 4 + p.step) / steps;
    u8 *out = to + (run * 32 + threadIdx.x % 32) * 16 + p.step % steps * bits;
    for (int i = 0; i < 8; i++) {
        int q = 0;
        if (place(&p, i, &row, &col)) q = quantum_at(format, w + (u64)row * row_bytes, col).q;
        if (bits == 8) {
            out[i] = (u8)q;
        } else if (i % 2 == 0) {
            out[i / 2] = (u8)q;
        } else {
            out[i / 2] |= (u8)(q << 4);
        }
    }
}

// The code of a small float.
DEVICE u32 code_at(int format, const u8 *row, int i) {
    if (format == FORMAT_E4M3) return row[i];
    if (format == FORMAT_E2M1) return row[i / 2] >> i % 2 * 4 & 15;
    const u8 *b = row + (u64)(i / 32) * 17 + 1 + i % 16; // MXFP4: after the block's scale
    return i % 32 < 16 ? *b & 15 : *b >> 4;
}

// Codes of E4M3, and of E2M1 with each pair in both halves of a word (linear/small.h).
KERNEL(256) bs_pack_codes(u32 *to, const u8 *w, int format, int n, int k, int row_bytes) {
    piece p = piece_of(w, format, n, k, row_bytes);
    int groups = (k + 63) / 64, row, col, eight = format == FORMAT_E4M3, steps = eight ? 2 : 4;
    if (p.group >= groups) return;
    u32 word[2] = {0, 0};
    for (int i = 0; i < 8; i++) {
        u32 code = 0;
        if (place(&p, i, &row, &col)) code = code_at(format, w + (u64)row * row_bytes, col);
        if (eight) {
            word[i / 4] |= code << i % 4 * 8;
        } else {
            word[0] |= code << (i % 2 * 16 + i / 2 * 4);
        }
    }
    u64 run = (p.tile * groups * 4 + p.step) / steps;
    u32 *out = to + (run * 32 + threadIdx.x % 32) * 4 + p.step % steps * (eight ? 2 : 1);
    out[0] = word[0];
    if (eight) out[1] = word[1];
}

// Scale and minimum of each block along K as two halves: [N/16][blocks][16].
KERNEL(256) bs_pack_scales(u32 *to, const u8 *w, int format, int n, int k, int row_bytes,
                           int shift) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x), block = i / 16;
    int blocks = (k + 63) / 64 * 64 >> shift, row = (int)blockIdx.y * 16 + i % 16;
    if (block >= blocks) return;
    u32 pair = 0;
    if (row < n && block << shift < k) {
        quantum v = quantum_at(format, w + (u64)row * row_bytes, block << shift);
        pair = (u32)to_f16(v.scale) | (u32)to_f16(v.minimum) << 16;
    }
    to[((u64)blockIdx.y * blocks + block) * 16 + i % 16] = pair;
}

// Float32 of any format: vectors.
KERNEL(256) bs_widen(float *to, const u8 *from, int format, int n) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (i < n) to[i] = value_at(format, from, i);
}

// Rows of floats [rows, k] in 16 bits, as a library's product reads them: row blockIdx.y.
KERNEL(256) bs_narrow(u16 *to, const float *x, int k, int half) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (i >= k) return;
    u64 at = (u64)blockIdx.y * k + i;
    to[at] = half ? to_f16(x[at]) : to_bf16(x[at]);
}
