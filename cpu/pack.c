#include "pack.h"

#include <math.h>
#include <string.h>

#include "pack_lines.h"

// The rows of one tile; those beyond n are NULL and pack as zeros.
typedef struct {
    const uint8_t *row[TILE];
    int64_t ahead; // bytes to the rows of the next tile, which are prefetched; 0 for the last
} source_rows;

static source_rows rows_of_tile(const packing *p, int tile) {
    source_rows s = {.ahead = (tile + 2) * TILE <= p->m->n ? TILE * p->row_bytes : 0};
    for (int c = 0; c < TILE; c++) {
        int n = tile * TILE + c;
        s.row[c] = n < p->m->n ? p->data + n * p->row_bytes : NULL;
    }
    return s;
}

// Asks for bytes from p on, before they are needed.
static void fetch(const uint8_t *p, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(p + at, 0, 1);
}

// Plain numbers of size bytes: 16 bytes of each row at once, which give whole lines.
static int64_t turn_numbers(uint8_t *y, const source_rows *s, int64_t k, int64_t size) {
    int64_t i = 0;
    if (!s->row[TILE - 1]) return 0;
    for (int64_t step = 16 / size; i + step <= k; i += step) {
        int64_t at = size * i;
        for (int c = 0; s->ahead && at % 64 == 0 && c < TILE; c++) {
            fetch(s->row[c] + at + s->ahead, 64);
        }
        if (size == 4) {
            put_lines(y + i * TILE * 4, s->row, (int)at, 0);
        } else {
            turn_pairs(y + i * TILE * 2, s->row, (int)at);
            turn_pairs(y + i * TILE * 2 + 16, s->row + 8, (int)at);
        }
    }
    return i;
}

static void pack_numbers(uint8_t *y, const source_rows *s, int64_t k, int64_t size) {
    for (int64_t i = turn_numbers(y, s, k, size); i < k; i++) {
        for (int c = 0; c < TILE; c++) {
            uint8_t *to = y + (i * TILE + c) * size;
            if (s->row[c]) {
                memcpy(to, s->row[c] + size * i, (size_t)size);
            } else {
                memset(to, 0, (size_t)size);
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

// Q8_0 and Q4_0: blocks of 32, a scale before the codes.
static void pack_simple(const kernels *k, const packing *p, int tile, const source_rows *s) {
    static const uint8_t none[2 + BLOCK];
    int64_t bytes = bs_row_bytes(p->source, BLOCK);
    uint8_t *y = tile_codes(p->m, tile), *scales = tile_scales(p->m, tile);
    for (int64_t b = 0; b < p->m->k / BLOCK; b++, scales += 32) {
        const uint8_t *codes[TILE];
        for (int c = 0; c < TILE; c++) {
            const uint8_t *x = s->row[c] ? s->row[c] + b * bytes : none;
            if (s->ahead) fetch(x + s->ahead, 1);
            memcpy(scales + 2 * c, x, 2);
            codes[c] = x + 2;
        }
        y = p->source == Q8_0 ? put_q8_0(y, codes, k->q8_layout) : put_q4_0(y, codes);
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

static void pack_k(const packing *p, int tile, const source_rows *s) {
    int format = p->source;
    int64_t bytes = bs_row_bytes(format, SUPER), step = format == Q6_K ? 288 : 320;
    uint8_t *y = tile_codes(p->m, tile), *scales = tile_scales(p->m, tile);
    for (int64_t b = 0; b < p->m->k / SUPER; b++, scales += step) {
        memset(scales, 0, (size_t)step);
        for (int c = 0; c < TILE; c++) {
            if (!s->row[c]) continue;
            if (s->ahead) fetch(s->row[c] + b * bytes + s->ahead, bytes);
            put_k_header(scales, format, s->row[c] + b * bytes, c);
        }
        for (int j = 0; j < 8; j++) {
            uint8_t codes[TILE][BLOCK];
            for (int c = 0; c < TILE; c++) {
                if (!s->row[c]) {
                    memset(codes[c], 0, BLOCK);
                    continue;
                }
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

static void quantise_tile(const kernels *k, const packing *p, int tile, const source_rows *s) {
    int64_t bytes = bs_row_bytes(p->source, BLOCK);
    uint8_t *y = tile_codes(p->m, tile), *scales = tile_scales(p->m, tile);
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
        y = p->m->format == Q8_0 ? put_q8_0(y, rows, k->q8_layout)
                                 : put_codes(y, Q4_0, codes);
    }
}

static void pack_tile(const kernels *k, const packing *p, int tile) {
    uint8_t *y = tile_codes(p->m, tile);
    source_rows s = rows_of_tile(p, tile);
    if (p->source != p->m->format) {
        quantise_tile(k, p, tile, &s);
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
        pack_simple(k, p, tile, &s);
        break;
    default:
        pack_k(p, tile, &s);
    }
}

enum { LARGE_PAGE = 2 << 20 };

// The large page in which a tile's codes begin.
static int64_t page_of(const packing *p, int64_t tile) {
    return (int64_t)((uintptr_t)tile_codes(p->m, tile) / LARGE_PAGE);
}

static void pack_page(const kernels *k, const packing *p, int64_t page) {
    int64_t before = page * LARGE_PAGE - (int64_t)(uintptr_t)p->m->data;
    int64_t tile = before > 0 ? (before + p->m->code_bytes - 1) / p->m->code_bytes : 0;
    for (; tile < p->m->tiles && page_of(p, tile) == page; tile++) pack_tile(k, p, (int)tile);
}

// A task is the tiles that begin in one large page, which may be of several matrices: two threads
// that touched a new page at once would both clear one, and one of the two pages is thrown away.
// Tasks are claimed in their order, so that a thread never looks back for its next one.
static void pack_tasks(void *arg, int thread) {
    const pack_job *j = arg;
    const packing *p = j->list, *end = p + j->count;
    (void)thread;
    for (;;) {
        int32_t task = bs_pool_claim(j->pool, 1);
        while (p < end && p->last_task < task) p++;
        if (p == end) return;
        for (const packing *q = p; q < end && q->first_task <= task; q++) {
            pack_page(j->k, q, q->first_page + (task - q->first_task));
        }
    }
}

uint32_t bs_pack(pack_job *j) {
    int32_t task = -1;
    int64_t page = -1; // where the matrix before ends
    for (packing *p = j->list; p < j->list + j->count; p++) {
        int64_t first = page_of(p, 0), last = page_of(p, p->m->tiles - 1);
        p->row_bytes = bs_row_bytes(p->source, p->m->k);
        p->first_page = first;
        p->first_task = first == page ? task : task + 1;
        p->last_task = task = p->first_task + (int32_t)(last - first);
        page = last;
    }
    return bs_pool_post(j->pool, pack_tasks, j);
}
