// Compares the kernels of an instruction set with the portable ones, at random shapes and in arrays
// of exactly the size that a kernel may touch, none of them aligned. `make test-isa` and
// `make test-sanitize` build and run it:
//
//   kernels ISA [rounds [seed]]
//
// where "best" is the best ISA of the processor.
//
// The reference is kern_portable.c with fused multiply-adds (BASALT_FUSED, renamed to
// bs_kernels_fused): every other instruction set must give its bits. Only two may differ, within
// bounds: products of BF16 where an instruction adds pairs, and the portable kernels that ship,
// which may round by way of double.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../pack.h"

extern const kernels bs_kernels_fused;

// Without the address sanitizer, marks on both sides of an array tell writes beyond it.
#if defined(BASALT_SANITIZE)
enum { MARK = 0 };
#else
enum { MARK = 64 };
#endif

enum { MAX_ARRAYS = 160, SIDES = 2 };

typedef struct {
    char *start, *p;
    size_t bytes;
} array;

// A comparison runs on both sides with equal inputs: side 0 is the reference.
typedef struct {
    const kernels *k[SIDES];
    pool *pool;
    uint64_t seed;
    int exact;
    int num_arrays;
    array arrays[MAX_ARRAYS];
    int64_t compared;
    double worst; // relative norm among results that may differ
} check;

static uint64_t next(check *c) {
    uint64_t z = c->seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int between(check *c, int low, int high) {
    return low + (int)(next(c) % (uint64_t)(high - low + 1));
}

static float number(check *c) {
    float u = (float)(next(c) >> 40) / (1 << 23) - 1;
    return u * ldexpf(1, between(c, -6, 3));
}

// An array that lives until the end of the round, at an odd multiple of 4 bytes.
static void *take(check *c, size_t bytes) {
    if (c->num_arrays == MAX_ARRAYS) abort();
    array *a = c->arrays + c->num_arrays++;
    size_t skip = 4 + 8 * (size_t)between(c, 0, 7);
    a->bytes = bytes;
    a->start = malloc(skip + MARK + bytes + MARK);
    if (!a->start) abort();
    a->p = a->start + skip + MARK;
    memset(a->p - MARK, 0x5a, MARK);
    memset(a->p, 0, bytes);
    memset(a->p + bytes, 0x5a, MARK);
    return a->p;
}

static void release_all(check *c) {
    for (int i = 0; i < c->num_arrays; i++) {
        const array *a = c->arrays + i;
        for (int j = 0; j < MARK; j++) {
            if (a->p[j - MARK] == 0x5a && a->p[a->bytes + (size_t)j] == 0x5a) continue;
            printf("%s: a kernel wrote outside of its array\n", c->k[1]->name);
            exit(1);
        }
        free(a->start);
    }
    c->num_arrays = 0;
}

static float *floats(check *c, int64_t n) { return take(c, (size_t)n * sizeof(float)); }

static float *numbers(check *c, int64_t n) {
    float *x = floats(c, n);
    for (int64_t i = 0; i < n; i++) x[i] = number(c);
    return x;
}

// Numbers that BF16 holds.
static float *narrow_numbers(check *c, int64_t n) {
    float *x = numbers(c, n);
    for (int64_t i = 0; i < n; i++) x[i] = bf16_widen(bf16_round(x[i]));
    return x;
}

static void *copy(check *c, const void *x, size_t bytes) {
    return memcpy(take(c, bytes), x, bytes);
}

static void fail(const check *c, const char *what, int64_t at, double got, double want) {
    printf("%s: %s differs from the reference at %lld: %.9g, not %.9g\n", c->k[1]->name, what,
           (long long)at, got, want);
    exit(1);
}

static int same(float x, float y) {
    return memcmp(&x, &y, sizeof x) == 0 || (isnan(x) && isnan(y));
}

// The same bits, or with a bound the relative norm of the difference within it.
static void compare(check *c, const char *what, const float *got, const float *want, int64_t n,
                    double bound) {
    double difference = 0, norm = 0;
    for (int64_t i = 0; i < n; i++) {
        if (bound == 0 && !same(got[i], want[i])) fail(c, what, i, got[i], want[i]);
        if (same(got[i], want[i])) continue;
        if (!isfinite(got[i]) || !isfinite(want[i])) fail(c, what, i, got[i], want[i]);
        difference += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
    }
    for (int64_t i = 0; i < n; i++) norm += isfinite(want[i]) ? (double)want[i] * want[i] : 0;
    double off = difference > 0 ? sqrt(difference / norm) : 0;
    if (off > bound) fail(c, what, -1, off, bound);
    c->worst = off > c->worst ? off : c->worst;
    c->compared += n;
}

// What the bound is where equal bits are not asked for.
static double unless_exact(const check *c, double bound) { return c->exact ? 0 : bound; }

// Matrices.

static int is_block(int format) { return format >= Q8_0; }

static int unit_of(int format) { return format >= Q4_K ? SUPER : is_block(format) ? BLOCK : 1; }

// A finite binary16 of moderate size.
static void put_half(check *c, uint8_t *p) {
    uint16_t h = (uint16_t)((next(c) & 0x83ff) | (uint64_t)between(c, 0, 16) << 10);
    memcpy(p, &h, sizeof h);
}

// A row-major matrix in a file's format: random but for its scales, which are finite.
static uint8_t *random_rows(check *c, int format, int n, int k) {
    int64_t bytes = n * bs_row_bytes(format, k), step = bs_row_bytes(format, unit_of(format));
    uint8_t *data = take(c, (size_t)bytes);
    for (int64_t i = 0; i < bytes; i++) data[i] = (uint8_t)next(c);
    for (uint8_t *p = data; p < data + bytes; p += step) {
        float x = number(c);
        uint16_t narrow = bf16_round(x);
        if (format == F32) memcpy(p, &x, sizeof x);
        if (format == BF16) memcpy(p, &narrow, sizeof narrow);
        if (format == F16 || (is_block(format) && format != Q6_K)) put_half(c, p);
        if (format == Q4_K || format == Q5_K) put_half(c, p + 2);
        if (format == Q6_K) put_half(c, p + 208);
    }
    return data;
}

static matrix packed(check *c, const kernels *k, int format, int n, int width,
                     const uint8_t *rows) {
    matrix m = {.format = format, .n = n, .k = width};
    m.data = take(c, (size_t)bs_matrix_layout(&m));
    packing one = {.m = &m, .data = rows, .source = format};
    pack_job job = {.pool = c->pool, .k = k, .list = &one, .count = 1};
    bs_pool_wait(c->pool, bs_pack(&job));
    return m;
}

// A row of activations in the form that the kernels ask for; x has only numbers that BF16 holds
// where that is one of the forms.
static const void *in_form(check *c, const kernels *k, int form, const float *x, int n) {
    if (form == FORM_F32) return copy(c, x, (size_t)n * sizeof *x);
    if (form == FORM_I8) {
        act_block *y = take(c, (size_t)(n / BLOCK) * sizeof *y);
        c->k[0]->quantise(y, x, n); // the same on both sides: check_quantise compares
        return y;
    }
    if (form == FORM_I16) {
        wide_block *y = take(c, (size_t)(n / BLOCK) * sizeof *y);
        c->k[0]->quantise_wide(y, x, n);
        return y;
    }
    // An odd last number is paired with zero.
    uint16_t *y = take(c, (size_t)((n + 1) / 2 * 2) * sizeof *y);
    k->to_bf16(y, x, n);
    return y;
}

static int pairs_bf16(const check *c, int format) {
    return format == BF16 && c->k[1]->row_form[BF16] == FORM_BF16;
}

// One tile, read without what follows it in the matrix.
static float *run_tile(check *c, int side, const matrix *m, const float *x, int rows, int stride,
                       const float *start) {
    const kernels *k = c->k[side];
    int tile = (int)(c->seed % (uint64_t)m->tiles), width = m->k;
    const void *row[MAX_ROWS];
    for (int r = 0; r < rows; r++) {
        row[r] = in_form(c, k, k->row_form[m->format], x + r * width, width);
    }
    const uint8_t *codes = copy(c, tile_codes(m, tile), (size_t)m->code_bytes);
    const uint8_t *scales = copy(c, tile_scales(m, tile), (size_t)m->scale_bytes);
    int64_t n = (rows - 1) * stride + TILE;
    float *out = start ? copy(c, start, (size_t)n * sizeof *out) : numbers(c, n);
    tile_args t = {.codes = codes, .scales = scales, .rows = row, .out = out,
                   .stride = stride, .k = width, .accumulate = start != 0};
    k->tile[m->format][rows](&t);
    return out;
}

static void check_tile(check *c) {
    int format = between(c, 0, NUM_FORMATS - 1), n = between(c, 1, 40);
    int width = unit_of(format) * between(c, 1, format < Q8_0 ? 150 : format < Q4_K ? 9 : 3);
    int most = c->k[0]->max_rows < c->k[1]->max_rows ? c->k[0]->max_rows : c->k[1]->max_rows;
    int rows = between(c, 1, c->k[1]->max_rows), stride = TILE + between(c, 0, 9);
    uint8_t *data = random_rows(c, format, n, width);
    float *x = narrow_numbers(c, rows * width);
    float *start = between(c, 0, 1) ? numbers(c, rows * stride) : NULL;
    matrix m[SIDES];
    for (int i = 0; i < SIDES; i++) m[i] = packed(c, c->k[i], format, n, width, data);
    uint64_t seed = c->seed; // chooses the tile
    float *got = run_tile(c, 1, &m[1], x, rows, stride, start);
    double bound = unless_exact(c, 1e-5);
    if (pairs_bf16(c, format)) bound = 1e-5;
    // The reference takes fewer rows at a time: a row must not depend on its neighbours.
    for (int r = 0; r < rows; r += most) {
        int count = rows - r < most ? rows - r : most;
        c->seed = seed;
        float *want = run_tile(c, 0, &m[0], x + r * width, count, stride,
                               start ? start + r * stride : NULL);
        for (int i = 0; i < count; i++) {
            compare(c, "a product", got + (r + i) * stride, want + i * stride, TILE, bound);
        }
    }
}

// Rows.

static void check_quantise(check *c) {
    int n = BLOCK * between(c, 1, 5);
    float *x = numbers(c, n);
    if (between(c, 0, 3) == 0) memset(x, 0, BLOCK * sizeof *x);
    act_block *y[SIDES];
    uint16_t *z[SIDES];
    int odd = n - between(c, 0, 31);
    for (int i = 0; i < SIDES; i++) {
        y[i] = take(c, (size_t)(n / BLOCK) * sizeof **y);
        z[i] = take(c, (size_t)odd * sizeof **z);
        c->k[i]->quantise(y[i], x, n);
        c->k[i]->to_bf16(z[i], x, odd);
    }
    int8_t *codes[SIDES];
    float scale[SIDES];
    for (int i = 0; i < SIDES; i++) {
        codes[i] = take(c, (size_t)odd);
        scale[i] = c->k[i]->codes8(codes[i], x, odd);
    }
    compare(c, "the scale of codes", scale + 1, scale, 1, 0);
    if (memcmp(codes[0], codes[1], (size_t)odd) != 0) fail(c, "codes8", -1, *codes[1], *codes[0]);
    for (int b = 0; b < n / BLOCK; b++) {
        if (memcmp(y[0] + b, y[1] + b, sizeof **y) == 0) continue;
        fail(c, "quantise", b, y[1][b].d, y[0][b].d);
    }
    if (memcmp(z[0], z[1], (size_t)odd * sizeof **z) != 0) fail(c, "to_bf16", -1, z[1][0], z[0][0]);
    c->compared += n + odd;
}

static void check_norm(check *c) {
    int n = between(c, 1, 300);
    float *x = numbers(c, n), *w = numbers(c, n), *y[SIDES], *sum[SIDES];
    float *residual = between(c, 0, 1) ? numbers(c, n) : NULL, squares[SIDES];
    int in_place = between(c, 0, 1), keep = between(c, 0, 1);
    for (int i = 0; i < SIDES; i++) {
        float *from = copy(c, x, (size_t)n * sizeof *x);
        squares[i] = c->k[i]->sum_squares(from, residual, n);
        sum[i] = keep ? floats(c, n) : NULL;
        y[i] = in_place ? from : floats(c, n);
        c->k[i]->norm(y[i], sum[i], from, residual, w, 0.37f, n);
    }
    compare(c, "sum_squares", squares + 1, squares, 1, unless_exact(c, 1e-6));
    compare(c, "norm", y[1], y[0], n, 0);
    if (keep) compare(c, "norm's sum", sum[1], sum[0], n, 0);
}

static void check_rows(check *c) {
    int n = between(c, 1, 300);
    float *gate = numbers(c, n), *up = numbers(c, n), *y[SIDES], *z[SIDES], *s[SIDES];
    for (int i = 0; i < n; i++) gate[i] *= 20; // beyond both ends of exp
    for (int i = 0; i < SIDES; i++) {
        y[i] = floats(c, n);
        c->k[i]->swiglu(y[i], gate, up, n);
        z[i] = copy(c, up, (size_t)n * sizeof *up);
        c->k[i]->add_scaled(z[i], gate, -0.77f, n);
        s[i] = floats(c, n);
        c->k[i]->scale(s[i], gate, 0.13f, n);
    }
    compare(c, "swiglu", y[1], y[0], n, unless_exact(c, 1e-6));
    compare(c, "add_scaled", z[1], z[0], n, unless_exact(c, 1e-6));
    compare(c, "scale", s[1], s[0], n, 0);
}

static void check_rope(check *c) {
    int half = between(c, 1, 70), interleaved = between(c, 0, 1);
    float *x = numbers(c, 2 * half), *cos = numbers(c, half), *sin = numbers(c, half), *y[SIDES];
    for (int i = 0; i < SIDES; i++) {
        y[i] = copy(c, x, (size_t)(2 * half) * sizeof *x);
        c->k[i]->rope(y[i], cos, sin, half, interleaved);
    }
    compare(c, "rope", y[1], y[0], 2 * half, 0);
}

static void check_exp(check *c) {
    static const float special[] = {0, -0.0f, INFINITY, -INFINITY, NAN, 88.2f, 88.4f, 1e30f, -86.9f,
                                    -87, -87.1f, -1e30f, 1e-40f};
    int count = (int)(sizeof special / sizeof *special), i = between(c, 0, 3 * count);
    float x = i < count ? special[i] : 30 * number(c);
    float got = c->k[1]->exp(x), want = c->k[0]->exp(x);
    compare(c, "exp", &got, &want, 1, unless_exact(c, 1e-6));
}

static void check_sampling(check *c) {
    int n = between(c, 1, 900), runs = (n + SAMPLE_BLOCK - 1) / SAMPLE_BLOCK;
    float *z = numbers(c, n), *most[SIDES], *p[SIDES], all[SIDES], sum[SIDES];
    for (int i = 0; i < n / 9; i++) z[between(c, 0, n - 1)] = -INFINITY; // forbidden ids
    z[between(c, 0, n - 1)] = number(c);
    for (int i = 0; i < SIDES; i++) {
        most[i] = floats(c, runs);
        all[i] = c->k[i]->block_max(most[i], z, n);
        p[i] = floats(c, n);
        double *sums = (double *)((char *)take(c, 4 + (size_t)runs * sizeof *sums) + 4);
        sum[i] = (float)c->k[i]->exp_sums(p[i], sums, z, n, all[0], 0.7f);
    }
    compare(c, "block_max", most[1], most[0], runs, 0);
    compare(c, "the greatest", all + 1, all, 1, 0);
    compare(c, "exp_sums", p[1], p[0], n, unless_exact(c, 1e-6));
    compare(c, "the sum", sum + 1, sum, 1, unless_exact(c, 1e-6));
}

// Attention.

typedef struct {
    split_args args;
    int blocks;
    const float *x; // queries
    const uint8_t *keys, *values;
    size_t cache_bytes;
} scene;

static int round_up(int n, int to) { return (n + to - 1) / to * to; }

// Bytes of a head's part of a block.
static int64_t part_bytes(const split_args *a) {
    int64_t n = (int64_t)a->padded_block * a->dim;
    return a->kv == INT8 ? n + 4 * a->padded_block : n * (a->kv == F32 ? 4 : 2);
}

// Codes of every kind, with the scales of numbers like those of the other formats; now and then a
// place that nobody reads holds no number.
static void fill_codes(check *c, const scene *s, uint8_t *cache) {
    const split_args *a = &s->args;
    int64_t codes = (int64_t)a->padded_block * a->dim;
    for (int b = 0; b < s->blocks; b++, cache += part_bytes(a)) {
        for (int64_t i = 0; i < codes; i++) cache[i] = (uint8_t)between(c, -127, 127);
        for (int i = 0; i < a->padded_block; i++) {
            float scale = fabsf(number(c)) / 127;
            if (i >= a->block_size) scale = NAN;
            memcpy(cache + codes + 4 * i, &scale, sizeof scale);
        }
    }
}

// Random keys and values. Where an odd number of positions is read, BF16 pairs the last one with
// the next place, which op_attention.c clears.
static uint8_t *random_cache(check *c, scene *s, int is_values) {
    const split_args *a = &s->args;
    int64_t n = (int64_t)s->blocks * a->padded_block * a->dim;
    uint8_t *cache = take(c, s->cache_bytes);
    if (a->kv == INT8) fill_codes(c, s, cache);
    for (int64_t i = 0; a->kv != INT8 && i < n; i++) {
        float x = number(c);
        uint16_t narrow = bf16_round(x);
        if (a->kv == F32) memcpy(cache + 4 * i, &x, sizeof x);
        if (a->kv == BF16) memcpy(cache + 2 * i, &narrow, sizeof narrow);
    }
    for (int64_t i = 1; is_values && a->kv == BF16 && i < n; i += 2) {
        int64_t position = i / (2 * TILE) % (a->padded_block / 2) * 2 + 1;
        int block = (int)(i / ((int64_t)a->padded_block * a->dim));
        int last = a->last - a->block_size * ((a->last - 1) / a->block_size);
        if (position == a->block_size || (block == 0 && position == last)) {
            memset(cache + 2 * i, 0, 2);
        }
    }
    return cache;
}

static scene random_scene(check *c) {
    static const int sizes[] = {1, 4, 16, 17, 32, 48}, kinds[] = {F32, BF16, INT8};
    int size = sizes[between(c, 0, 5)], rows = between(c, 1, SPLIT_ROWS);
    scene s = {.blocks = between(c, 1, size < 16 ? 9 : 4)};
    s.args = (split_args){
        .kv = kinds[between(c, 0, 2)], .rows = rows, .dim = TILE * between(c, 1, 5),
        .window = between(c, 0, 1) * between(c, 1, 60),
        .block_size = size, .padded_block = round_up(size, TILE),
        .first = size * between(c, 0, s.blocks - 1),
        .last = size * (s.blocks - 1) + between(c, 1, size)};
    s.args.lanes = s.blocks * s.args.padded_block;
    s.args.block_bytes = part_bytes(&s.args);
    s.cache_bytes = (size_t)(s.blocks * s.args.block_bytes);
    int32_t *position = take(c, (size_t)rows * 4), *table = take(c, (size_t)s.blocks * 4);
    for (int i = 0; i < rows; i++) position[i] = s.args.last - 1 + between(c, -20, 60);
    for (int i = 0; i < rows; i++) position[i] = position[i] < 0 ? 0 : position[i];
    for (int i = 0; i < s.blocks; i++) table[i] = s.blocks - 1 - i;
    s.args.position = position;
    s.args.table = table;
    s.args.num_next = between(c, 0, s.blocks);
    s.x = narrow_numbers(c, rows * s.args.dim);
    s.keys = random_cache(c, &s, 0);
    s.values = random_cache(c, &s, 1);
    return s;
}

static split_args attend(check *c, const scene *s, int side) {
    const kernels *k = c->k[side];
    split_args a = s->args;
    const void *queries[SPLIT_ROWS];
    float *scale = floats(c, a.rows);
    for (int r = 0; r < a.rows; r++) {
        const float *x = s->x + r * a.dim;
        if (a.kv != INT8) {
            queries[r] = in_form(c, k, k->row_form[a.kv], x, a.dim);
            continue;
        }
        int16_t *codes = take(c, (size_t)a.dim * sizeof *codes);
        scale[r] = k->codes16(codes, x, a.dim, code_limit(a.dim));
        queries[r] = codes;
    }
    a.queries = queries;
    a.query_scale = scale;
    a.keys = copy(c, s->keys, s->cache_bytes);
    a.values = copy(c, s->values, s->cache_bytes);
    a.scores = floats(c, k->max_rows * a.lanes);
    a.probs = take(c, (size_t)(k->max_rows * a.lanes) * 2);
    a.next_table = a.table;
    a.next_keys = a.keys;
    a.max = floats(c, a.rows);
    a.sum = floats(c, a.rows);
    a.out = floats(c, a.rows * a.dim);
    k->attend(&a);
    return a;
}

static void check_attention(check *c) {
    scene s = random_scene(c);
    split_args want = attend(c, &s, 0), got = attend(c, &s, 1);
    int narrow = want.kv == BF16 && pairs_bf16(c, BF16);
    double bound = narrow ? 1e-4 : unless_exact(c, 1e-5);
    compare(c, "attention's maximum", got.max, want.max, want.rows, bound);
    compare(c, "attention's sum", got.sum, want.sum, want.rows, bound);
    // Probabilities are rounded to 8 bits for products of BF16.
    compare(c, "attention", got.out, want.out, want.rows * want.dim, narrow ? 4e-3 : bound);
}

static void check_ceilings(check *c) {
    const kernels *k = c->k[1];
    float *data = numbers(c, 64 * 9 + 5);
    float got = (float)k->read(data, 64 * 9 * 4 + 20), want = 0;
    for (int i = 0; i < 64 * 9; i++) want += data[i];
    compare(c, "read", &got, &want, 1, 1e-3);
    if (k->peak_fma(1000) <= 0 || k->peak_int8(1 << 22) <= 0) fail(c, "peak", 0, 0, 1);
    if ((k->peak_bf16(1000) > 0) != (k->row_form[BF16] == FORM_BF16)) fail(c, "peak_bf16", 0, 0, 1);
}

int main(int argc, char **argv) {
    static void (*const checks[])(check *) = {check_tile, check_tile, check_tile, check_quantise,
                                              check_norm, check_rows, check_rope, check_exp,
                                              check_sampling, check_attention};
    if (argc < 2) return 2;
    int rounds = argc > 2 ? atoi(argv[2]) : 2000;
    const char *isa = strcmp(argv[1], "best") == 0 ? "" : argv[1];
    check c = {.k = {&bs_kernels_fused, bs_kernels(isa)}, .pool = bs_pool_open(2)};
    c.seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    if (!c.k[1] || !c.pool) {
        printf("%s: this processor lacks it\n", argv[1]);
        return 3;
    }
    c.exact = c.k[1] != &bs_kernels_portable;
    check_ceilings(&c);
    release_all(&c);
    for (int i = 0; i < rounds; i++) {
        for (size_t j = 0; j < sizeof checks / sizeof *checks; j++) {
            checks[j](&c);
            release_all(&c);
        }
    }
    bs_pool_close(c.pool);
    printf("%s: %lld numbers compared; where they may differ, relative norm %.1e at most\n",
           c.k[1]->name, (long long)c.compared, c.worst);
    return 0;
}
