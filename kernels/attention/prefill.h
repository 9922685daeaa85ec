// What the prefill kernels of Hopper and Blackwell share: a tile of 128 rows, the heads of a group
// times some tokens, against a key-value head over the bfloat16 cache. Splits, sums and roundings
// are those of attention_bf16.cu; blocks of the cache hold a multiple of eight positions.
#ifndef BASALT_PREFILL_H
#define BASALT_PREFILL_H

#include "../common/async.h"
#include "attention.h"

enum { PREFILL_ROWS = 128, LEAD = 128 };

typedef struct {
    const u16 *keys, *values; // of the layer and the key-value head
    const int *table;
    int heads, kv_heads, head, block_size, last, window, per_token;
    query_tile tile;
} prefill;

DEVICE prefill prefill_of(const u16 *keys, const u16 *values, const step_head *h, int heads,
                          int kv_heads, int dim, int per_token, int block_size, int window) {
    int units = heads / kv_heads / per_token, kv = (int)blockIdx.y / units;
    u64 base = (u64)kv * block_size * dim;
    prefill c = {keys + base, values + base, 0, heads, kv_heads, (int)blockIdx.y * per_token,
                 block_size, 0, window, per_token,
                 ((const query_tile *)step_ints(h, h->query_tiles))[blockIdx.x]};
    c.table = step_ints(h, h->tables) + (u64)c.tile.table * h->max_blocks;
    c.last = c.tile.position + c.tile.count - 1;
    return c;
}

DEVICE u64 cache_block(const prefill *c, int pos, int dim) {
    return (u64)c->table[pos / c->block_size] * c->kv_heads * c->block_size * dim;
}

// Whether a row of the tile is one, and where its head's numbers lie.
DEVICE int row_at(const prefill *c, int row, int dim, u64 *at) {
    int t = row / c->per_token;
    *at = ((u64)(c->tile.first + t) * c->heads + c->head + row % c->per_token) * dim;
    return t < c->tile.count;
}

// A score, or minus infinity where the row does not see the position.
DEVICE float seen_score(const prefill *c, int row, int pos, float score, float scale) {
    int at = c->tile.position + row / c->per_token;
    return pos <= at && pos >= first_seen(at, c->window) ? times(score, scale) : MINUS_INFINITY;
}

// Keys of count positions as core matrices [position/8][dim/8][8][8], zero after the last one.
DEVICE void fetch_keys(u8 *to, const prefill *c, int first, int count, int dim, int threads) {
    int chunks = dim / 8;
    for (int i = (int)threadIdx.x; i < count * chunks; i += threads) {
        int at = i / chunks, k = i % chunks, pos = first + at;
        const u16 *from = c->keys;
        if (pos <= c->last) {
            from += cache_block(c, pos, dim) + (u64)(pos % c->block_size) * dim + 8 * k;
        }
        async_16(to + ((at / 8 * chunks + k) * 8 + at % 8) * 16, pos <= c->last ? from : 0);
    }
}

// Values of count positions as core matrices [dim/8][position/8][8][8], zero after the last one.
DEVICE void fetch_values(u8 *to, const prefill *c, int first, int count, int dim, int threads) {
    for (int i = (int)threadIdx.x; i < count / 8 * dim; i += threads) {
        int d = i / (count / 8), k = i % (count / 8), pos = first + 8 * k;
        u16 *out = (u16 *)(to + ((d / 8 * (count / 8) + k) * 8 + d % 8) * 16);
        const u16 *from = c->values;
        if (pos <= c->last) {
            from += cache_block(c, pos, dim) + (u64)d * c->block_size + pos % c->block_size;
        }
        if (pos <= c->last && pos + 7 > c->last) {
            for (int j = 0; j < 8; j++) out[j] = pos + j <= c->last ? from[j] : 0;
        } else {
            async_16(out, pos <= c->last ? from : 0);
        }
    }
}

#endif
