// What every kernel starts from. The portable kernels are written in the common subset of CUDA C++
// and C11: nvcc makes device code of them, and the tests compile the very same files for the host
// (emulate.h), where threads are fibers that meet at each collective.
//
// Arguments of a kernel are pointers and 32-bit integers only; floats travel as their bits.
#ifndef BASALT_KERNEL_H
#define BASALT_KERNEL_H

typedef unsigned char u8;
typedef signed char i8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __CUDACC__
#define KERNEL(threads) extern "C" __global__ void __launch_bounds__(threads, 1)
#define DEVICE static __device__ __forceinline__
#define SHARED(type, name, n) __shared__ type name[n]
#define ALL 0xffffffffu
#define UNROLL _Pragma("unroll")

DEVICE float from_bf16(u16 x) { return __uint_as_float((u32)x << 16); }
DEVICE float bits_float(int x) { return __int_as_float(x); }
DEVICE u32 float_bits(float x) { return __float_as_uint(x); }

DEVICE float from_f16(u16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x));
    return y;
}

DEVICE u16 to_f16(float x) {
    u16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}

DEVICE u32 pair_bf16(float lo, float hi) {
    u32 y;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(hi), "f"(lo));
    return y;
}

// Both products of two pairs of bfloat16 numbers, each rounded once.
DEVICE u32 times_bf16(u32 x, u32 y) {
    u32 z;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(z) : "r"(x), "r"(y), "r"(0x80008000u));
    return z;
}

// Bytes i and j of a word, each above a byte of zeros.
DEVICE u32 spread_bytes(u32 x, int i, int j) {
    return __byte_perm(x, 0, 0x0404 | (u32)i << 4 | (u32)j << 12);
}

// D = A B + C for a warp: A is 16 x 16, B 16 x 8, in the fragment layout of PTX's m16n8k16.
DEVICE void mma_bf16(float *c, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE void mma_f16(float *c, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
                 "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE float lane_xor(float x, int mask) { return __shfl_xor_sync(ALL, x, mask); }
DEVICE u32 lane_xor_u32(u32 x, int mask) { return __shfl_xor_sync(ALL, x, mask); }
DEVICE u64 lane_xor_u64(u64 x, int mask) { return __shfl_xor_sync(ALL, x, mask); }
DEVICE u64 lane_up_u64(u64 x, int by) { return __shfl_up_sync(ALL, x, by); }
DEVICE u64 lane_at_u64(u64 x, int lane) { return __shfl_sync(ALL, x, lane); }
DEVICE u32 lanes_where(int x) { return __ballot_sync(ALL, x); }
DEVICE int first_bit(u32 x) { return __ffs(x) - 1; }
DEVICE float mul_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEVICE float times(float a, float b) { return __fmul_rn(a, b); }
DEVICE float plus(float a, float b) { return __fadd_rn(a, b); }
DEVICE void add_u64(u64 *p, u64 x) { atomicAdd(p, x); }
DEVICE u32 add_u32(u32 *p, u32 x) { return atomicAdd(p, x); }
DEVICE void set_bits(u32 *p, u32 x) { atomicOr(p, x); }
#else
#include "emulate.h"
#endif

#define MINUS_INFINITY bits_float((int)0xff800000u)

DEVICE u16 to_bf16(float x) {
    u32 u = float_bits(x);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (u16)(u >> 16 | 64);
    return (u16)((u + 0x7fffu + (u >> 16 & 1)) >> 16);
}

#ifndef __CUDACC__
DEVICE u32 pair_bf16(float lo, float hi) { return (u32)to_bf16(lo) | (u32)to_bf16(hi) << 16; }

DEVICE u32 times_bf16(u32 x, u32 y) {
    return pair_bf16(from_bf16((u16)x) * from_bf16((u16)y),
                     from_bf16((u16)(x >> 16)) * from_bf16((u16)(y >> 16)));
}

DEVICE u32 spread_bytes(u32 x, int i, int j) {
    return (x >> 8 * i & 255) << 8 | (x >> 8 * j & 255) << 24;
}
#endif

// A value beyond the greatest half is held there.
DEVICE u32 pair_f16(float lo, float hi) {
    lo = fminf(fmaxf(lo, -65504.0f), 65504.0f);
    hi = fminf(fmaxf(hi, -65504.0f), 65504.0f);
    return (u32)to_f16(lo) | (u32)to_f16(hi) << 16;
}

DEVICE int min_int(int a, int b) { return a < b ? a : b; }

DEVICE float lane_max(float x) {
    for (int m = 16; m > 0; m >>= 1) x = fmaxf(x, lane_xor(x, m));
    return x;
}

DEVICE float lane_sum(float x) {
    for (int m = 16; m > 0; m >>= 1) x = plus(x, lane_xor(x, m));
    return x;
}

// The counts and offsets at the head of the packed batch of a step. An offset is in bytes from the
// head. Counts are of this step; grids may be larger, so that a graph serves a whole bucket.
typedef struct {
    int tokens, seqs, samples, resets, counts, tiles, max_blocks, want_top;
    int ids, positions, slots, tables, sample_rows, sampling, bias;
    int reset_slots, count_slots, count_ids, query_tiles, top_start;
} step_head;

// A run of query rows of one sequence: tokens [first, first + count) of the batch.
typedef struct {
    int first, count, table, position;
} query_tile;

// runtime.SamplingRow.
typedef struct {
    u64 seed;
    u32 choice, position;
    int slot, top_k, logprobs, bias_start, bias_end;
    float temperature, top_p, min_p, repetition, presence, frequency;
    int unused;
} sampling_row;

typedef struct {
    int id;
    float bias;
} logit_bias;

DEVICE const int *step_ints(const step_head *h, int at) {
    return (const int *)((const u8 *)h + at);
}

DEVICE int step_rows(const step_head *h, int sampled) { return sampled ? h->samples : h->tokens; }

#endif
