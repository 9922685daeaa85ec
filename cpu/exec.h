// A compiled program: a flat list of operations that every worker thread walks in step, the buffers
// that they read and write, the paged cache, and one batch. Go fills these structures once; a step
// then costs two calls, bs_post and bs_collect.
#ifndef BASALT_CPU_EXEC_H
#define BASALT_CPU_EXEC_H

#include "kern.h"
#include "pool.h"

// A packed matrix: the codes of all tiles, then the scales of all tiles. Who reads tile after tile
// reads two streams without a gap, which the processor foresees; see kern.h for both.
typedef struct {
    int32_t format, n, k;
    int32_t tiles;                   // of 16 columns
    int64_t code_bytes, scale_bytes; // of a tile, multiples of 64
    int32_t code_step, scale_step;   // of a tile for 256 k
    uint8_t *data;
} matrix;

INL int64_t matrix_bytes(const matrix *m) { return m->tiles * (m->code_bytes + m->scale_bytes); }
INL uint8_t *tile_codes(const matrix *m, int64_t tile) { return m->data + tile * m->code_bytes; }
INL uint8_t *tile_scales(const matrix *m, int64_t tile) {
    return m->data + m->tiles * m->code_bytes + tile * m->scale_bytes;
}

// A register's rows, in the forms that its readers ask for; the other pointers are NULL.
typedef struct {
    int32_t sample_rows; // one row for each sample row instead of each token
    int32_t width;
    int64_t stride; // elements between rows of f32 and bf16
    float *f32;
    act_block *i8; // width / 32 blocks a row
    uint16_t *bf16;
    wide_block *i16; // width / 32 blocks a row
} value;

typedef struct {
    matrix w;
    const float *bias; // or NULL
    int32_t at;        // first column of the output
} projection;

// Rotary embedding of one kind; the angles of a step's tokens are computed once a step.
typedef struct {
    const double *inv_freq;
    int32_t half; // number of frequencies
    int32_t interleaved;
    float scale;
    // Dynamic NTK scaling (runtime.DynamicNTK) of positions from ntk_position on; 0 is none.
    double ntk_base, ntk_factor;
    int32_t ntk_position;
    float *angles; // [token][cos x half, sin x half]
} rope;

// A place is one row of one expert; places are ordered by expert, then by row.
typedef struct {
    int32_t experts, top_k, normalise;
    projection router;    // [experts, k]
    projection *gate_up;  // of each expert two [hidden, k]
    projection *down;     // of each expert [k, hidden]
    float *scores;        // [row][experts]
    int32_t *pick;        // [row][top_k] experts, best first
    float *weight;        // [row][top_k]
    int32_t *start;       // [experts + 1] the first place of an expert
    int32_t *row;         // [place] the row that lies there
    int32_t *place;       // [row][top_k] its inverse
    int32_t *gate_task;   // [experts + 1] tasks of the first product before an expert
    int32_t *down_task;   // and of the second
    value inner, outer;   // [place] x hidden, [place] x k
} moe;

enum op_kind {
    DO_EMBED,
    DO_NORM,
    DO_LINEAR,
    DO_HEADS,
    DO_ATTENTION,
    DO_SWIGLU,
    DO_MOE,
    DO_GATHER,
    DO_PACK,
    DO_SAMPLE,
};

typedef struct {
    int32_t kind, layer;
    const value *x, *residual;
    value *out, *sum;
    // DO_EMBED: a table in its file's format; DO_NORM: weight.
    const uint8_t *table;
    int64_t row_bytes;
    int32_t format;
    float eps;
    const float *weight;
    // DO_LINEAR: with swiglu the two projections are gate and up, and out is their product.
    projection *projections;
    int32_t num_projections, swiglu;
    // DO_HEADS, DO_ATTENTION: optional norms of heads, rope -1 for none.
    int32_t heads, kv_heads, dim, rope;
    const float *q_norm, *k_norm;
    float head_eps;
    int32_t cache, window;
    float scale;
    moe *moe;
} op;

// One row's sampling, laid out as runtime.SamplingRow.
typedef struct {
    uint64_t seed;
    uint32_t choice, position;
    int32_t slot, top_k, logprobs, bias_start, bias_end;
    float temperature, top_p, min_p;
    float repetition_penalty, presence_penalty, frequency_penalty;
    int32_t reserved;
} sampling_row;

typedef struct {
    int32_t id;
    float bias;
} logit_bias;

// The batch as runtime.Batch; block tables have exec.max_blocks entries a sequence.
typedef struct {
    int32_t tokens, seqs, samples, num_resets, num_counts;
    int32_t *token_ids, *positions, *slots, *query_start, *seq_lens, *block_tables, *sample_rows;
    sampling_row *sampling;
    logit_bias *bias;
    int32_t *resets, *count_slots, *count_ids;
} batch;

typedef struct {
    int32_t *ids;
    float *logprobs;
    int32_t *top_start; // [samples + 1]
    int32_t *top_ids;
    float *top_logprobs;
    float *logits; // [samples][vocab]
} output;

// Query rows of one sequence that attention handles together.
typedef struct {
    int32_t seq, row, rows;
    int32_t splits;  // of the context up to the last row
    int32_t partial; // index of the first partial result, -1 when one task does all splits
} query_tile;

typedef struct {
    int32_t tile;
    int32_t split; // -1: all
} query_task;

typedef struct {
    float *row;              // [max_width]
    float *queries, *scores, *total, *part;
    uint16_t *narrow_queries, *probs;
    float *maxima, *sums;
    float *logits, *chances; // [vocab] of the row that is being sampled
    int32_t *ids;            // [vocab]
    float *block_max;        // [vocab / SAMPLE_BLOCK, rounded up]
    double *block_sums;
} scratch;

typedef struct {
    pool *pool;
    const kernels *k;
    op *ops;
    int32_t num_ops;
    int32_t vocab, max_tokens, max_blocks, max_slots;

    // The cache: [layer][block][kv head][head_bytes] of keys, and the same of values.
    uint8_t *keys, *values;
    int32_t kv, kv_heads, dim, padded_dim, block_size, padded_block;
    int64_t head_bytes, block_bytes, layer_bytes;

    rope *ropes;
    int32_t num_ropes;

    // Attention: splits of split_blocks blocks, query tiles, partial results.
    int32_t split_blocks, lanes, max_group, units; // units: tasks of a query tile
    int32_t num_tiles, num_tasks, num_split_tiles, max_partials;
    query_tile *tiles;
    query_task *tasks;
    float *partials; // [partial][max_group][2 + padded_dim]

    scratch *scratch; // of each thread
    uint32_t **counts; // of each slot [vocab], NULL until used
    batch batch;
    output out;
    uint32_t ticket;
    int32_t failed; // memory for counts could not be had
    int64_t *spent; // [thread][num_ops] nanoseconds of processor time; NULL: not measured
} exec;

typedef struct {
    exec *e;
    scratch *s;
    int thread;
} worker;

void bs_post(exec *e);
void bs_collect(exec *e);

// Fills in all but data from format, n and k, and gives the bytes of data.
int64_t bs_matrix_layout(matrix *m);

// Runs one operation on the calling thread; all threads of the pool are in it together.
void bs_do_embed(worker *w, const op *o);
void bs_do_norm(worker *w, const op *o);
void bs_do_linear(worker *w, const op *o);
void bs_do_heads(worker *w, const op *o);
void bs_do_attention(worker *w, const op *o);
void bs_do_swiglu(worker *w, const op *o);
void bs_do_moe(worker *w, const op *o);
void bs_do_gather(worker *w, const op *o);
void bs_do_pack(worker *w, const op *o);
void bs_do_sample(worker *w, const op *o);

void bs_compute_angles(worker *w);
void bs_plan_attention(exec *e);
void bs_update_counts(exec *e);
void bs_decode_row(int format, float *y, const uint8_t *x, int n);

// Writes n columns of a row, from column at, in every form that v keeps. Blocks of 32 must not be
// cut.
void bs_emit(const kernels *k, const value *v, int64_t row, int at, int n, const float *x);

// One tile for up to PANEL_ROWS rows.
void bs_run_tile(const kernels *k, const matrix *m, int tile, const void *const *rows, int count,
                 float *out, int64_t stride);

// One tile of a projection for count rows; out is column 0 of the output of the first row.
void bs_plain_unit(const kernels *k, const projection *p, int tile, const void *const *rows,
                   int count, float *out, int64_t stride);

// 64 columns of silu(gate) * up, gate being p[0] and up p[1], to count rows of out from row on.
void bs_gated_unit(const kernels *k, const projection *p, int group, const void *const *gate_rows,
                   const void *const *up_rows, int count, const value *out, int64_t row);

enum { GATED = 64, GATED_TILES = GATED / TILE };

// How the rows and columns of a product are cut into tasks: a task is a run of units (of columns)
// for one panel of rows.
enum { PANEL_ROWS = 48 };

typedef struct {
    int32_t units, run, runs; // units in all and in a task, tasks in a panel
    int32_t rows, panel;      // rows in all and in a panel
    int32_t tasks;
} cut;

typedef struct {
    int32_t unit, end, first, rows;
} piece_of_work;

cut bs_cut(const exec *e, const matrix *m, int units, int tiles_per_unit, int rows);
piece_of_work bs_task(const cut *c, int task);

INL int rows_of(const exec *e, const value *v) {
    return v->sample_rows ? e->batch.samples : e->batch.tokens;
}

INL int32_t ceil_div(int32_t a, int32_t b) { return (a + b - 1) / b; }

INL const void *row_of(const value *v, int form, int64_t row) {
    if (form == FORM_I8) return v->i8 + row * (v->width / BLOCK);
    if (form == FORM_I16) return v->i16 + row * (v->width / BLOCK);
    if (form == FORM_BF16) return v->bf16 + row * v->stride;
    return v->f32 + row * v->stride;
}

#endif
