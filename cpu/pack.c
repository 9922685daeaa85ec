#include "pack.h"

#include <math.h>
#include <string.h>

// One call's work; a task is a run of tiles.
typedef struct {
    pool *pool;
    const kernels *k;
    const matrix *m;
    int source;
    const uint8_t *data;
    int64_t row_bytes;
    int run;
} packing;

static uint32_t word_at(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, sizeof x);
    return x;
}

static void put_word(uint8_t *p, uint32_t x) { memcpy(p, &x, sizeof x); }

// The rows of one tile; those beyond n are NULL and pack as zeros.
typedef struct {
    const uint8_t *row[TILE];
} source_rows;

static source_rows rows_of_tile(const packing *p, int tile) {
    source_rows s;
    for (int c = 0; c < TILE; c++) {
        int n = tile * TILE + c;
        s.row[c] = n < p->m->n ? p->data + n * p->row_bytes : NULL;
    }
    return s;
}

// Plain numbers of size bytes are moved STRIP at a time, which keeps the lines that are written
// in the first-level cache.
enum { STRIP = 32 };

static void pack_numbers(uint8_t *y, const source_rows *s, int64_t k, int64_t size) {
    for (int64_t at = 0; at < k; at += STRIP) {
        int64_t end = at + STRIP < k ? at + STRIP : k;
        for (int c = 0; c < TILE; c++) {
            for (int64_t i = at; i < end; i++) {
                uint8_t *to = y + (i * TILE + c) * size;
                if (!s->row[c]) {
                    memset(to, 0, (size_t)size);
                } else if (size == 4) {
                    put_word(to, word_at(s->row[c] + 4 * i));
                } else {
                    memcpy(to, s->row[c] + 2 * i, 2);
                }
            }
        }
    }
}

// Pairs of numbers are moved as words; an odd last one is paired with zero.
static void pack_bf16(uint8_t *y, const source_rows *s, int64_t k) {
    pack_numbers(y, s, k / 2, 4);
    if (k % 2 == 0) return;
    y += k / 2 * TILE * 4;
    memset(y, 0, TILE * 4);
    for (int c = 0; c < TILE; c++) {
        if (s->row[c]) memcpy(y + 4 * c, s->row[c] + 2 * (k - 1), 2);
    }
}

// 32 codes of each of 16 columns, to lines of 4 codes a column.
static void put_nibbles(uint8_t *y, uint8_t codes[TILE][BLOCK]) {
    for (int j = 0; j < 4; j++) {
        for (int c = 0; c < TILE; c++) {
            uint32_t low = word_at(codes[c] + 4 * j), high = word_at(codes[c] + 16 + 4 * j);
            put_word(y + 64 * j + 4 * c, (low & 0x0f0f0f0f) | (high & 0x0f0f0f0f) << 4);
        }
    }
}

static void put_fifth_bits(uint8_t *y, uint8_t codes[TILE][BLOCK]) {
    for (int c = 0; c < TILE; c++) {
        uint32_t plane = 0;
        for (int g = 0; g < 8; g++) plane |= (word_at(codes[c] + 4 * g) >> 4 & 0x01010101) << g;
        put_word(y + 4 * c, plane);
    }
}

static void put_upper_bits(uint8_t *y, uint8_t codes[TILE][BLOCK]) {
    for (int c = 0; c < TILE; c++) {
        for (int half = 0; half < 2; half++) {
            uint32_t plane = 0;
            for (int g = 0; g < 4; g++) {
                plane |= (word_at(codes[c] + 16 * half + 4 * g) >> 4 & 0x03030303) << 2 * g;
            }
            put_word(y + 64 * half + 4 * c, plane);
        }
    }
}

// The codes of Q8_0, where they lie.
static void put_bytes(uint8_t *y, const uint8_t *const *codes, uint32_t flip) {
    for (int g = 0; g < 8; g++) {
        for (int c = 0; c < TILE; c++) {
            put_word(y + 64 * g + 4 * c, word_at(codes[c] + 4 * g) ^ flip);
        }
    }
}

// BF16's order: [k/2][16][2], words of two columns.
static void put_pairs(uint8_t *y, const uint8_t *const *codes) {
    for (int g = 0; g < 8; g++) {
        for (int c = 0; c < TILE; c += 2) {
            uint32_t x = word_at(codes[c] + 4 * g), z = word_at(codes[c + 1] + 4 * g);
            put_word(y + 64 * g + 2 * c, (x & 0xffff) | z << 16);
            put_word(y + 64 * g + 32 + 2 * c, x >> 16 | (z & 0xffff0000));
        }
    }
}

static uint8_t *put_q8_0(uint8_t *y, const uint8_t *const *codes, int layout) {
    if (layout == Q8_PAIRS) {
        put_pairs(y, codes);
    } else {
        put_bytes(y, codes, layout == Q8_SIGNED ? 0 : 0x80808080);
    }
    return y + 512;
}

// The file's order of nibbles in a block of Q4_0 is that of a tile.
static uint8_t *put_q4_0(uint8_t *y, const uint8_t *const *codes) {
    for (int j = 0; j < 4; j++) {
        for (int c = 0; c < TILE; c++) put_word(y + 64 * j + 4 * c, word_at(codes[c] + 4 * j));
    }
    return y + 256;
}

// Writes the codes of one block of 32 k; gives the end of what it wrote.
static uint8_t *put_codes(uint8_t *y, int format, uint8_t codes[TILE][BLOCK]) {
    put_nibbles(y, codes);
    if (format == Q5_K) {
        put_fifth_bits(y + 256, codes);
        return y + 320;
    }
    if (format == Q6_K) {
        put_upper_bits(y + 256, codes);
        return y + 384;
    }
    return y + 256;
}

// Q8_0 and Q4_0: blocks of 32, a scale before the codes.
static void pack_simple(const packing *p, uint8_t *y, const source_rows *s) {
    static const uint8_t none[2 + BLOCK];
    int64_t bytes = bs_row_bytes(p->source, BLOCK);
    uint8_t *scales = y + p->m->scales_at;
    for (int64_t b = 0; b < p->m->k / BLOCK; b++, scales += 32) {
        const uint8_t *codes[TILE];
        for (int c = 0; c < TILE; c++) {
            const uint8_t *x = s->row[c] ? s->row[c] + b * bytes : none;
            memcpy(scales + 2 * c, x, 2);
            codes[c] = x + 2;
        }
        y = p->source == Q8_0 ? put_q8_0(y, codes, p->k->q8_layout) : put_q4_0(y, codes);
    }
}

// One scale and minimum (Q4_K, Q5_K) or two scales (Q6_K) of column c and sub-block j.
static void put_k_scales(uint8_t *y, int format, const uint8_t *x, int j, int c) {
    if (format == Q6_K) {
        y[32 + 32 * j + c] = x[192 + 2 * j];
        y[48 + 32 * j + c] = x[193 + 2 * j];
    } else {
        bs_k_scales(x + 4, j, y + 64 + 32 * j + c, y + 80 + 32 * j + c);
    }
}

static void put_k_header(uint8_t *y, int format, const uint8_t *x, int c) {
    if (format == Q6_K) {
        memcpy(y + 2 * c, x + 208, 2);
    } else {
        memcpy(y + 2 * c, x, 2);
        memcpy(y + 32 + 2 * c, x + 2, 2);
    }
}

static void pack_k(const packing *p, uint8_t *y, const source_rows *s) {
    int format = p->source;
    int64_t bytes = bs_row_bytes(format, SUPER), step = format == Q6_K ? 288 : 320;
    uint8_t *scales = y + p->m->scales_at;
    for (int64_t b = 0; b < p->m->k / SUPER; b++, scales += step) {
        memset(scales, 0, (size_t)step);
        for (int c = 0; c < TILE; c++) {
            if (s->row[c]) put_k_header(scales, format, s->row[c] + b * bytes, c);
        }
        for (int j = 0; j < 8; j++) {
            uint8_t codes[TILE][BLOCK] = {{0}};
            for (int c = 0; c < TILE; c++) {
                if (!s->row[c]) continue;
                bs_unpack_codes(format, s->row[c] + b * bytes, j, codes[c]);
                put_k_scales(scales, format, s->row[c] + b * bytes, j, c);
            }
            y = put_codes(y, format, codes);
        }
    }
}

// The nearest integer within bounds; low for what is no number.
static int32_t nearest(float x, float low, float high) {
    return (int32_t)rintf(fminf(fmaxf(x, low), high));
}

// binary16, ties to even; beyond its range infinity.
static uint16_t f16_round(float x) {
    union {
        float f;
        uint32_t u;
    } v = {x};
    uint16_t sign = (uint16_t)(v.u >> 16 & 0x8000);
    v.u &= 0x7fffffff;
    if (v.u > 0x7f800000) return sign | 0x7e00;
    if (v.u >= 0x477ff000) return sign | 0x7c00;
    if (v.u < 0x38800000) { // subnormal: adding 1/2 leaves the fraction in place
        v.f += 0.5f;
        return sign | (uint16_t)(v.u - 0x3f000000);
    }
    v.u += 0xfff + (v.u >> 13 & 1);
    return sign | (uint16_t)((v.u - 0x38000000) >> 13);
}

// The scale is rounded to binary16 first, so that the codes fit the scale that is kept.
static uint16_t quantise_q8_0(const float *x, uint8_t *codes) {
    float most = 0;
    for (int i = 0; i < BLOCK; i++) most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    uint16_t d = f16_round(most / 127);
    float scale = f16_widen(d), inverse = scale > 0 ? 1 / scale : 0;
    for (int i = 0; i < BLOCK; i++) {
        codes[i] = (uint8_t)(int8_t)nearest(x[i] * inverse, -127, 127);
    }
    return d;
}

// The value of greatest magnitude becomes -8, so the scale may be negative.
static uint16_t quantise_q4_0(const float *x, uint8_t *codes) {
    float most = 0;
    for (int i = 0; i < BLOCK; i++) most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    uint16_t d = f16_round(most / -8);
    float scale = f16_widen(d), inverse = scale != 0 ? 1 / scale : 0;
    for (int i = 0; i < BLOCK; i++) {
        codes[i] = (uint8_t)(nearest(x[i] * inverse, -8, 7) + 8);
    }
    return d;
}

static void quantise_tile(const packing *p, uint8_t *y, const source_rows *s) {
    int64_t bytes = bs_row_bytes(p->source, BLOCK);
    uint8_t *scales = y + p->m->scales_at;
    for (int64_t b = 0; b < p->m->k / BLOCK; b++, scales += 32) {
        uint8_t codes[TILE][BLOCK] = {{0}};
        const uint8_t *rows[TILE];
        for (int c = 0; c < TILE; c++) {
            float x[BLOCK];
            uint16_t d = 0;
            rows[c] = codes[c];
            if (s->row[c]) {
                bs_decode_row(p->source, x, s->row[c] + b * bytes, BLOCK);
                d = p->m->format == Q8_0 ? quantise_q8_0(x, codes[c]) : quantise_q4_0(x, codes[c]);
            }
            memcpy(scales + 2 * c, &d, sizeof d);
        }
        y = p->m->format == Q8_0 ? put_q8_0(y, rows, p->k->q8_layout)
                                 : put_codes(y, Q4_0, codes);
    }
}

static void pack_tile(const packing *p, int tile) {
    uint8_t *y = p->m->data + tile * p->m->tile_bytes;
    source_rows s = rows_of_tile(p, tile);
    if (p->source != p->m->format) {
        quantise_tile(p, y, &s);
        return;
    }
    switch (p->source) {
    case F32:
        pack_numbers(y, &s, p->m->k, 4);
        break;
    case F16:
        pack_numbers(y, &s, p->m->k, 2);
        break;
    case BF16:
        pack_bf16(y, &s, p->m->k);
        break;
    case Q8_0:
    case Q4_0:
        pack_simple(p, y, &s);
        break;
    default:
        pack_k(p, y, &s);
    }
}

static void pack_job(void *arg, int thread) {
    const packing *p = arg;
    (void)thread;
    for (int32_t t; (t = bs_pool_claim(p->pool, p->run)) < p->m->tiles;) {
        int end = t + p->run < p->m->tiles ? t + p->run : p->m->tiles;
        for (; t < end; t++) pack_tile(p, t);
    }
}

void bs_pack(pool *pool, const kernels *k, const matrix *m, int source, const uint8_t *data) {
    packing p = {.pool = pool, .k = k, .m = m, .source = source, .data = data,
                 .row_bytes = bs_row_bytes(source, m->k)};
    int run = m->tiles / (bs_pool_threads(pool) * 8);
    p.run = run > 1 ? run : 1;
    bs_pool_wait(pool, bs_pool_post(pool, pack_job, &p));
}
