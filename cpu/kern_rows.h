// Row operations: norms, quantisation, RoPE, SwiGLU, softmax pieces, in sixteen lanes. A sum over a
// row runs in 16 lanes from left to right and folds the lanes in halves at the end.
#ifndef BASALT_CPU_KERN_ROWS_H
#define BASALT_CPU_KERN_ROWS_H

enum { EXP_LOW = -87 }; // below, exp gives 0

// e^x within 2 units of the last place: 2^n by the exponent's bits, e^r by a polynomial on
// |r| <= ln 2 / 2 (Cephes expf). No number stays no number.
INL vf vf_exp(vf x) {
    vf t = vf_min(vf_set(88.3f), vf_max(vf_set(EXP_LOW), x));
    vi n = vf_round(vf_mul(t, vf_set(1.44269504088896341f)));
    vf fn = vf_from(n);
    vf r = vf_fnma(fn, vf_set(0.693359375f), t);
    r = vf_fnma(fn, vf_set(-2.12194440e-4f), r);
    vf p = vf_set(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set(5.0000001201e-1f));
    p = vf_fma(vf_mul(r, r), p, vf_add(r, vf_set(1)));
    vf scale = vi_float(vi_shl(vi_add(n, vi_set(127)), 23));
    return vf_zero_below(vf_mul(p, scale), x, EXP_LOW);
}

static float exp_one(float x) {
    float y[TILE];
    vf_store(y, vf_exp(vf_set(x)));
    return y[0];
}

// 32 activations as codes of a scale, which it returns. The greatest magnitude is found among the
// bits, so that no number wins over every number and reaches the scale.
INL float codes_of(const float *x, vi *qa, vi *qb) {
    vf a = vf_load(x), b = vf_load(x + TILE);
    vi mask = vi_set(0x7fffffff);
    int32_t bits = vi_max_lane(vi_max(vi_and(vf_bits(a), mask), vi_and(vf_bits(b), mask)));
    float most;
    memcpy(&most, &bits, sizeof most);
    float inverse = most < 1e-30f ? 0 : 127 / most;
    *qa = vf_round(vf_mul(a, vf_set(inverse)));
    *qb = vf_round(vf_mul(b, vf_set(inverse)));
    return most < 1e-30f ? 0 : most / 127;
}

// The sums of a block's codes, by halves and by lanes of pairs.
INL void minus_sums(act_block *y) {
    int sum[2][2] = {{0}};
    for (int i = 0; i < BLOCK; i++) sum[i / 16][i / 2 % 2] -= y->q[i];
    y->minus_low = sum[0][0] + sum[0][1];
    y->minus_high = sum[1][0] + sum[1][1];
    for (int lane = 0; lane < 2; lane++) {
        y->minus8[lane] = (int16_t)(8 * (sum[0][lane] + sum[1][lane]));
        y->minus32[0][lane] = (int16_t)(32 * sum[0][lane]);
        y->minus32[1][lane] = (int16_t)(32 * sum[1][lane]);
    }
}

static void quantise(act_block *y, const float *x, int n) {
    for (; n > 0; n -= BLOCK, x += BLOCK, y++) {
        vi qa, qb;
        y->d = codes_of(x, &qa, &qb);
        vi_store_s8(y->q, qa);
        vi_store_s8(y->q + TILE, qb);
        minus_sums(y);
        y->ds = y->d * (float)-(y->minus_low + y->minus_high);
    }
}

static void quantise_wide(wide_block *y, const float *x, int n) {
    for (; n > 0; n -= BLOCK, x += BLOCK, y++) {
        vi qa, qb;
        int8_t q[BLOCK];
        y->d = codes_of(x, &qa, &qb);
        vi_store_s8(q, qa);
        vi_store_s8(q + TILE, qb);
        for (int i = 0; i < BLOCK; i++) y->q[i] = q[i];
    }
}

// x as integers of at most limit times a scale, which it returns: y = x / scale, rounded. As in
// codes_of, no number reaches the scale. Where one is infinite or none, the scale is no number.
// n is any.
INL float scale_for(const float *x, int n, int limit, float *inverse) {
    vi bits = vi_set(0), mask = vi_set(0x7fffffff);
    for (int i = 0; i < n; i += TILE) {
        bits = vi_max(bits, vi_and(vf_bits(vf_load_n(x + i, n - i)), mask));
    }
    int32_t most_bits = vi_max_lane(bits);
    float most;
    memcpy(&most, &most_bits, sizeof most);
    *inverse = most < 1e-30f ? 0 : (float)limit / most;
    if (__builtin_isinf(most)) return __builtin_nanf("");
    return most < 1e-30f ? 0 : most / (float)limit;
}

static float codes8(int8_t *y, const float *x, int n) {
    float inverse, scale = scale_for(x, n, 127, &inverse);
    for (int i = 0; i < n; i += TILE) {
        int8_t codes[TILE];
        vi_store_s8(codes, vf_round(vf_mul(vf_load_n(x + i, n - i), vf_set(inverse))));
        memcpy(y + i, codes, (size_t)(n - i < TILE ? n - i : TILE));
    }
    return scale;
}

// n is a multiple of 16.
static float codes16(int16_t *y, const float *x, int n, int limit) {
    float inverse, scale = scale_for(x, n, limit, &inverse);
    for (int i = 0; i < n; i += TILE) {
        vi_store_s16(y + i, vf_round(vf_mul(vf_load(x + i), vf_set(inverse))));
    }
    return scale;
}

static void to_bf16(uint16_t *y, const float *x, int n) {
    for (int i = 0; i < n; i++) y[i] = bf16_round(x[i]);
}

static float sum_squares(const float *x, const float *residual, int n) {
    vf sum = vf_zero();
    for (int i = 0; i < n; i += TILE) {
        vf v = vf_load_n(x + i, n - i);
        if (residual) v = vf_add(v, vf_load_n(residual + i, n - i));
        sum = vf_fma(v, v, sum);
    }
    return vf_sum(sum);
}

static void norm(float *y, float *sum, const float *x, const float *residual, const float *w,
                 float scale, int n) {
    for (int i = 0; i < n; i += TILE) {
        vf v = vf_load_n(x + i, n - i);
        if (residual) v = vf_add(v, vf_load_n(residual + i, n - i));
        if (sum) vf_store_n(sum + i, v, n - i);
        v = vf_mul(vf_mul(v, vf_set(scale)), vf_load_n(w + i, n - i));
        vf_store_n(y + i, v, n - i);
    }
}

static void swiglu(float *y, const float *gate, const float *up, int n) {
    for (int i = 0; i < n; i += TILE) {
        vf g = vf_load_n(gate + i, n - i), u = vf_load_n(up + i, n - i);
        vf e = vf_exp(vf_sub(vf_zero(), g));
        vf_store_n(y + i, vf_mul(vf_div(g, vf_add(vf_set(1), e)), u), n - i);
    }
}

static void rope_pairs(float *head, const float *cos, const float *sin, int half) {
    for (int i = 0; i < half; i++) {
        float u = head[2 * i], v = head[2 * i + 1];
        head[2 * i] = u * cos[i] - v * sin[i];
        head[2 * i + 1] = u * sin[i] + v * cos[i];
    }
}

static void rope(float *head, const float *cos, const float *sin, int half, int interleaved) {
    if (interleaved) {
        rope_pairs(head, cos, sin, half);
        return;
    }
    for (int i = 0; i < half; i += TILE) {
        int n = half - i;
        vf u = vf_load_n(head + i, n), v = vf_load_n(head + half + i, n);
        vf c = vf_load_n(cos + i, n), s = vf_load_n(sin + i, n);
        vf_store_n(head + i, vf_sub(vf_mul(u, c), vf_mul(v, s)), n);
        vf_store_n(head + half + i, vf_add(vf_mul(u, s), vf_mul(v, c)), n);
    }
}

static void add_scaled(float *y, const float *x, float scale, int n) {
    for (int i = 0; i < n; i += TILE) {
        vf v = vf_fma(vf_load_n(x + i, n - i), vf_set(scale), vf_load_n(y + i, n - i));
        vf_store_n(y + i, v, n - i);
    }
}

static void scale_row(float *y, const float *x, float scale, int n) {
    for (int i = 0; i < n; i += TILE) {
        vf_store_n(y + i, vf_mul(vf_load_n(x + i, n - i), vf_set(scale)), n - i);
    }
}

static float run_max(const float *z, int n) {
    vf best = vf_set(-__builtin_inff());
    for (; n >= TILE; n -= TILE, z += TILE) best = vf_max(vf_load(z), best);
    float most = vf_max_lane(best);
    for (int i = 0; i < n; i++) most = z[i] > most ? z[i] : most;
    return most;
}

static float block_max(float *most, const float *z, int n) {
    float all = -__builtin_inff();
    for (int i = 0; i < n; i += SAMPLE_BLOCK) {
        float m = run_max(z + i, n - i < SAMPLE_BLOCK ? n - i : SAMPLE_BLOCK);
        most[i / SAMPLE_BLOCK] = m;
        all = m > all ? m : all;
    }
    return all;
}

static float run_exp(float *p, const float *z, int n, float max, float temperature) {
    vf sum = vf_zero();
    for (int i = 0; i < n; i += TILE) {
        vf v = vf_div(vf_sub(vf_load_n(z + i, n - i), vf_set(max)), vf_set(temperature));
        v = vf_exp(v);
        if (n - i < TILE) v = vf_keep(v, 0, n - i, 0);
        vf_store_n(p + i, v, n - i);
        sum = vf_add(sum, v);
    }
    return vf_sum(sum);
}

static double exp_sums(float *p, double *sums, const float *z, int n, float max,
                       float temperature) {
    double all = 0;
    for (int i = 0; i < n; i += SAMPLE_BLOCK) {
        int m = n - i < SAMPLE_BLOCK ? n - i : SAMPLE_BLOCK;
        sums[i / SAMPLE_BLOCK] = run_exp(p + i, z + i, m, max, temperature);
        all += sums[i / SAMPLE_BLOCK];
    }
    return all;
}

#endif
