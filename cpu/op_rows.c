// Operations on rows by themselves. A task is a row; where there are fewer rows than threads it is
// a piece of PIECE columns, and every task of a row repeats the row's sum, which gives the same
// bits at the cost of reading the row again.
#include <math.h>
#include <string.h>

#include "exec.h"

enum { PIECE = 512 };

typedef struct {
    int32_t row, at, n;
} piece;

// The next piece of rows x width; 0 when none is left.
static int claim_piece(worker *w, int rows, int width, piece *p) {
    int size = rows < bs_pool_threads(w->e->pool) ? PIECE : width;
    int pieces = ceil_div(width, size);
    int32_t task = bs_pool_claim(w->e->pool, 1);
    if (task >= rows * pieces) return 0;
    p->row = task / pieces;
    p->at = task % pieces * size;
    p->n = width - p->at < size ? width - p->at : size;
    return 1;
}

void bs_emit(const kernels *k, const value *v, int64_t row, int at, int n, const float *x) {
    if (v->f32) {
        float *y = v->f32 + row * v->stride + at;
        if (y != x) memcpy(y, x, (size_t)n * sizeof *y);
    }
    int64_t block = (row * v->width + at) / BLOCK;
    if (v->i8) k->quantise(v->i8 + block, x, n);
    if (v->i16) k->quantise_wide(v->i16 + block, x, n);
    if (v->bf16) {
        uint16_t *y = v->bf16 + row * v->stride;
        k->to_bf16(y + at, x, n);
        if (at + n == v->width && v->width % 2) y[v->width] = 0; // completes the last pair
    }
}

// Where a row operation may put its numbers before they are emitted.
static float *target(worker *w, const value *v, int64_t row, int at) {
    return v->f32 ? v->f32 + row * v->stride + at : w->s->row;
}

void bs_do_embed(worker *w, const op *o) {
    exec *e = w->e;
    for (int32_t row; (row = bs_pool_claim(e->pool, 1)) < e->batch.tokens;) {
        int32_t id = e->batch.token_ids[row];
        if (id < 0) id = e->out.ids[-1 - id];
        float *y = target(w, o->out, row, 0);
        bs_decode_row(o->format, y, o->table + id * o->row_bytes, o->out->width);
        bs_emit(e->k, o->out, row, 0, o->out->width, y);
    }
}

void bs_do_norm(worker *w, const op *o) {
    const kernels *k = w->e->k;
    int width = o->x->width;
    for (piece p; claim_piece(w, rows_of(w->e, o->x), width, &p);) {
        const float *x = row_of(o->x, FORM_F32, p.row);
        const float *residual = o->residual ? row_of(o->residual, FORM_F32, p.row) : NULL;
        float *sum = o->sum ? o->sum->f32 + p.row * o->sum->stride + p.at : NULL;
        float scale = 1 / sqrtf(k->sum_squares(x, residual, width) / (float)width + o->eps);
        float *y = target(w, o->out, p.row, p.at);
        k->norm(y, sum, x + p.at, residual ? residual + p.at : NULL, o->weight + p.at, scale, p.n);
        bs_emit(k, o->out, p.row, p.at, p.n, y);
    }
}

void bs_do_swiglu(worker *w, const op *o) {
    int width = o->out->width;
    for (piece p; claim_piece(w, rows_of(w->e, o->x), width, &p);) {
        const float *x = row_of(o->x, FORM_F32, p.row);
        float *y = target(w, o->out, p.row, p.at);
        w->e->k->swiglu(y, x + p.at, x + width + p.at, p.n);
        bs_emit(w->e->k, o->out, p.row, p.at, p.n, y);
    }
}

void bs_do_gather(worker *w, const op *o) {
    for (piece p; claim_piece(w, w->e->batch.samples, o->out->width, &p);) {
        const float *x = row_of(o->x, FORM_F32, w->e->batch.sample_rows[p.row]);
        bs_emit(w->e->k, o->out, p.row, p.at, p.n, x + p.at);
    }
}

// Adds the forms that the operation before could not write itself.
void bs_do_pack(worker *w, const op *o) {
    value v = *o->out;
    v.f32 = NULL;
    for (piece p; claim_piece(w, rows_of(w->e, &v), v.width, &p);) {
        const float *x = row_of(o->out, FORM_F32, p.row);
        bs_emit(w->e->k, &v, p.row, p.at, p.n, x + p.at);
    }
}

// The i-th inverse frequency at a position.
static double frequency(const rope *r, int position, int i) {
    if (r->ntk_position == 0 || position < r->ntk_position) return r->inv_freq[i];
    double d = 2.0 * r->half;
    double stretch = r->ntk_factor * (position + 1) / r->ntk_position - (r->ntk_factor - 1);
    return pow(r->ntk_base * pow(stretch, d / (d - 2)), -2.0 * i / d);
}

// The angles of this step's tokens, in double like the reference; every thread takes its share.
void bs_compute_angles(worker *w) {
    exec *e = w->e;
    int threads = bs_pool_threads(e->pool);
    for (rope *r = e->ropes; r < e->ropes + e->num_ropes; r++) {
        for (int t = w->thread; t < e->batch.tokens; t += threads) {
            float *c = r->angles + (int64_t)t * 2 * r->half, *s = c + r->half;
            int position = e->batch.positions[t];
            for (int i = 0; i < r->half; i++) {
                double angle = position * frequency(r, position, i);
                c[i] = (float)cos(angle) * r->scale;
                s[i] = (float)sin(angle) * r->scale;
            }
        }
    }
}
