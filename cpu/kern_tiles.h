// Micro-kernels: M rows by one tile of 16 columns, for every format, in terms of the lanes (vf, vi)
// and block dot products of the including file's ISA. M is a compile-time constant of each
// instance. The order of summation along k is the same for every M: one fused multiply-add for
// each k of plain numbers; for block formats one for each exact integer sum of 32 k (Q6_K: of its
// halves times their scales, which is below 2^24), and for Q4_K and Q5_K one more for the minimum.
#ifndef BASALT_CPU_KERN_TILES_H
#define BASALT_CPU_KERN_TILES_H

// Lines to prefetch for each number of lines used.
INL int lines_ahead(const tile_args *t, int lines) { return (lines * t->fetch_step + 63) / 64; }

INL const uint8_t *fetch_ahead(const uint8_t *p, int lines, int most) {
    if (lines == most) {
        for (int i = 0; i < most; i++) vprefetch(p + 64 * i);
    } else {
        for (int i = 0; i < lines; i++) vprefetch(p + 64 * i);
    }
    return p + 64 * lines;
}

INL const void *row_at(const tile_args *t, int r) { return (const char *)t->rows[r] + t->at; }

INL void tile_start(int m, const tile_args *t, vf *acc) {
    EACH_ROW(r, m) {
        acc[r] = t->accumulate ? vf_load(t->out + r * t->stride) : vf_zero();
    }
}

INL void tile_end(int m, const tile_args *t, const vf *acc) {
    EACH_ROW(r, m) vf_store(t->out + r * t->stride, acc[r]);
}

// Memory that is fetched while other memory is used: one line of 64 bytes for each one used. Far
// ones, which are used much later, stop in the second cache.
typedef struct {
    const uint8_t *p;
    int64_t step;
    int far;
} stream;

INL void fetch_line(stream *f) {
    if (f->far) {
        vprefetch_far(f->p);
    } else {
        vprefetch(f->p);
    }
    f->p += f->step;
}

INL stream near_stream(const tile_args *t) { return (stream){t->fetch, t->fetch_step, 0}; }

// acc += k numbers of 16 columns times those of each row, both from their start.
INL void add_f32(int m, const uint8_t *codes, int64_t k, const void *const *rows, stream *f,
                 vf *acc) {
    const float *x[MAX_ROWS], *w = (const float *)codes;
    EACH_ROW(r, m) x[r] = rows[r];
    for (int64_t i = 0; i < k; i++, w += TILE) {
        fetch_line(f);
        vf c = vf_load(w);
        EACH_ROW(r, m) acc[r] = vf_more(acc[r], c, x[r][i]);
    }
}

INL void tile_f32(int m, const tile_args *t) {
    vf acc[MAX_ROWS];
    const void *x[MAX_ROWS];
    stream f = near_stream(t);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    add_f32(m, t->codes, t->k, x, &f, acc);
    tile_end(m, t, acc);
}

INL void tile_f16(int m, const tile_args *t) {
    vf acc[MAX_ROWS];
    const uint8_t *f = t->fetch;
    int64_t step = t->fetch_step / 2;
    const float *x[MAX_ROWS];
    const uint8_t *w = t->codes;
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    for (int64_t k = 0; k < t->k; k++, w += 2 * TILE) {
        vprefetch(f);
        f += step;
        vf c = vf_load_f16(w);
        EACH_ROW(r, m) acc[r] = vf_more(acc[r], c, x[r][k]);
    }
    tile_end(m, t, acc);
}

#ifdef BF16_PRODUCTS
INL void add_bf16(int m, const uint8_t *w, int64_t k, const void *const *rows, stream *f, vf *acc) {
    for (int64_t i = 0; i < k; i += 2, w += 4 * TILE) {
        fetch_line(f);
        add_bf16_pair(m, w, rows, i, acc);
    }
}
#else
INL void add_bf16(int m, const uint8_t *w, int64_t k, const void *const *rows, stream *f, vf *acc) {
    const float *x[MAX_ROWS];
    EACH_ROW(r, m) x[r] = rows[r];
    int64_t i = 0;
    for (; i + 1 < k; i += 2, w += 4 * TILE) {
        fetch_line(f);
        vf c = vf_bf16_even(w);
        EACH_ROW(r, m) acc[r] = vf_more(acc[r], c, x[r][i]);
        IN_ORDER();
        c = vf_bf16_odd(w);
        EACH_ROW(r, m) acc[r] = vf_more(acc[r], c, x[r][i + 1]);
        IN_ORDER();
    }
    if (i < k) {
        vf c = vf_bf16_even(w);
        EACH_ROW(r, m) acc[r] = vf_more(acc[r], c, x[r][i]);
    }
}
#endif

INL void tile_bf16(int m, const tile_args *t) {
    vf acc[MAX_ROWS];
    const void *x[MAX_ROWS];
    stream f = near_stream(t);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    add_bf16(m, t->codes, t->k, x, &f, acc);
    tile_end(m, t, acc);
}

// acc += d * x's scale * sum.
INL vf add_block(vf acc, vi sum, vf d, float scale) {
    return vf_fma(vf_from(sum), vf_mul(d, vf_set(scale)), acc);
}

INL void tile_q4_0(int m, const tile_args *t) {
    vf acc[MAX_ROWS];
    const act_block *x[MAX_ROWS];
    const uint8_t *w = t->codes, *s = t->scales, *f = t->fetch;
    const int lines = lines_ahead(t, 4);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    for (int b = t->k / BLOCK; b > 0; b--, w += 256, s += 32) {
        vi sum[MAX_ROWS];
        f = fetch_ahead(f, lines, 4);
        dot4(m, w, x, 8, sum);
        vf d = vf_load_f16(s);
        EACH_ROW(r, m) {
            acc[r] = add_block(acc[r], sum[r], d, x[r]->d);
            x[r]++;
        }
    }
    tile_end(m, t, acc);
}

#if defined(Q8_WIDE)
typedef wide_block q8_row;
INL vi q8_start(const q8_row *x) { return (void)x, vi_set(0); }
#else
typedef act_block q8_row;
INL vi q8_start(const q8_row *x) { return Q8_ORDER == Q8_SIGNED ? vi_set(0) : minus_sum(x, 128); }
#endif

INL void tile_q8_0(int m, const tile_args *t) {
    vf acc[MAX_ROWS];
    const q8_row *x[MAX_ROWS];
    const uint8_t *w = t->codes, *s = t->scales, *f = t->fetch;
    const int lines = lines_ahead(t, 8);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    for (int b = t->k / BLOCK; b > 0; b--, w += 512, s += 32) {
        vi sum[MAX_ROWS];
        f = fetch_ahead(f, lines, 8);
        EACH_ROW(r, m) sum[r] = q8_start(x[r]);
        dot8(m, w, x, sum);
        vf d = vf_load_f16(s);
        EACH_ROW(r, m) {
            acc[r] = add_block(acc[r], sum[r], d, x[r]->d);
            x[r]++;
        }
    }
    tile_end(m, t, acc);
}

// Q4_K (bits 4) and Q5_K (bits 5): value = d * scale * code - dmin * min.
INL void tile_k45(int m, int open, int bits, const tile_args *t) {
    vf acc[MAX_ROWS];
    const act_block *x[MAX_ROWS];
    const uint8_t *w = t->codes, *s = t->scales, *f = t->fetch;
    const int lines = lines_ahead(t, bits);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    for (int b = t->k / SUPER; b > 0; b--, s += 320) {
        vf d = vf_load_f16(s), dmin = vf_load_f16(s + 32);
        for (int i = 0; i < 8; i++, w += open ? OPEN_BLOCK : 64 * bits) {
            vi sum[MAX_ROWS];
            f = fetch_ahead(f, lines, bits);
            if (bits == 4) {
                dot4(m, w, x, 0, sum);
            } else {
                dot5(m, open, w, x, sum);
            }
            vf scale = vf_mul(d, vf_load_u8(s + 64 + 32 * i));
            vf low = vf_mul(dmin, vf_load_u8(s + 80 + 32 * i));
            EACH_ROW(r, m) {
                acc[r] = add_block(acc[r], sum[r], scale, x[r]->d);
                acc[r] = vf_fnma(low, vf_set(x[r]->ds), acc[r]);
                x[r]++;
            }
        }
    }
    tile_end(m, t, acc);
}

INL void tile_q4_k(int m, const tile_args *t) { tile_k45(m, 0, 4, t); }
INL void tile_q5_k(int m, int open, const tile_args *t) { tile_k45(m, open, 5, t); }

INL void tile_q6_k(int m, int open, const tile_args *t) {
    vf acc[MAX_ROWS];
    const act_block *x[MAX_ROWS];
    const uint8_t *w = t->codes, *s = t->scales, *f = t->fetch;
    const int lines = lines_ahead(t, 6);
    tile_start(m, t, acc);
    EACH_ROW(r, m) x[r] = row_at(t, r);
    for (int b = t->k / SUPER; b > 0; b--, s += 288) {
        vf d = vf_load_f16(s);
        for (int i = 0; i < 8; i++, w += open ? OPEN_BLOCK : 384) {
            vi sum[MAX_ROWS];
            f = fetch_ahead(f, lines, 6);
            dot6(m, open, w, x, s + 32 + 32 * i, sum);
            EACH_ROW(r, m) {
                acc[r] = add_block(acc[r], sum[r], d, x[r]->d);
                x[r]++;
            }
        }
    }
    tile_end(m, t, acc);
}

#define TILE_FN(name, m) \
    static void name##_##m(const tile_args *t) { name(m, t); }
#define TILE_FNS(name) EACH_ROWS(TILE_FN, name)
#define TILE_ENTRY(name, m) [m] = name##_##m,
#define TILE_TABLE(name) {EACH_ROWS(TILE_ENTRY, name)}

// Those that read codes packed or, as name_open, unpacked.
#define TWO_FNS(name, m)                                              \
    static void name##_##m(const tile_args *t) { name(m, 0, t); }     \
    __attribute__((unused)) static void name##_open_##m(const tile_args *t) { name(m, 1, t); }

TILE_FNS(tile_f32)
TILE_FNS(tile_f16)
TILE_FNS(tile_bf16)
TILE_FNS(tile_q8_0)
TILE_FNS(tile_q4_0)
TILE_FNS(tile_q4_k)
EACH_ROWS(TWO_FNS, tile_q5_k)
EACH_ROWS(TWO_FNS, tile_q6_k)

#define TILES                                                                        \
    {                                                                                \
        [F32] = TILE_TABLE(tile_f32), [F16] = TILE_TABLE(tile_f16),                  \
        [BF16] = TILE_TABLE(tile_bf16), [Q8_0] = TILE_TABLE(tile_q8_0),              \
        [Q4_0] = TILE_TABLE(tile_q4_0), [Q4_K] = TILE_TABLE(tile_q4_k),              \
        [Q5_K] = TILE_TABLE(tile_q5_k), [Q6_K] = TILE_TABLE(tile_q6_k),              \
    }

#ifdef OPENS
#define OPEN_ENTRY(name, m) [m] = name##_open_##m,
#define OPEN_TABLE(name) {EACH_ROWS(OPEN_ENTRY, name)}
#define OPEN_TILES {[Q5_K] = OPEN_TABLE(tile_q5_k), [Q6_K] = OPEN_TABLE(tile_q6_k)}
#else
#define OPENS {0}
#define OPEN_TILES {{0}}
#endif

#endif
