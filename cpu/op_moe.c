// Mixture of experts: the router's scores, the best experts of each row, then two products grouped
// by expert over the rows that chose it, and the weighted sum of each row's experts in the order of
// their rank.
#include <math.h>
#include <string.h>

#include "exec.h"

static void route(worker *w, const op *o) {
    const exec *e = w->e;
    const moe *m = o->moe;
    const projection *p = &m->router;
    int rows = rows_of(e, o->x), most = e->k->max_rows, runs = ceil_div(rows, most);
    for (int32_t task; (task = bs_pool_claim(e->pool, 1)) < runs * p->w.tiles;) {
        int tile = task / runs, first = task % runs * most;
        int count = rows - first < most ? rows - first : most;
        const void *x[MAX_ROWS];
        for (int i = 0; i < count; i++) x[i] = row_of(o->x, e->k->row_form[p->w.format], first + i);
        bs_plain_unit(e->k, p, tile, x, count, m->scores + (int64_t)first * m->experts,
                      m->experts);
    }
}

static void softmax(float *x, int n) {
    float most = x[0];
    double sum = 0;
    for (int i = 1; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int i = 0; i < n; i++) {
        x[i] = (float)exp((double)(x[i] - most));
        sum += x[i];
    }
    for (int i = 0; i < n; i++) x[i] = (float)(x[i] / sum);
}

// The best experts of a row, the lower index first among equals. A score that was taken, or is no
// number, counts as -1.
static void pick_experts(const moe *m, int64_t row) {
    float *scores = m->scores + row * m->experts, sum = 0;
    int32_t *pick = m->pick + row * m->top_k;
    float *weight = m->weight + row * m->top_k;
    softmax(scores, m->experts);
    for (int j = 0; j < m->top_k; j++) {
        int best = -1;
        for (int i = 0; i < m->experts; i++) {
            int taken = 0;
            for (int t = 0; t < j; t++) taken |= pick[t] == i;
            if (!taken && (best < 0 || scores[i] > scores[best])) best = i;
        }
        pick[j] = best;
        weight[j] = scores[best];
        sum += weight[j];
    }
    for (int j = 0; m->normalise && j < m->top_k; j++) weight[j] /= sum;
}

// Sorts the picks by expert, keeping the order of rows, and counts each expert's tasks.
static void place_rows(const exec *e, const op *o) {
    const moe *m = o->moe;
    int picks = rows_of(e, o->x) * m->top_k;
    memset(m->start, 0, (size_t)(m->experts + 1) * sizeof *m->start);
    for (int i = 0; i < picks; i++) m->start[m->pick[i] + 1]++;
    for (int i = 0; i < m->experts; i++) m->start[i + 1] += m->start[i];
    int32_t *next = m->gate_task; // of each expert its next free place, until the tasks are counted
    memcpy(next, m->start, (size_t)m->experts * sizeof *next);
    for (int i = 0; i < picks; i++) {
        m->place[i] = next[m->pick[i]]++;
        m->row[m->place[i]] = i / m->top_k;
    }
    m->gate_task[0] = m->down_task[0] = 0;
}

static int num_rows(const moe *m, int expert) { return m->start[expert + 1] - m->start[expert]; }

static cut cut_gate(const exec *e, const moe *m, int expert) {
    const matrix *w = &m->gate_up[2 * expert].w;
    return bs_cut(e, w, ceil_div(w->n, GATED), 2 * GATED_TILES, num_rows(m, expert));
}

static cut cut_down(const exec *e, const moe *m, int expert) {
    const matrix *w = &m->down[expert].w;
    return bs_cut(e, w, w->tiles, 1, num_rows(m, expert));
}

static void count_tasks(const exec *e, const moe *m) {
    for (int i = 0; i < m->experts; i++) {
        m->gate_task[i + 1] = m->gate_task[i] + cut_gate(e, m, i).tasks;
        m->down_task[i + 1] = m->down_task[i] + cut_down(e, m, i).tasks;
    }
}

// The expert whose tasks hold task.
static int expert_of(const int32_t *first, int experts, int task) {
    int lo = 0, hi = experts;
    while (hi - lo > 1) {
        int mid = (lo + hi) / 2;
        if (first[mid] <= task) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

static void run_gate(worker *w, const op *o, int expert, int task) {
    const kernels *k = w->e->k;
    const moe *m = o->moe;
    const projection *p = m->gate_up + 2 * expert;
    cut c = cut_gate(w->e, m, expert);
    piece_of_work t = bs_task(&c, task - m->gate_task[expert]);
    const void *gate[PANEL_ROWS], *up[PANEL_ROWS];
    int first = m->start[expert] + t.first;
    for (int j = 0; j < t.rows; j++) {
        gate[j] = row_of(o->x, k->row_form[p[0].w.format], m->row[first + j]);
        up[j] = row_of(o->x, k->row_form[p[1].w.format], m->row[first + j]);
    }
    for (int unit = t.unit; unit < t.end; unit++) {
        bs_gated_unit(k, p, unit, gate, up, t.rows, &m->inner, first);
    }
}

static void run_down(worker *w, const op *o, int expert, int task) {
    const kernels *k = w->e->k;
    const moe *m = o->moe;
    const projection *p = m->down + expert;
    cut c = cut_down(w->e, m, expert);
    piece_of_work t = bs_task(&c, task - m->down_task[expert]);
    const void *rows[PANEL_ROWS];
    int first = m->start[expert] + t.first;
    for (int j = 0; j < t.rows; j++) {
        rows[j] = row_of(&m->inner, k->row_form[p->w.format], first + j);
    }
    float *out = m->outer.f32 + first * m->outer.stride;
    for (int unit = t.unit; unit < t.end; unit++) {
        bs_plain_unit(k, p, unit, rows, t.rows, out, m->outer.stride);
    }
}

static void combine_row(const worker *w, const op *o, int64_t row) {
    const moe *m = o->moe;
    int width = o->out->width;
    float *y = o->out->f32 ? o->out->f32 + row * o->out->stride : w->s->row;
    memset(y, 0, (size_t)width * sizeof *y);
    for (int j = 0; j < m->top_k; j++) {
        const float *x = row_of(&m->outer, FORM_F32, m->place[row * m->top_k + j]);
        w->e->k->add_scaled(y, x, m->weight[row * m->top_k + j], width);
    }
    bs_emit(w->e->k, o->out, row, 0, width, y);
}

void bs_do_moe(worker *w, const op *o) {
    pool *p = w->e->pool;
    const moe *m = o->moe;
    int rows = rows_of(w->e, o->x);
    int32_t task;
    route(w, o);
    bs_pool_barrier(p);
    while ((task = bs_pool_claim(p, 1)) < rows) pick_experts(m, task);
    bs_pool_barrier(p);
    if (w->thread == 0) {
        place_rows(w->e, o);
        count_tasks(w->e, m);
    }
    bs_pool_barrier(p);
    while ((task = bs_pool_claim(p, 1)) < m->gate_task[m->experts]) {
        run_gate(w, o, expert_of(m->gate_task, m->experts, task), task);
    }
    bs_pool_barrier(p);
    while ((task = bs_pool_claim(p, 1)) < m->down_task[m->experts]) {
        run_down(w, o, expert_of(m->down_task, m->experts, task), task);
    }
    bs_pool_barrier(p);
    while ((task = bs_pool_claim(p, 1)) < rows) combine_row(w, o, task);
}
