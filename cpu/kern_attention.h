// Attention over one split of a sequence's cache, softmax in two passes: all scores of the split
// (at most lanes of them a row), their maximum, the exponentials and their sum, then the weighted
// sum of the values. Keys and values are tiles like those of a packed matrix, so both products are
// the micro-kernels of kern_tiles.h. Positions that a row may not see get a score of -infinity; a
// row that sees none ends with max = -infinity and is skipped when splits are merged.
#ifndef BASALT_CPU_KERN_ATTENTION_H
#define BASALT_CPU_KERN_ATTENTION_H

// Runs the micro-kernel over any number of rows; the first call prefetches.
static void run_tiles(const tile_fn *table, tile_args t, int rows) {
    while (rows > 0) {
        int m = rows < KERNEL_ROWS ? rows : KERNEL_ROWS;
        table[m](&t);
        t.rows += m;
        t.out += m * t.stride;
        t.fetch_step = 0;
        rows -= m;
    }
}

INL int64_t element(int32_t kv) { return kv == F32 ? 4 : 2; }

INL const uint8_t *block_of(const split_args *s, const uint8_t *base, int position) {
    return base + (int64_t)s->table[position / s->block_size] * s->block_bytes;
}

// Lane (within the split's scores) of the first position of the block that holds it.
INL int lane_of(const split_args *s, int position) {
    return (position - s->first) / s->block_size * s->padded_block;
}

// The block two after that of a position; after the last come the first of next. Blocks lie
// anywhere, so that the processor does not see them coming.
INL const uint8_t *coming_block(const split_args *s, const uint8_t *base, const uint8_t *next,
                                int position) {
    int p = position + 2 * s->block_size;
    if (p < s->last) return block_of(s, base, p);
    int left = s->last - position > s->block_size ? s->block_size : 0;
    int first = s->first + s->block_size - left;
    return block_of(s, next, first < s->last ? first : s->first);
}

static void score_blocks(const split_args *s) {
    int64_t tile_bytes = (int64_t)s->dim * TILE * element(s->kv);
    for (int p = s->first; p < s->last; p += s->block_size) {
        int n = s->last - p < s->block_size ? s->last - p : s->block_size;
        tile_args t = {.codes = block_of(s, s->keys, p), .rows = s->queries,
                       .out = s->scores + lane_of(s, p), .stride = s->lanes, .k = s->dim,
                       .fetch_step = 64, .fetch = coming_block(s, s->keys, s->values, p)};
        for (int i = 0; i < n; i += TILE, t.codes += tile_bytes, t.out += TILE) {
            run_tiles(tiles[s->kv], t, s->rows);
            t.fetch += tile_bytes;
        }
    }
}

// The positions that row r sees lie in [*lo, *hi).
INL void visible(const split_args *s, int r, int *lo, int *hi) {
    int pos = s->position[r];
    *hi = pos + 1 < s->last ? pos + 1 : s->last;
    *lo = s->window > 0 && pos - s->window + 1 > s->first ? pos - s->window + 1 : s->first;
}

static float mask_and_max(const split_args *s, int r) {
    int lo, hi;
    visible(s, r, &lo, &hi);
    vf best = vf_set(-__builtin_inff());
    for (int p = s->first; p < s->last; p += s->block_size) {
        float *scores = s->scores + (int64_t)r * s->lanes + lane_of(s, p);
        int end = hi < p + s->block_size ? hi : p + s->block_size;
        for (int i = 0; i < s->padded_block; i += TILE) {
            vf v = vf_load(scores + i);
            if (lo > p + i || end < p + i + TILE) {
                v = vf_keep(v, lo - p - i, end - p - i, -__builtin_inff());
                vf_store(scores + i, v);
            }
            best = vf_max(v, best);
        }
    }
    return vf_max_lane(best);
}

static float exp_scores(const split_args *s, int r, int lanes, float max) {
    float *p = s->scores + (int64_t)r * s->lanes;
    vf sum = vf_zero();
    for (int i = 0; i < lanes; i += TILE) {
        vf v = vf_exp(vf_sub(vf_load(p + i), vf_set(max)));
        vf_store(p + i, v);
        sum = vf_add(sum, v);
    }
    return vf_sum(sum);
}

static void weigh_values(const split_args *s, const void *const *probs, int64_t lane_bytes) {
    int64_t column_bytes = (int64_t)s->padded_block * TILE * element(s->kv);
    const void *rows[SPLIT_ROWS];
    for (int p = s->first; p < s->last; p += s->block_size) {
        int n = s->last - p < s->block_size ? s->last - p : s->block_size;
        for (int r = 0; r < s->rows; r++) {
            rows[r] = (const char *)probs[r] + lane_of(s, p) * lane_bytes;
        }
        tile_args t = {.codes = block_of(s, s->values, p), .rows = rows, .out = s->out,
                       .stride = s->dim, .k = n, .accumulate = p > s->first, .fetch_step = 64,
                       .fetch = coming_block(s, s->values, s->values, p)};
        for (int d = 0; d < s->dim; d += TILE, t.codes += column_bytes, t.out += TILE) {
            run_tiles(tiles[s->kv], t, s->rows);
            t.fetch += column_bytes;
        }
    }
}

static void attend(const split_args *s) {
    const void *probs[SPLIT_ROWS];
    int blocks = (s->last - s->first + s->block_size - 1) / s->block_size;
    int lanes = blocks * s->padded_block;
    int narrow = ROW_FORM_BF16 == FORM_BF16 && s->kv == BF16;
    score_blocks(s);
    for (int r = 0; r < s->rows; r++) {
        float *p = s->scores + (int64_t)r * s->lanes;
        s->max[r] = mask_and_max(s, r);
        if (s->max[r] == -__builtin_inff()) {
            memset(p, 0, (size_t)lanes * sizeof *p);
            s->sum[r] = 0;
        } else {
            s->sum[r] = exp_scores(s, r, lanes, s->max[r]);
        }
        probs[r] = p;
        if (narrow) {
            uint16_t *q = s->probs + (int64_t)r * s->lanes;
            to_bf16(q, p, lanes);
            probs[r] = q;
        }
    }
    weigh_values(s, probs, narrow ? 2 : 4);
}

#endif
