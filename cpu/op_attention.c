// Attention over the paged cache. A query tile is up to SPLIT_ROWS query vectors that share a
// key-value head: all query heads of its group for one or more consecutive tokens. The context is
// cut into splits of a fixed number of blocks at absolute positions; the results of the splits are
// merged from the first to the last, whether one task computes them all or several tasks one each
// (long contexts of single tokens), so the bits do not depend on the batch or the threads.
#include <math.h>
#include <string.h>

#include "exec.h"

// Heads: the queries, then keys, then values of a fused row.

static void norm_head(const kernels *k, float *head, const float *weight, const op *o) {
    float scale = 1 / sqrtf(k->sum_squares(head, NULL, o->dim) / (float)o->dim + o->head_eps);
    k->norm(head, NULL, head, NULL, weight, scale, o->dim);
}

static void turn_head(const exec *e, const op *o, float *head, int64_t row) {
    if (o->rope < 0) return;
    const rope *r = e->ropes + o->rope;
    const float *cos = r->angles + row * 2 * r->half;
    e->k->rope(head, cos, cos + r->half, r->half, r->interleaved);
}

// Norms and turns in place the queries of one group and its key.
static void prepare_group(const exec *e, const op *o, float *x, int64_t row, int group) {
    int per = o->heads / o->kv_heads;
    for (int h = group * per; h < (group + 1) * per; h++) {
        if (o->q_norm) norm_head(e->k, x + h * o->dim, o->q_norm, o);
        turn_head(e, o, x + h * o->dim, row);
    }
    float *key = x + (o->heads + group) * o->dim;
    if (o->k_norm) norm_head(e->k, key, o->k_norm, o);
    turn_head(e, o, key, row);
}

void bs_do_heads(worker *w, const op *o) {
    exec *e = w->e;
    for (int32_t row; (row = bs_pool_claim(e->pool, 1)) < e->batch.tokens;) {
        float *y = o->out->f32 + row * o->out->stride;
        const float *x = row_of(o->x, FORM_F32, row);
        if (x != y) memcpy(y, x, (size_t)o->x->width * sizeof *y);
        for (int g = 0; g < o->kv_heads; g++) prepare_group(e, o, y, row, g);
    }
}

static void store_f32(const exec *e, float *keys, float *values, const float *k, const float *v,
                      int at) {
    for (int d = 0; d < e->dim; d++) {
        keys[(at / TILE * e->padded_dim + d) * TILE + at % TILE] = k[d];
        values[(d / TILE * e->padded_block + at) * TILE + d % TILE] = v[d];
    }
}

// Values come in pairs of positions. The place of the next position is cleared unless the next
// token fills it in this step: it may hold anything, and would be multiplied by zero.
static void store_bf16(const exec *e, uint16_t *keys, uint16_t *values, const float *k,
                       const float *v, int at, int clear_next) {
    for (int d = 0; d < e->dim; d++) {
        int column = at / TILE * (e->padded_dim / 2) + d / 2;
        keys[column * 2 * TILE + at % TILE * 2 + d % 2] = bf16_round(k[d]);
        int pair = d / TILE * (e->padded_block / 2) + at / 2;
        uint16_t *p = values + pair * 2 * TILE + d % TILE * 2;
        p[at % 2] = bf16_round(v[d]);
        if (clear_next) p[1] = 0;
    }
}

// Codes in BF16's order. What lies in a place that no token has filled is multiplied by zero.
static void scatter_codes(const exec *e, int8_t *keys, int8_t *values, const int8_t *k,
                          const int8_t *v, int at) {
    for (int d = 0; d < e->dim; d++) {
        int column = at / TILE * (e->padded_dim / 2) + d / 2;
        keys[column * 2 * TILE + at % TILE * 2 + d % 2] = k[d];
        int pair = d / TILE * (e->padded_block / 2) + at / 2;
        values[pair * 2 * TILE + d % TILE * 2 + at % 2] = v[d];
    }
}

static void store_int8(const worker *w, uint8_t *keys, uint8_t *values, const float *k,
                       const float *v, int at) {
    const exec *e = w->e;
    int8_t *codes = (int8_t *)w->s->row, *more = codes + e->padded_dim;
    const int64_t scales = (int64_t)e->padded_block * e->padded_dim;
    ((float *)(keys + scales))[at] = e->k->codes8(codes, k, e->dim);
    ((float *)(values + scales))[at] = e->k->codes8(more, v, e->dim);
    scatter_codes(e, (int8_t *)keys, (int8_t *)values, codes, more, at);
}

static void append(const worker *w, const op *o, const float *x, int row, int group) {
    const exec *e = w->e;
    const batch *b = &e->batch;
    const float *k = x + (o->heads + group) * o->dim, *v = k + o->kv_heads * o->dim;
    int32_t slot = b->slots[row], at = slot % e->block_size;
    int64_t place = o->cache * e->layer_bytes + slot / e->block_size * e->block_bytes +
                    group * e->head_bytes;
    if (e->kv == F32) {
        store_f32(e, (float *)(e->keys + place), (float *)(e->values + place), k, v, at);
    } else if (e->kv == INT8) {
        store_int8(w, e->keys + place, e->values + place, k, v, at);
    } else {
        int next = row + 1 < b->tokens && b->slots[row + 1] == slot + 1;
        store_bf16(e, (uint16_t *)(e->keys + place), (uint16_t *)(e->values + place), k, v, at,
                   at % 2 == 0 && !next);
    }
}

// The query heads that one task handles: count heads from head on, all of one group.
typedef struct {
    int32_t group, head, count;
} head_run;

static int runs_per_group(const op *o) { return ceil_div(o->heads / o->kv_heads, SPLIT_ROWS); }

static head_run head_run_of(const op *o, int unit) {
    int per = o->heads / o->kv_heads, runs = runs_per_group(o);
    int group = unit / runs, first = unit % runs * SPLIT_ROWS;
    int count = per - first < SPLIT_ROWS ? per - first : SPLIT_ROWS;
    return (head_run){group, group * per + first, count};
}

static int split_length(const exec *e) { return e->split_blocks * e->block_size; }

// The splits that the tile's rows see: from *lo to *hi - 1.
static void visible_splits(const exec *e, const op *o, const query_tile *t, int *lo, int *hi) {
    int first = e->batch.positions[t->row];
    *lo = o->window > 0 && first >= o->window ? (first - o->window + 1) / split_length(e) : 0;
    *hi = t->splits;
}

// A tile's queries as the kernels take them.
typedef struct {
    const void *rows[SPLIT_ROWS];
    float scale[SPLIT_ROWS];
    int32_t position[SPLIT_ROWS];
} query_rows;

// Scaled copies of the tile's queries, padded, in the form that the cache's format asks for.
static void load_queries(const worker *w, const op *o, const query_tile *t, head_run h,
                         query_rows *to) {
    const exec *e = w->e;
    int dim = e->padded_dim;
    for (int r = 0; r < t->rows * h.count; r++) {
        int64_t row = t->row + r / h.count;
        const float *x = row_of(o->x, FORM_F32, row);
        float *q = w->s->queries + r * dim;
        uint16_t *narrow = w->s->narrow_queries + r * dim;
        e->k->scale(q, x + (h.head + r % h.count) * o->dim, o->scale, o->dim);
        memset(q + o->dim, 0, (size_t)(dim - o->dim) * sizeof *q);
        to->position[r] = e->batch.positions[row];
        to->rows[r] = narrow;
        if (e->kv == INT8) {
            to->scale[r] = e->k->codes16((int16_t *)narrow, q, dim, code_limit(dim));
        } else if (e->k->row_form[e->kv] == FORM_BF16) {
            e->k->to_bf16(narrow, q, dim);
        } else {
            to->rows[r] = q;
        }
    }
}

// Fills in all of a split's arguments but its range and its results.
static split_args describe(const worker *w, const op *o, const query_tile *t, head_run h,
                           const query_rows *q) {
    const exec *e = w->e;
    int64_t head = o->cache * e->layer_bytes + h.group * e->head_bytes;
    return (split_args){
        .queries = q->rows, .query_scale = q->scale, .position = q->position,
        .table = e->batch.block_tables + (int64_t)t->seq * e->max_blocks,
        .keys = e->keys + head, .values = e->values + head, .block_bytes = e->block_bytes,
        .kv = e->kv, .rows = t->rows * h.count, .dim = e->padded_dim, .window = o->window,
        .block_size = e->block_size, .padded_block = e->padded_block, .lanes = e->lanes,
        .scores = w->s->scores, .probs = w->s->probs,
        .max = w->s->maxima + SPLIT_ROWS, .sum = w->s->sums + SPLIT_ROWS, .out = w->s->part,
    };
}

// A place where keys begin: of a tile's rows, of one key-value head, from one split on.
typedef struct {
    const query_tile *tile;
    int32_t group, split;
} start;

// Tells the split which keys come after it.
static void set_next(const exec *e, const op *o, split_args *s, start next) {
    s->num_next = 0;
    if (!next.tile) return;
    const batch *b = &e->batch;
    const query_tile *t = next.tile;
    int first = next.split * e->split_blocks;
    int blocks = b->positions[t->row + t->rows - 1] / e->block_size + 1 - first;
    s->num_next = blocks < e->split_blocks ? blocks : e->split_blocks;
    s->next_table = b->block_tables + (int64_t)t->seq * e->max_blocks + first;
    s->next_keys = e->keys + o->cache * e->layer_bytes + next.group * e->head_bytes;
}

static void attend_split(const exec *e, split_args *s, int split, int end) {
    s->first = split * split_length(e);
    s->last = s->first + split_length(e) < end ? s->first + split_length(e) : end;
    e->k->attend(s);
}

// total += part, where both are softmax sums relative to their own maximum. The factor of the one
// with the greater maximum is exp(0) = 1.
static void merge(const exec *e, float *max, float *sum, float *total, float part_max,
                  float part_sum, const float *part) {
    if (part_max == -INFINITY) return;
    float add = 1;
    if (part_max > *max) {
        float keep = e->k->exp(*max - part_max);
        *max = part_max;
        *sum *= keep;
        e->k->scale(total, total, keep, e->padded_dim);
    } else {
        add = e->k->exp(part_max - *max);
    }
    *sum += part_sum * add;
    e->k->add_scaled(total, part, add, e->padded_dim);
}

static void clear_total(const worker *w, int rows) {
    memset(w->s->total, 0, (size_t)rows * (size_t)w->e->padded_dim * sizeof(float));
    for (int r = 0; r < rows; r++) {
        w->s->maxima[r] = -INFINITY;
        w->s->sums[r] = 0;
    }
}

// Divides the totals by their sums and writes the heads of each row.
static void finish(const worker *w, const op *o, const query_tile *t, head_run h) {
    for (int i = 0; i < t->rows; i++) {
        for (int j = 0; j < h.count; j++) {
            int r = i * h.count + j;
            const float *total = w->s->total + r * w->e->padded_dim;
            w->e->k->scale(w->s->row + j * o->dim, total, 1 / w->s->sums[r], o->dim);
        }
        bs_emit(w->e->k, o->out, t->row + i, h.head * o->dim, h.count * o->dim, w->s->row);
    }
}

static void attend_all(const worker *w, const op *o, const query_tile *t, head_run h, start next) {
    const exec *e = w->e;
    query_rows q;
    load_queries(w, o, t, h, &q);
    split_args s = describe(w, o, t, h, &q);
    clear_total(w, s.rows);
    int lo, hi, end = e->batch.positions[t->row + t->rows - 1] + 1;
    visible_splits(e, o, t, &lo, &hi);
    for (int split = lo; split < hi; split++) {
        set_next(e, o, &s, split + 1 < hi ? (start){t, h.group, split + 1} : next);
        attend_split(e, &s, split, end);
        for (int r = 0; r < s.rows; r++) {
            merge(e, w->s->maxima + r, w->s->sums + r, w->s->total + r * s.dim, s.max[r], s.sum[r],
                  s.out + r * s.dim);
        }
    }
    finish(w, o, t, h);
}

// Partial results: for max_group rows a maximum, a sum, and padded_dim numbers each.
static float *partial_of(const exec *e, const query_tile *t, int unit, int split) {
    int64_t i = t->partial + (int64_t)unit * t->splits + split;
    return e->partials + i * e->max_group * (2 + e->padded_dim);
}

static void attend_one(const worker *w, const op *o, const query_tile *t, int unit, int split,
                       start next) {
    const exec *e = w->e;
    query_rows q;
    head_run h = head_run_of(o, unit);
    int lo, hi;
    visible_splits(e, o, t, &lo, &hi);
    if (split < lo) return;
    load_queries(w, o, t, h, &q);
    split_args s = describe(w, o, t, h, &q);
    s.max = partial_of(e, t, unit, split);
    s.sum = s.max + e->max_group;
    s.out = s.sum + e->max_group;
    set_next(e, o, &s, next);
    attend_split(e, &s, split, e->batch.positions[t->row] + 1);
}

static void merge_splits(const worker *w, const op *o, const query_tile *t, int unit) {
    const exec *e = w->e;
    head_run h = head_run_of(o, unit);
    int lo, hi;
    visible_splits(e, o, t, &lo, &hi);
    clear_total(w, h.count);
    for (int split = lo; split < hi; split++) {
        const float *max = partial_of(e, t, unit, split), *sum = max + e->max_group;
        const float *out = sum + e->max_group;
        for (int r = 0; r < h.count; r++) {
            merge(e, w->s->maxima + r, w->s->sums + r, w->s->total + r * e->padded_dim, max[r],
                  sum[r], out + r * e->padded_dim);
        }
    }
    finish(w, o, t, h);
}

static void append_rows(worker *w, const op *o) {
    exec *e = w->e;
    int tasks = e->batch.tokens * o->kv_heads;
    for (int32_t task; (task = bs_pool_claim(e->pool, 1)) < tasks;) {
        int row = task / o->kv_heads, group = task % o->kv_heads;
        float *x = o->x->f32 + row * o->x->stride;
        prepare_group(e, o, x, row, group);
        append(w, o, x, row, group);
    }
}

static start start_of(const exec *e, const op *o, int task, int units) {
    const query_task *q = e->tasks + task / units;
    const query_tile *t = e->tiles + q->tile;
    int lo, hi;
    visible_splits(e, o, t, &lo, &hi);
    return (start){t, head_run_of(o, task % units).group, q->split > lo ? q->split : lo};
}

static void attend_task(const worker *w, const op *o, int task, int units, start next) {
    const exec *e = w->e;
    const query_task *q = e->tasks + task / units;
    const query_tile *t = e->tiles + q->tile;
    if (q->split < 0) {
        attend_all(w, o, t, head_run_of(o, task % units), next);
    } else {
        attend_one(w, o, t, task % units, q->split, next);
    }
}

// A thread claims its next task before it begins one, to fetch what that one reads; but not the
// last ones, which another thread may be free for.
static void attend_tasks(const worker *w, const op *o, int units) {
    const exec *e = w->e;
    const int tasks = e->num_tasks * units, last = tasks - 2 * bs_pool_threads(e->pool);
    int task = bs_pool_claim(e->pool, 1);
    while (task < tasks) {
        int next = task < last ? bs_pool_claim(e->pool, 1) : tasks;
        start then = {0};
        if (next < tasks) then = start_of(e, o, next, units);
        attend_task(w, o, task, units, then);
        task = task < last ? next : bs_pool_claim(e->pool, 1);
    }
}

void bs_do_attention(worker *w, const op *o) {
    exec *e = w->e;
    int units = o->kv_heads * runs_per_group(o);
    append_rows(w, o);
    bs_pool_barrier(e->pool);
    attend_tasks(w, o, units);
    if (e->num_split_tiles == 0) return;
    bs_pool_barrier(e->pool);
    for (int32_t i; (i = bs_pool_claim(e->pool, 1)) < e->num_tiles * units;) {
        const query_tile *t = e->tiles + i / units;
        if (t->partial >= 0) merge_splits(w, o, t, i % units);
    }
}
