// Rows of activations in 16 bits, as the products of a warpgroup or a block want them: tiles of 128
// rows and a group of 64 along K, in core matrices [16][8][8 rows][8 values] (common/async.h), zero
// beyond the last row and beyond K. A tile is one bulk copy.
#ifndef BASALT_TILES_H
#define BASALT_TILES_H

#include "../common/async.h"

enum { TILE_ROWS = 128, TILE_BYTES = TILE_ROWS * 64 * 2, LEAD = 128, STRIDE = 8 * 128 };

DEVICE int tile_count(const step_head *h, int m) { return m < 0 ? step_rows(h, m == -2) : m; }

DEVICE const u8 *tile_at(const void *tiles, int groups, int group) {
    return (const u8 *)tiles + ((u64)blockIdx.y * groups + group) * TILE_BYTES;
}

#endif
