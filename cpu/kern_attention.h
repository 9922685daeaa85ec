// Attention over one split of a sequence's cache, softmax in two passes: all scores of the split
// (at most lanes of them a row), their maximum, the exponentials and their sum, then the weighted
// sum of the values. Keys and values are tiles like those of a packed matrix, so both products are
// those of kern_tiles.h, and each sum runs in order of dimension or of position. As many rows as a
// micro-kernel takes go through both passes before the next ones do: their scores stay in the first
// cache, the split's keys and values in the second. Positions that a row may not see get a score of
// -infinity; a row that sees none ends with max = -infinity and is skipped when splits are merged.
#ifndef BASALT_CPU_KERN_ATTENTION_H
#define BASALT_CPU_KERN_ATTENTION_H

// Some rows on their way through one split. Blocks lie anywhere, so that the processor does not
// see them coming: while keys are read the values are fetched, meanwhile the keys of what follows.
typedef struct {
    const split_args *s;
    const void *rows[MAX_ROWS]; // queries, or probabilities
    float scale[MAX_ROWS];      // of rows of 16-bit codes
    float *out;                 // scores, or weighted sums
    int32_t blocks;             // that the split touches
    int32_t fetch;              // these rows are the first to come: fetch for all
} pass;

INL int64_t element(int32_t kv) { return kv == F32 ? 4 : kv == BF16 ? 2 : 1; }

// The table's entry for the split's first position.
INL const int32_t *split_table(const split_args *s) { return s->table + s->first / s->block_size; }

INL const uint8_t *block_of(const split_args *s, const uint8_t *base, const int32_t *table, int b) {
    return base + (int64_t)table[b] * s->block_bytes;
}

// Block b's share of a far stream; one that stands still where there is nothing to fetch.
INL stream far_stream(const split_args *s, const uint8_t *base, const int32_t *table, int b,
                      int wanted) {
    if (!wanted) return (stream){(const uint8_t *)s->scores, 0, 1};
    return (stream){block_of(s, base, table, b), 64, 1};
}

INL void add_products(int m, int kv, const uint8_t *codes, int64_t k, const void *const *rows,
                      stream *f, vf *acc) {
    if (kv == F32) {
        add_f32(m, codes, k, rows, f, acc);
    } else {
        add_bf16(m, codes, k, rows, f, acc);
    }
}

INL void score_blocks(int m, int kv, const pass *p) {
    const split_args *s = p->s;
    const int32_t *table = split_table(s);
    const int64_t tile_bytes = (int64_t)s->dim * TILE * element(kv);
    int left = s->last - s->first;
    for (int b = 0; b < p->blocks; b++, left -= s->block_size) {
        const uint8_t *codes = block_of(s, s->keys, table, b);
        stream f = far_stream(s, s->values, table, b, p->fetch);
        float *out = p->out + (int64_t)b * s->padded_block;
        for (int i = 0; i < left && i < s->block_size; i += TILE, codes += tile_bytes) {
            vf acc[MAX_ROWS];
            EACH_ROW(r, m) acc[r] = vf_zero();
            add_products(m, kv, codes, s->dim, p->rows, &f, acc);
            EACH_ROW(r, m) vf_store(out + i + r * (int64_t)s->lanes, acc[r]);
        }
    }
}

INL void weigh_blocks(int m, int kv, int prob_bytes, const pass *p) {
    const split_args *s = p->s;
    const int32_t *table = split_table(s);
    const int64_t column_bytes = (int64_t)s->padded_block * TILE * element(kv);
    for (int d = 0; d < s->dim / TILE; d++) {
        vf acc[MAX_ROWS];
        const void *x[MAX_ROWS];
        EACH_ROW(r, m) acc[r] = vf_zero();
        EACH_ROW(r, m) x[r] = p->rows[r];
        int left = s->last - s->first;
        for (int b = 0; b < p->blocks; b++, left -= s->block_size) {
            stream f = far_stream(s, s->next_keys, s->next_table, b,
                                  p->fetch && b < s->num_next);
            f.p += f.step != 0 ? d * column_bytes : 0;
            add_products(m, kv, block_of(s, s->values, table, b) + d * column_bytes,
                         left < s->block_size ? left : s->block_size, x, &f, acc);
            EACH_ROW(r, m) x[r] = (const char *)x[r] + s->padded_block * prob_bytes;
        }
        EACH_ROW(r, m) vf_store(p->out + d * TILE + r * (int64_t)s->dim, acc[r]);
    }
}

// INT8.

INL const float *scales_of(const split_args *s, const uint8_t *block) {
    return (const float *)(block + (int64_t)s->padded_block * s->dim);
}

// acc += k codes of 16 columns times those of each row; k is taken up to a multiple of 4, where
// rows have zeros.
INL void add_codes(int m, const uint8_t *w, int64_t k, const void *const *rows, stream *f,
                   vi *acc) {
    const int16_t *x[MAX_ROWS];
    EACH_ROW(r, m) x[r] = rows[r];
    for (int64_t i = 0; i < k; i += 4) {
        fetch_line(f);
#pragma GCC unroll 2
        for (int j = 0; j < 4; j += 2, w += 2 * TILE) {
            vi c = vi_load_pairs(w);
            EACH_ROW(r, m) {
                int32_t pair;
                memcpy(&pair, x[r] + i + j, sizeof pair);
                acc[r] = vi_dot_pairs(acc[r], c, pair);
            }
            IN_ORDER();
        }
    }
}

// The line of scales after a block's codes.
INL void fetch_scales(const split_args *s, const stream *f) {
    if (f->step != 0) vprefetch_far(scales_of(s, f->p));
}

INL void score_codes(int m, const pass *p) {
    const split_args *s = p->s;
    const int32_t *table = split_table(s);
    int left = s->last - s->first;
    for (int b = 0; b < p->blocks; b++, left -= s->block_size) {
        const uint8_t *codes = block_of(s, s->keys, table, b);
        const float *scales = scales_of(s, codes);
        stream f = far_stream(s, s->values, table, b, p->fetch);
        float *out = p->out + (int64_t)b * s->padded_block;
        fetch_scales(s, &f);
        for (int i = 0; i < left && i < s->block_size; i += TILE, codes += s->dim * TILE) {
            vi acc[MAX_ROWS];
            EACH_ROW(r, m) acc[r] = vi_set(0);
            add_codes(m, codes, s->dim, p->rows, &f, acc);
            vf scale = vf_load(scales + i);
            EACH_ROW(r, m) {
                vf by = vf_mul(scale, vf_set(p->scale[r]));
                vf_store(out + i + r * (int64_t)s->lanes, vf_mul(vf_from(acc[r]), by));
            }
        }
    }
}

INL void weigh_codes(int m, const pass *p) {
    const split_args *s = p->s;
    const int32_t *table = split_table(s);
    const int column_bytes = s->padded_block * TILE;
    for (int d = 0; d < s->dim / TILE; d++) {
        vi acc[MAX_ROWS];
        const void *x[MAX_ROWS];
        EACH_ROW(r, m) acc[r] = vi_set(0);
        EACH_ROW(r, m) x[r] = p->rows[r];
        int left = s->last - s->first;
        for (int b = 0; b < p->blocks; b++, left -= s->block_size) {
            stream f = far_stream(s, s->next_keys, s->next_table, b,
                                  p->fetch && b < s->num_next);
            if (d == 0) fetch_scales(s, &f);
            f.p += f.step != 0 ? d * column_bytes : 0;
            add_codes(m, block_of(s, s->values, table, b) + d * column_bytes,
                      left < s->block_size ? left : s->block_size, x, &f, acc);
            EACH_ROW(r, m) x[r] = (const int16_t *)x[r] + s->padded_block;
        }
        EACH_ROW(r, m) {
            vf_store(p->out + d * TILE + r * (int64_t)s->dim,
                     vf_mul(vf_from(acc[r]), vf_set(p->scale[r])));
        }
    }
}

// Probabilities times the scales of the values, in 16 bits. What masked positions hold may be no
// number.
static float code_probs(const split_args *s, int16_t *codes, float *probs, int blocks) {
    const int32_t *table = split_table(s);
    for (int b = 0; b < blocks; b++) {
        const float *scales = scales_of(s, block_of(s, s->values, table, b));
        float *p = probs + (int64_t)b * s->padded_block;
        for (int i = 0; i < s->padded_block; i += TILE) {
            vf v = vf_load(p + i);
            vf_store(p + i, vf_zero_below(vf_mul(v, vf_load(scales + i)), v, 1e-38f));
        }
    }
    const int lanes = blocks * s->padded_block;
    return codes16(codes, probs, lanes, code_limit(lanes));
}

typedef void (*pass_fn)(const pass *p);

enum { PROB_BF16 = ROW_FORM_BF16 == FORM_BF16 ? 2 : 4 };

#define PASS_FNS(name, m)                                                            \
    static void name##_score_f32_##m(const pass *p) { score_blocks(m, F32, p); }      \
    static void name##_score_bf16_##m(const pass *p) { score_blocks(m, BF16, p); }    \
    static void name##_weigh_f32_##m(const pass *p) { weigh_blocks(m, F32, 4, p); }   \
    static void name##_weigh_bf16_##m(const pass *p) {                               \
        weigh_blocks(m, BF16, PROB_BF16, p);                                         \
    }                                                                                \
    static void name##_score_int8_##m(const pass *p) { score_codes(m, p); }           \
    static void name##_weigh_int8_##m(const pass *p) { weigh_codes(m, p); }
EACH_ROWS(PASS_FNS, pass)

static const pass_fn score_fns[3][MAX_ROWS + 1] = {TILE_TABLE(pass_score_f32),
                                                   TILE_TABLE(pass_score_bf16),
                                                   TILE_TABLE(pass_score_int8)};
static const pass_fn weigh_fns[3][MAX_ROWS + 1] = {TILE_TABLE(pass_weigh_f32),
                                                   TILE_TABLE(pass_weigh_bf16),
                                                   TILE_TABLE(pass_weigh_int8)};

// The positions that row r sees lie in [*lo, *hi).
INL void visible(const split_args *s, int r, int *lo, int *hi) {
    int pos = s->position[r];
    *hi = pos + 1 < s->last ? pos + 1 : s->last;
    *lo = s->window > 0 && pos - s->window + 1 > s->first ? pos - s->window + 1 : s->first;
}

static float mask_and_max(const split_args *s, int r, float *scores) {
    int lo, hi;
    visible(s, r, &lo, &hi);
    vf best = vf_set(-__builtin_inff());
    for (int p = s->first; p < s->last; p += s->block_size, scores += s->padded_block) {
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

static float exp_scores(float *p, int lanes, float max) {
    vf sum = vf_zero();
    for (int i = 0; i < lanes; i += TILE) {
        vf v = vf_exp(vf_sub(vf_load(p + i), vf_set(max)));
        vf_store(p + i, v);
        sum = vf_add(sum, v);
    }
    return vf_sum(sum);
}

// Scores to probabilities relative to the row's maximum. A row that sees positions, but none with a
// number for a score, has no maximum.
static void soften(const split_args *s, int row, float *scores, int lanes) {
    s->max[row] = mask_and_max(s, row, scores);
    if (s->max[row] == -__builtin_inff()) {
        int lo, hi;
        visible(s, row, &lo, &hi);
        if (lo < hi) s->max[row] = __builtin_nanf("");
        memset(scores, 0, (size_t)lanes * sizeof *scores);
        s->sum[row] = 0;
    } else {
        s->sum[row] = exp_scores(scores, lanes, s->max[row]);
    }
}

// Row r's probabilities in the form that products with values take.
static void set_probs(pass *p, int r, float *probs) {
    const split_args *s = p->s;
    uint16_t *narrow = s->probs + (int64_t)r * s->lanes;
    p->rows[r] = probs;
    if (s->kv == INT8) {
        p->scale[r] = code_probs(s, (int16_t *)narrow, probs, p->blocks);
        p->rows[r] = narrow;
    } else if (ROW_FORM_BF16 == FORM_BF16 && s->kv == BF16) {
        to_bf16(narrow, probs, p->blocks * s->padded_block);
        p->rows[r] = narrow;
    }
}

static void attend_rows(const split_args *s, int first, int m) {
    const int kv = s->kv == F32 ? 0 : s->kv == BF16 ? 1 : 2;
    pass p = {.s = s, .out = s->scores, .fetch = first == 0,
              .blocks = (s->last - s->first + s->block_size - 1) / s->block_size};
    for (int r = 0; r < m; r++) {
        p.rows[r] = s->queries[first + r];
        p.scale[r] = s->kv == INT8 ? s->query_scale[first + r] : 1;
    }
    score_fns[kv][m](&p);
    for (int r = 0; r < m; r++) {
        float *scores = s->scores + (int64_t)r * s->lanes;
        soften(s, first + r, scores, p.blocks * s->padded_block);
        set_probs(&p, r, scores);
    }
    p.out = s->out + (int64_t)first * s->dim;
    weigh_fns[kv][m](&p);
}

// Takes rows in equal shares, as few as there can be.
static void attend(const split_args *s) {
    int shares = (s->rows + KERNEL_ROWS - 1) / KERNEL_ROWS, most = (s->rows + shares - 1) / shares;
    for (int r = 0; r < s->rows; r += most) {
        attend_rows(s, r, s->rows - r < most ? s->rows - r : most);
    }
}

#endif
