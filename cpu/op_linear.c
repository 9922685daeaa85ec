// y = x W^T + b. A unit of work is one tile of 16 columns, or with SwiGLU the eight that give 64
// columns of silu(gate) * up; a task is a run of units for one panel of rows. Weights come from
// memory once for each panel; a chunk of a tile stays in the first-level cache for all its rows.
#include <string.h>

#include "exec.h"

enum {
    CHUNK_BYTES = 8 << 10, // of a tile's codes that stay in the first-level cache for all rows
    TASK_BYTES = 96 << 10, // of weights
    OPEN_ROWS = 12,        // from which on unpacking codes for all rows pays
    AHEAD = 2304,          // bytes of codes that are prefetched when one call takes all rows
};

static int64_t number_bytes(int format) { return format == F32 ? 4 : 2; }

static int64_t whole_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t bs_matrix_layout(matrix *m) {
    static const int16_t code_bytes[NUM_FORMATS] = {
        [Q8_0] = 512, [Q4_0] = 256, [Q4_K] = 256, [Q5_K] = 320, [Q6_K] = 384};
    static const int16_t scale_bytes[NUM_FORMATS] = {
        [Q8_0] = 256, [Q4_0] = 256, [Q4_K] = 320, [Q5_K] = 320, [Q6_K] = 288};
    int64_t k = m->k;
    m->tiles = ceil_div(m->n, TILE);
    m->scale_step = scale_bytes[m->format];
    if (m->format < Q8_0) {
        int64_t padded = m->format == BF16 ? (k + 1) / 2 * 2 : k;
        m->code_step = SUPER * TILE * (int32_t)number_bytes(m->format);
        m->code_bytes = whole_lines(padded * TILE * number_bytes(m->format));
    } else {
        m->code_step = SUPER / BLOCK * code_bytes[m->format];
        m->code_bytes = k / BLOCK * code_bytes[m->format];
    }
    m->scale_bytes = whole_lines(k * m->scale_step / SUPER);
    return matrix_bytes(m);
}

// Bytes of k activations.
static int64_t row_bytes(int form, int64_t k) {
    switch (form) {
    case FORM_I8:
        return k / BLOCK * (int64_t)sizeof(act_block);
    case FORM_I16:
        return k / BLOCK * (int64_t)sizeof(wide_block);
    case FORM_BF16:
        return k * 2;
    }
    return k * 4;
}

// k of a chunk.
static int chunk_of(const kernels *k, const matrix *m) {
    int step = k->open[m->format] ? SUPER / BLOCK * OPEN_BLOCK : m->code_step;
    int supers = CHUNK_BYTES / step;
    return (supers > 1 ? supers : 1) * SUPER;
}

// A chunk of the tile's k, of every row; rows are taken in nearly equal runs, and where there are
// many, the chunk's codes are unpacked for all of them. Each run prefetches
// its share of the chunk after this one, which begins at t.fetch.
static void run_chunk(const kernels *k, const matrix *m, tile_args t, int count) {
    _Alignas(64) uint8_t opened[CHUNK_BYTES];
    const tile_fn *tile = k->tile[m->format];
    int most = k->rows[m->format];
    if (k->open[m->format] && count >= OPEN_ROWS) {
        k->open[m->format](opened, t.codes, t.k / BLOCK);
        t.codes = opened;
        tile = k->open_tile[m->format];
        most = k->max_rows;
    }
    int runs = ceil_div(count, most);
    const void *const *rows = t.rows;
    const uint8_t *fetch = t.fetch;
    float *out = t.out;
    int64_t bytes = (int64_t)t.k * m->code_step / SUPER;
    t.fetch_step = 64 / runs;
    for (int i = 0; i < runs; i++) {
        int first = count * i / runs, end = count * (i + 1) / runs;
        t.rows = rows + first;
        t.out = out + first * t.stride;
        t.fetch = fetch + bytes * i / runs;
        tile[end - first](&t);
    }
}

// The sums of a row run along k in one order, whether or not they rest between the chunks.
void bs_run_tile(const kernels *k, const matrix *m, int tile, const void *const *rows, int count,
                 float *out, int64_t stride) {
    tile_args t = {.codes = tile_codes(m, tile), .scales = tile_scales(m, tile), .rows = rows,
                   .out = out, .stride = stride, .k = m->k};
    if (count <= k->rows[m->format]) {
        t.fetch = t.codes + AHEAD;
        t.fetch_step = 64;
        k->tile[m->format][count](&t);
        return;
    }
    int chunk = chunk_of(k, m), step = chunk / SUPER;
    for (int at = 0; at < m->k; at += chunk) {
        int last = at + chunk >= m->k;
        t.at = row_bytes(k->row_form[m->format], at);
        t.k = last ? m->k - at : chunk;
        t.fetch = last ? tile_codes(m, tile + 1) : t.codes + step * m->code_step;
        t.accumulate = at > 0;
        run_chunk(k, m, t, count);
        t.codes += step * m->code_step;
        t.scales += step * m->scale_step;
    }
}

static void load_rows(const kernels *k, const matrix *m, const value *x, const piece_of_work *t,
                      const void **rows) {
    for (int i = 0; i < t->rows; i++) rows[i] = row_of(x, k->row_form[m->format], t->first + i);
}

static void add_bias(float *y, const float *bias, int n) {
    for (int i = 0; i < n; i++) y[i] += bias[i];
}

void bs_plain_unit(const kernels *k, const projection *p, int tile, const void *const *rows,
                   int count, float *out, int64_t stride) {
    float edge[PANEL_ROWS * TILE];
    int column = tile * TILE, n = p->w.n - column < TILE ? p->w.n - column : TILE;
    out += p->at + column;
    if (n == TILE) {
        bs_run_tile(k, &p->w, tile, rows, count, out, stride);
    } else {
        bs_run_tile(k, &p->w, tile, rows, count, edge, TILE);
    }
    for (int i = 0; i < count; i++, out += stride) {
        if (n < TILE) memcpy(out, edge + i * TILE, (size_t)n * sizeof *out);
        if (p->bias) add_bias(out, p->bias + column, n);
    }
}

// Gate and up of GATED columns lie side by side in t.
static void gated_side(const kernels *k, const projection *p, int group, const void *const *rows,
                       int count, int n, float *t) {
    for (int i = 0; i * TILE < n; i++) {
        bs_run_tile(k, &p->w, GATED_TILES * group + i, rows, count, t + i * TILE, 2 * GATED);
    }
    for (int i = 0; p->bias && i < count; i++) {
        add_bias(t + i * 2 * GATED, p->bias + group * GATED, n);
    }
}

void bs_gated_unit(const kernels *k, const projection *p, int group, const void *const *gate_rows,
                   const void *const *up_rows, int count, const value *out, int64_t row) {
    float t[PANEL_ROWS * 2 * GATED], h[GATED];
    int column = group * GATED, n = out->width - column < GATED ? out->width - column : GATED;
    gated_side(k, p, group, gate_rows, count, n, t);
    gated_side(k, p + 1, group, up_rows, count, n, t + GATED);
    for (int i = 0; i < count; i++) {
        k->swiglu(h, t + i * 2 * GATED, t + i * 2 * GATED + GATED, n);
        bs_emit(k, out, row + i, column, n, h);
    }
}

static int num_units(const op *o) {
    if (o->swiglu) return ceil_div(o->out->width, GATED);
    int units = 0;
    for (int i = 0; i < o->num_projections; i++) units += o->projections[i].w.tiles;
    return units;
}

static void run_unit(worker *w, const op *o, int unit, const piece_of_work *t) {
    const kernels *k = w->e->k;
    const void *rows[PANEL_ROWS], *up[PANEL_ROWS];
    const projection *p = o->projections;
    if (o->swiglu) {
        load_rows(k, &p[0].w, o->x, t, rows);
        load_rows(k, &p[1].w, o->x, t, up);
        bs_gated_unit(k, p, unit, rows, up, t->rows, o->out, t->first);
        return;
    }
    for (; unit >= p->w.tiles; p++) unit -= p->w.tiles;
    load_rows(k, &p->w, o->x, t, rows);
    float *out = o->out->f32 + t->first * o->out->stride;
    bs_plain_unit(k, p, unit, rows, t->rows, out, o->out->stride);
}

cut bs_cut(const exec *e, const matrix *m, int units, int tiles_per_unit, int rows) {
    int threads = bs_pool_threads(e->pool);
    cut c = {.units = units, .rows = rows};
    int panels = ceil_div(rows, PANEL_ROWS);
    c.panel = panels > 0 ? ceil_div(rows, panels) : 1;
    int64_t run = TASK_BYTES / ((m->code_bytes + m->scale_bytes) * tiles_per_unit);
    int32_t even = c.units / (threads * 4); // leaves each thread a few tasks
    c.run = run < even ? (int32_t)run : even;
    if (c.run < 1) c.run = 1;
    c.runs = ceil_div(c.units, c.run);
    c.tasks = ceil_div(c.rows, c.panel) * c.runs;
    return c;
}

piece_of_work bs_task(const cut *c, int task) {
    piece_of_work t = {.first = task / c->runs * c->panel, .unit = task % c->runs * c->run};
    t.rows = c->rows - t.first < c->panel ? c->rows - t.first : c->panel;
    t.end = t.unit + c->run < c->units ? t.unit + c->run : c->units;
    return t;
}

void bs_do_linear(worker *w, const op *o) {
    const exec *e = w->e;
    cut c = bs_cut(e, &o->projections->w, num_units(o), o->swiglu ? 2 * GATED_TILES : 1,
                   rows_of(e, o->x));
    for (int32_t task; (task = bs_pool_claim(e->pool, 1)) < c.tasks;) {
        piece_of_work t = bs_task(&c, task);
        for (int unit = t.unit; unit < t.end; unit++) run_unit(w, o, unit, &t);
    }
}
