// What the per-ISA files (kern_avx2_amd64.c and its siblings) give to the rest of the device, and
// the layouts that they agree on.
//
// A packed matrix [n, k] is cut into tiles of 16 columns (of its output). A micro-kernel reads a
// tile from front to back, once for up to max_rows rows:
//   F32, F16      [k][16] numbers
//   BF16          [k/2][16][2] numbers, k padded to even
//   block formats a stream of codes, and one of scales, which lies behind the codes of all tiles.
//                 Codes come 32 k at a time as lines of 64 bytes, byte i of a line being column
//                 i/4 and k = 4 g + i%4 of group g:
//       Q4_0, Q4_K  4 lines; line j holds group j in its low and group j+4 in its high nibbles
//       Q5_K        the same, then 1 line whose bit g is the fifth bit of group g
//       Q6_K        the same, then 2 lines: bits 2(g%4) of line g/4 are the upper bits of group g
//       Q8_0        8 lines of value + 128, or as kernels.q8_layout says
//   scales: Q4_0, Q8_0  f16 d[16] for 32 k
//           Q4_K, Q5_K  for 256 k: f16 d[16], f16 dmin[16], 8 x (u8 scale[16], u8 min[16])
//           Q6_K        for 256 k: f16 d[16], 8 x (s8 scale[16] of k 0..15, s8 of k 16..31)
// All are permutations of the file's blocks: nothing is rounded.
#ifndef BASALT_CPU_KERN_H
#define BASALT_CPU_KERN_H

#include <stddef.h>
#include <stdint.h>

// Products and sums stay apart unless a kernel asks for a fused one, so that every compiler gives
// the same bits (GCC: -std=c11 says the same).
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

// What comes before reads memory before what comes after: keeps a compiler from holding more values
// at once than there are registers.
#define IN_ORDER() __asm__ volatile("" : : : "memory")

#define INL static inline __attribute__((always_inline))

// A loop over the m rows of a micro-kernel, unrolled so that each row's sums stay in registers
// (but not for the sanitizers, whose checks it would multiply).
#if defined(BASALT_SANITIZE)
#define EACH_ROW(r, m) for (int r = 0; r < (m); r++)
#else
#define EACH_ROW(r, m) _Pragma("GCC unroll 16") for (int r = 0; r < (m); r++)
#endif

enum { TILE = 16, BLOCK = 32, SUPER = 256, MAX_ROWS = 12, SPLIT_ROWS = 48, SAMPLE_BLOCK = 256 };
enum { OPEN_BLOCK = TILE * BLOCK }; // bytes of a block's codes once unpacked

// Formats in the order of runtime.DType.
enum format { F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K, Q6_K, NUM_FORMATS };

// A format of the cache alone: bytes, with a float scale for each head of a position.
enum { INT8 = NUM_FORMATS };

// Forms in which a row of activations can be kept for the products that read it.
enum form { FORM_F32 = 1, FORM_I8 = 2, FORM_BF16 = 4, FORM_I16 = 8 };

// The codes of Q8_0: lines of value + 128, lines of the value itself, or BF16's order:
// [k/2][16][2] values.
enum q8_layout { Q8_OFFSET, Q8_SIGNED, Q8_PAIRS };

// 32 activations as signed bytes in [-127, 127]: x = d * q. The sums serve weights with offsets;
// they are kept as they are used, negative and ready to be spread over the lanes.
typedef struct {
    float d;
    float ds;           // d * sum of q
    int32_t minus_low;  // -(sum of q[0..15])
    int32_t minus_high; // -(sum of q[16..31])
    // The same for lanes of 16 bits, which see q[i] with i % 4 < 2, or those with i % 4 >= 2.
    int16_t minus8[2];     // -8 * sum of q
    int16_t minus32[2][2]; // -32 * sum of q[0..15], of q[16..31]
    int8_t q[BLOCK];
} act_block;

// The same activations in 16 bits.
typedef struct {
    float d;
    int16_t q[BLOCK];
} wide_block;

// One micro-kernel call: out[r][0..15] (+)= the tile's 16 columns times row r.
typedef struct {
    const uint8_t *codes;
    const uint8_t *scales;
    const void *const *rows; // in the form that the format asks for
    int64_t at;         // bytes from the start of each row to its first number
    float *out;
    int64_t stride;     // floats between rows of out
    int32_t k;          // length of the sum
    int32_t accumulate; // start from out instead of zero
    int32_t fetch_step; // bytes to prefetch from fetch on, for each 64 bytes of codes
    const uint8_t *fetch;
} tile_args;

typedef void (*tile_fn)(const tile_args *t);

// One split of attention: the positions [first, last) of one sequence and one key-value head, for
// up to SPLIT_ROWS query vectors. keys and values point at the head's part of block 0.
//   keys   F32 [block/16][dim][16],   BF16 [block/16][dim/2][16][2]
//   values F32 [dim/16][block][16],   BF16 [dim/16][block/2][16][2]
// with block padded to a multiple of 16 positions, dim to a multiple of 16 numbers. INT8 has codes
// in BF16's order, then [block] scales; its products are sums of integers, exact in any order, with
// queries and probabilities of 16 bits.
typedef struct {
    const void *const *queries; // scaled, in the form of kernels.row_form[kv], or 16-bit codes
    const float *query_scale;   // of 16-bit codes
    const int32_t *position;    // of each query
    const int32_t *table;       // block ids of the sequence
    const uint8_t *keys, *values;
    int64_t block_bytes; // between two blocks
    int32_t kv;          // F32, BF16 or INT8
    int32_t rows, dim, window;
    int32_t block_size, padded_block;
    int32_t first, last; // first begins a block
    int32_t lanes;   // floats in a row of scores
    float *scores;   // [max_rows][lanes]
    uint16_t *probs; // [max_rows][lanes], in BF16 or 16-bit codes where products take those
    float *max, *sum, *out; // of this split: [rows], [rows], [rows][dim]
    // The keys that this thread reads next: num_next blocks, to be fetched meanwhile.
    const int32_t *next_table;
    const uint8_t *next_keys;
    int32_t num_next;
} split_args;

typedef struct {
    const char *name;
    int32_t max_rows;
    uint8_t rows[NUM_FORMATS]; // at most max_rows: as many at once are fastest
    int32_t q8_layout;
    uint8_t row_form[NUM_FORMATS];
    tile_fn tile[NUM_FORMATS][MAX_ROWS + 1];
    // Codes that many rows share may be unpacked for all of them, to one byte each in the order of
    // Q8_0's lines, which open_tile reads. NULL: packed ones are as fast.
    void (*open[NUM_FORMATS])(uint8_t *y, const uint8_t *codes, int blocks);
    tile_fn open_tile[NUM_FORMATS][MAX_ROWS + 1];

    void (*quantise)(act_block *y, const float *x, int n); // n is a multiple of 32
    void (*quantise_wide)(wide_block *y, const float *x, int n);
    void (*to_bf16)(uint16_t *y, const float *x, int n);
    // y = x / the scale that they return, rounded: within 127, or within limit, where n must be a
    // multiple of 16.
    float (*codes8)(int8_t *y, const float *x, int n);
    float (*codes16)(int16_t *y, const float *x, int n, int limit);
    // The sum of (x + residual)^2; residual may be NULL.
    float (*sum_squares)(const float *x, const float *residual, int n);
    // y = (x + residual) * scale * w, and sum = x + residual unless sum is NULL.
    void (*norm)(float *y, float *sum, const float *x, const float *residual, const float *w,
                 float scale, int n);
    void (*swiglu)(float *y, const float *gate, const float *up, int n);
    // Rotates the pairs (i, i+half), or (2i, 2i+1) when interleaved.
    void (*rope)(float *head, const float *cos, const float *sin, int half, int interleaved);
    void (*add_scaled)(float *y, const float *x, float scale, int n); // y += scale * x
    void (*scale)(float *y, const float *x, float scale, int n);      // y = scale * x

    void (*attend)(const split_args *s);
    float (*exp)(float x);

    // The greatest value of each run of SAMPLE_BLOCK of z, and of all.
    float (*block_max)(float *most, const float *z, int n);
    // p = exp((z - max) / temperature); gives the sum of all p and of each run of SAMPLE_BLOCK.
    double (*exp_sums)(float *p, double *sums, const float *z, int n, float max,
                       float temperature);

    // Ceilings: operations done by one call (multiply and add count as two).
    double (*peak_fma)(int64_t rounds);
    double (*peak_int8)(int64_t rounds);
    double (*peak_bf16)(int64_t rounds); // 0 where the ISA has no BF16 product
    double (*read)(const void *data, int64_t bytes); // reads all of it, gives some sum
} kernels;

extern const kernels bs_kernels_portable;
#if defined(__x86_64__)
extern const kernels bs_kernels_avx2, bs_kernels_avx512, bs_kernels_avx512_bf16;
#elif defined(__aarch64__)
extern const kernels bs_kernels_neon;
#endif

// The best kernels of this processor that round no activation, or those named; NULL when it cannot
// run them.
const kernels *bs_kernels(const char *name);

// The greatest 16-bit code whose products with n signed bytes cannot overflow a sum.
INL int code_limit(int n) {
    int most = INT32_MAX / 127 / n;
    return most < 32767 ? most : 32767;
}

INL uint16_t bf16_round(float x) {
    union {
        float f;
        uint32_t u;
    } v = {x};
    if (x != x) return (uint16_t)(v.u >> 16) | 0x40;
    return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}

INL float bf16_widen(uint16_t x) {
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)x << 16};
    return v.f;
}

// binary16 to float: the fraction is scaled by a multiplication, which also widens subnormals.
INL float f16_widen(uint16_t h) {
    union {
        uint32_t u;
        float f;
    } v = {(uint32_t)(h & 0x7fff) << 13}, magic = {(uint32_t)239 << 23};
    v.f *= magic.f; // 2^112
    if ((h & 0x7c00) == 0x7c00) v.u |= 0x7f800000;
    v.u |= (uint32_t)(h & 0x8000) << 16;
    return v.f;
}

#endif
