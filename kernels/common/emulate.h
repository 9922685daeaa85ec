// The host's half of basalt.h: one block at a time, each thread a fiber (cuda/fake/fibers.c) that
// stops at every collective until its warp, or its block, has come as far.
#ifndef BASALT_EMULATE_H
#define BASALT_EMULATE_H

#include <math.h>
#include <string.h>

typedef struct {
    unsigned x, y, z;
} bs_index;

typedef struct {
    float x, y;
} float2;

typedef struct {
    u32 x, y, z, w;
} uint4;

// What a warp exchanges in a collective; two of them take turns.
typedef struct {
    u64 value[32];
    u32 a[32][4], b[32][2];
    float x[16][16], y[16][8]; // rows along K; K by columns
} bs_exchange;

extern bs_index threadIdx, blockIdx, gridDim, blockDim;

void bs_meet_block(void);
// Waits for the warp. Gives what its lanes have put before, and a place for the next.
bs_exchange *bs_exchange_now(void);
void bs_meet_warp(void);

#define KERNEL(threads) void
#define DEVICE static inline __attribute__((unused))
#define SHARED(type, name, n) static type name[n]
#define UNROLL
#define __syncthreads bs_meet_block

DEVICE float bits_float(int x) {
    float y;
    memcpy(&y, &x, 4);
    return y;
}

DEVICE u32 float_bits(float x) {
    u32 y;
    memcpy(&y, &x, 4);
    return y;
}

DEVICE float from_bf16(u16 x) { return bits_float((int)((u32)x << 16)); }

DEVICE float from_f16(u16 x) {
    u32 sign = (u32)(x >> 15) << 31, exponent = x >> 10 & 31, fraction = x & 1023;
    if (exponent == 31) return bits_float((int)(sign | 255u << 23 | fraction << 13));
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * (float)fraction * (1.0f / (1 << 24));
    return bits_float((int)(sign | (exponent + 112) << 23 | fraction << 13));
}

// Rounds to the nearest, ties to even.
DEVICE u16 to_f16(float x) {
    u16 sign = (u16)(float_bits(x) >> 16 & 0x8000);
    float a = fabsf(x);
    if (!(x == x)) return sign | 0x7e00;
    if (a >= 65520.0f) return sign | 0x7c00;
    int exponent;
    frexpf(a, &exponent);
    if (a == 0 || exponent < -13) return sign | (u16)rintf(ldexpf(a, 24));
    u32 fraction = (u32)rintf(ldexpf(a, 11 - exponent)); // 1024 to 2048
    return (u16)(sign | (((u32)(exponent + 13) << 10) + fraction));
}

DEVICE int bs_lane(void) { return (int)threadIdx.x % 32; }

DEVICE u64 bs_from_lane(u64 x, int lane) {
    bs_exchange *e = bs_exchange_now();
    e->value[bs_lane()] = x;
    bs_meet_warp();
    return e->value[lane & 31];
}

DEVICE float lane_xor(float x, int mask) {
    return bits_float((int)bs_from_lane(float_bits(x), bs_lane() ^ mask));
}

DEVICE u32 lane_xor_u32(u32 x, int mask) { return (u32)bs_from_lane(x, bs_lane() ^ mask); }
DEVICE u64 lane_xor_u64(u64 x, int mask) { return bs_from_lane(x, bs_lane() ^ mask); }
DEVICE u64 lane_at_u64(u64 x, int lane) { return bs_from_lane(x, lane); }

DEVICE u64 lane_up_u64(u64 x, int by) {
    int lane = bs_lane();
    return bs_from_lane(x, lane < by ? lane : lane - by);
}

DEVICE u32 lanes_where(int x) {
    bs_exchange *e = bs_exchange_now();
    u32 bits = 0;
    e->value[bs_lane()] = x != 0;
    bs_meet_warp();
    for (int i = 0; i < 32; i++) bits |= (u32)e->value[i] << i;
    return bits;
}

DEVICE int first_bit(u32 x) { return x ? __builtin_ctz(x) : -1; }
DEVICE float mul_add(float a, float b, float c) { return fmaf(a, b, c); }
DEVICE float times(float a, float b) { return a * b; }
DEVICE float plus(float a, float b) { return a + b; }
DEVICE void add_u64(u64 *p, u64 x) { *p += x; }
DEVICE void set_bits(u32 *p, u32 x) { *p |= x; }

DEVICE u32 add_u32(u32 *p, u32 x) {
    u32 old = *p;
    *p += x;
    return old;
}

DEVICE float bs_half_of(u32 word, int high, int f16) {
    u16 x = (u16)(high ? word >> 16 : word);
    return f16 ? from_f16(x) : from_bf16(x);
}

// Four sums of a lane: its two rows of A by its two columns of B.
typedef float bs_sums __attribute__((vector_size(16)));

// Adds along 16 of K in ascending order: x are two rows, y points at the lane's two columns, whose
// values for the next step of K lie stride numbers on.
DEVICE void bs_add_products(float *sums, const float *x0, const float *x1, const float *y,
                            int stride) {
    bs_sums sum;
    memcpy(&sum, sums, sizeof sum);
    for (int k = 0; k < 16; k++, y += stride) {
        sum += (bs_sums){x0[k], x0[k], x1[k], x1[k]} * (bs_sums){y[0], y[1], y[0], y[1]};
    }
    memcpy(sums, &sum, sizeof sum);
}

// Puts a lane's part of A where bs_add_products reads rows.
DEVICE void bs_put_rows(bs_exchange *e, const u32 *a, int f16) {
    int lane = bs_lane();
    for (int i = 0; i < 4; i++) {
        float *x = e->x[lane / 4 + i % 2 * 8] + lane % 4 * 2 + i / 2 * 8;
        x[0] = bs_half_of(a[i], 0, f16);
        x[1] = bs_half_of(a[i], 1, f16);
    }
}

DEVICE void bs_mma(float *c, const u32 *a, const u32 *b, int f16) {
    bs_exchange *e = bs_exchange_now();
    int lane = bs_lane();
    bs_put_rows(e, a, f16);
    for (int i = 0; i < 2; i++) {
        float *y = &e->y[lane % 4 * 2 + i * 8][lane / 4];
        y[0] = bs_half_of(b[i], 0, f16);
        y[8] = bs_half_of(b[i], 1, f16);
    }
    bs_meet_warp();
    bs_add_products(c, e->x[lane / 4], e->x[lane / 4 + 8], &e->y[0][lane % 4 * 2], 8);
}

DEVICE void mma_bf16(float *c, const u32 *a, const u32 *b) { bs_mma(c, a, b, 0); }
DEVICE void mma_f16(float *c, const u32 *a, const u32 *b) { bs_mma(c, a, b, 1); }

#endif
