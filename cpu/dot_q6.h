// Q6_K's block from its halves, each with a scale of its own (signed bytes).
#ifndef BASALT_CPU_DOT_Q6_H
#define BASALT_CPU_DOT_Q6_H

INL void dot6(int m, int open, const uint8_t *codes, const act_block *const *x,
              const uint8_t *scales, vi *sum) {
    vi half[MAX_ROWS], low = vi_load_s8(scales), high = vi_load_s8(scales + TILE);
    (void)open;
    half6(m, codes, x, 0, sum);
    half6(m, codes, x, 1, half);
    EACH_ROW(r, m) sum[r] = vi_add(vi_mul(sum[r], low), vi_mul(half[r], high));
}

#endif
