// y = x W^T + b. A unit of work is one tile of 16 columns, or with SwiGLU the four tiles that give
// 32 columns of silu(gate) * up; a task is a run of units for one panel of rows. Panels are sized
// so that their activations stay in the second-level cache while the weights stream past, once for
// each panel.
#include <string.h>

#include "exec.h"

enum {
    PANEL_BYTES = 256 << 10, // of activations
    TASK_BYTES = 96 << 10,   // of weights
};

void bs_matrix_layout(matrix *m) {
    static const int16_t code_bytes[NUM_FORMATS] = {
        [Q8_0] = 512, [Q4_0] = 256, [Q4_K] = 256, [Q5_K] = 320, [Q6_K] = 384};
    int64_t k = m->k, blocks = k / BLOCK, supers = k / SUPER;
    int64_t scales = 0;
    m->tiles = ceil_div(m->n, TILE);
    m->scales_at = blocks * code_bytes[m->format];
    switch (m->format) {
    case F32:
        m->scales_at = k * TILE * 4;
        break;
    case F16:
        m->scales_at = k * TILE * 2;
        break;
    case BF16:
        m->scales_at = (k + 1) / 2 * TILE * 4;
        break;
    case Q8_0:
    case Q4_0:
        scales = blocks * 32;
        break;
    case Q4_K:
    case Q5_K:
        scales = supers * 320;
        break;
    case Q6_K:
        scales = supers * 288;
        break;
    }
    m->tile_bytes = (m->scales_at + scales + 63) / 64 * 64;
}

void bs_run_tile(const kernels *k, const matrix *m, int tile, const void *const *rows, int count,
                 float *out, int64_t stride) {
    const uint8_t *data = m->data + tile * m->tile_bytes;
    tile_args t = {.codes = data, .scales = data + m->scales_at, .rows = rows, .out = out,
                   .stride = stride, .k = m->k};
    k->tile[m->format][count](&t);
}

static void load_rows(const kernels *k, const matrix *m, const value *x, row_run r,
                      const void **rows) {
    for (int i = 0; i < r.count; i++) rows[i] = row_of(x, k->row_form[m->format], r.first + i);
}

static void add_bias(float *y, const float *bias, int n) {
    for (int i = 0; i < n; i++) y[i] += bias[i];
}

void bs_plain_unit(const kernels *k, const projection *p, int tile, const void *const *rows,
                   int count, float *out, int64_t stride) {
    float edge[MAX_ROWS * TILE];
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
        bs_run_tile(k, &p->w, 2 * group + i, rows, count, t + i * TILE, 2 * GATED);
    }
    for (int i = 0; p->bias && i < count; i++) {
        add_bias(t + i * 2 * GATED, p->bias + group * GATED, n);
    }
}

void bs_gated_unit(const kernels *k, const projection *p, int group, const void *const *gate_rows,
                   const void *const *up_rows, int count, const value *out, int64_t row) {
    float t[MAX_ROWS * 2 * GATED], h[GATED];
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

static void run_unit(worker *w, const op *o, int unit, row_run r) {
    const kernels *k = w->e->k;
    const void *rows[MAX_ROWS], *up[MAX_ROWS];
    const projection *p = o->projections;
    if (o->swiglu) {
        load_rows(k, &p[0].w, o->x, r, rows);
        load_rows(k, &p[1].w, o->x, r, up);
        bs_gated_unit(k, p, unit, rows, up, r.count, o->out, r.first);
        return;
    }
    for (; unit >= p->w.tiles; p++) unit -= p->w.tiles;
    load_rows(k, &p->w, o->x, r, rows);
    float *out = o->out->f32 + r.first * o->out->stride;
    bs_plain_unit(k, p, unit, rows, r.count, out, o->out->stride);
}

static int64_t row_bytes(const kernels *k, const matrix *m) {
    int form = k->row_form[m->format];
    if (form == FORM_I8) return (int64_t)m->k / BLOCK * (int64_t)sizeof(act_block);
    return (int64_t)m->k * (form == FORM_BF16 ? 2 : 4);
}

cut bs_cut(const exec *e, const matrix *m, int units, int tiles_per_unit, int rows) {
    int most = e->k->max_rows, threads = bs_pool_threads(e->pool);
    cut c = {.units = units, .rows = rows};
    int64_t panel = PANEL_BYTES / row_bytes(e->k, m) / most * most;
    c.panel = panel < 2 * most ? 2 * most : (int32_t)panel;
    int64_t run = TASK_BYTES / (m->tile_bytes * tiles_per_unit);
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

row_run bs_row_run(const piece_of_work *t, int most, int i) {
    int runs = ceil_div(t->rows, most);
    int first = t->rows * i / runs, end = t->rows * (i + 1) / runs;
    return (row_run){t->first + first, end - first};
}

void bs_do_linear(worker *w, const op *o) {
    const exec *e = w->e;
    int most = e->k->max_rows;
    cut c = bs_cut(e, &o->projections->w, num_units(o), o->swiglu ? 4 : 1, rows_of(e, o->x));
    for (int32_t task; (task = bs_pool_claim(e->pool, 1)) < c.tasks;) {
        piece_of_work t = bs_task(&c, task);
        for (int unit = t.unit; unit < t.end; unit++) {
            for (int i = 0; i < ceil_div(t.rows, most); i++) {
                run_unit(w, o, unit, bs_row_run(&t, most, i));
            }
        }
    }
}
