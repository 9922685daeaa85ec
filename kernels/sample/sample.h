// Parts of sampling: a block of 512 threads a row. Probabilities are fixed-point integers of 40
// bits after the point, so that sums have no order and every launch gives the same bits.
#ifndef BASALT_SAMPLE_H
#define BASALT_SAMPLE_H

#include "../common/basalt.h"

enum { THREADS = 512, WARPS = THREADS / 32 };

#define ONE 1099511627776.0f

// The tokens that may be drawn: those not after (key, id) in descending order, with p >= least.
typedef struct {
    const float *z;
    int vocab, id;
    u32 key;
    float best, temperature, least;
} candidates;

// Orders floats as integers; no number comes last.
DEVICE u32 order_key(float z) {
    if (!(z == z)) return 0;
    u32 b = float_bits(plus(z, 0.0f));
    return b >> 31 ? ~b : b | 0x80000000u;
}

DEVICE float chance(const candidates *c, int i) {
    return expf(plus(c->z[i], -c->best) / c->temperature);
}

DEVICE u64 fixed(float p) { return p > 0 ? (u64)(p * ONE) : 0; }

// What token i weighs; 0 outside.
DEVICE u64 weight(const candidates *c, int i) {
    u32 key = order_key(c->z[i]);
    if (key < c->key || (key == c->key && i > c->id)) return 0;
    float p = chance(c, i);
    return p >= c->least ? fixed(p) : 0;
}

DEVICE int inside(const candidates *c, int i) {
    u32 key = order_key(c->z[i]);
    return key > c->key || (key == c->key && i <= c->id);
}

DEVICE u64 block_total(u64 x, u64 *part) {
    for (int m = 16; m > 0; m >>= 1) x += lane_xor_u64(x, m);
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    x = 0;
    for (int i = 0; i < WARPS; i++) x += part[i];
    return x;
}

DEVICE u64 block_most(u64 x, u64 *part) {
    for (int m = 16; m > 0; m >>= 1) {
        u64 other = lane_xor_u64(x, m);
        if (other > x) x = other;
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    for (int i = 0; i < WARPS; i++) {
        if (part[i] > x) x = part[i];
    }
    return x;
}

// The first token in descending order that comes after the token of rank `before`; 0 when none.
DEVICE u64 next_best(const float *z, int vocab, u64 before, u64 *part) {
    u64 best = 0;
    for (int i = (int)threadIdx.x; i < vocab; i += THREADS) {
        u64 v = (u64)order_key(z[i]) << 32 | (u32)~i;
        if (v < before && v > best) best = v;
    }
    return block_most(best, part);
}

DEVICE int id_of(u64 rank) { return (int)~(u32)rank; }

DEVICE u64 total_weight(const candidates *c, u64 *part) {
    u64 sum = 0;
    for (int i = (int)threadIdx.x; i < c->vocab; i += THREADS) sum += weight(c, i);
    return block_total(sum, part);
}

// What token i adds to a walk: 1 when its key is ties, or its weight where ties is 0.
DEVICE u64 step_of(const candidates *c, int i, u32 ties) {
    if (i >= c->vocab) return 0;
    return ties ? (u64)(order_key(c->z[i]) == ties) : weight(c, i);
}

// The first id, in the order of ids, at which the sum of steps exceeds the target; a warp sums a
// run of ids, and the warp whose run passes the target looks closer. The target must be below the
// sum of all.
DEVICE int walk(const candidates *c, u32 ties, u64 target, u64 *part, u64 *found) {
    int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    int run = (c->vocab + THREADS - 1) / THREADS * 32, first = warp * run;
    u64 sum = 0;
    for (int i = first + lane; i < first + run; i += 32) sum += step_of(c, i, ties);
    for (int m = 16; m > 0; m >>= 1) sum += lane_xor_u64(sum, m);
    __syncthreads();
    if (lane == 0) part[warp] = sum;
    __syncthreads();
    u64 before = 0;
    for (int i = 0; i < warp; i++) before += part[i];
    if (before <= target && before + sum > target) {
        for (int i = first; i < first + run; i += 32) {
            u64 x = step_of(c, i + lane, ties);
            for (int by = 1; by < 32; by *= 2) {
                u64 y = lane_up_u64(x, by);
                if (lane >= by) x += y;
            }
            u32 past = lanes_where(before + x > target);
            if (past) {
                if (lane == 0) found[0] = (u64)(i + first_bit(past));
                break;
            }
            before += lane_at_u64(x, 31);
        }
    }
    __syncthreads();
    return (int)found[0];
}

// Cuts the candidates to the smallest prefix, in descending order, that reaches the target: of
// their number, or of their weights. A radix search, a byte of the key a turn.
DEVICE void cut(candidates *c, u64 target, int by_number, u64 *histogram, u64 *part) {
    u32 prefix = 0;
    u64 each = 1;
    for (int shift = 24; shift >= 0; shift -= 8) {
        __syncthreads();
        for (int i = (int)threadIdx.x; i < 256; i += THREADS) histogram[i] = 0;
        __syncthreads();
        for (int i = (int)threadIdx.x; i < c->vocab; i += THREADS) {
            u32 key = order_key(c->z[i]);
            if (!inside(c, i) || (shift < 24 && key >> (shift + 8) != prefix)) continue;
            u64 w = by_number ? 1 : fixed(chance(c, i));
            if (w) add_u64(histogram + (key >> shift & 255), w);
        }
        __syncthreads();
        int b = 255;
        while (b > 0 && histogram[b] < target) target -= histogram[b--];
        prefix = prefix << 8 | (u32)b;
    }
    u64 ties = 0;
    for (int i = (int)threadIdx.x; i < c->vocab; i += THREADS) {
        ties += order_key(c->z[i]) == prefix && inside(c, i);
    }
    ties = block_total(ties, part);
    if (!by_number && ties) each = histogram[prefix & 255] / ties;
    u64 keep = each ? (target + each - 1) / each : ties;
    __syncthreads();
    if (prefix != c->key) c->id = c->vocab;
    c->key = prefix;
    if (keep < 1) keep = 1;
    if (keep < ties) c->id = walk(c, prefix, keep - 1, part, histogram);
}

// Philox4x32-10 (Salmon et al., SC 2011); the first word, as 24 bits in [0, 1).
DEVICE float uniform(const sampling_row *s) {
    u32 c[4] = {s->position, s->choice, 0, 0}, key[2] = {(u32)s->seed, (u32)(s->seed >> 32)};
    for (int i = 0; i < 10; i++) {
        u64 p = (u64)0xD2511F53u * c[0], q = (u64)0xCD9E8D57u * c[2];
        c[0] = (u32)(q >> 32) ^ c[1] ^ key[0];
        c[1] = (u32)q;
        c[2] = (u32)(p >> 32) ^ c[3] ^ key[1];
        c[3] = (u32)p;
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return (float)(c[0] >> 8) * (1.0f / 16777216);
}

#endif
