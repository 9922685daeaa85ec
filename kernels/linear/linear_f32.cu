// Linear with F32 weights [n, k] as they are: a warp an output for eight rows of x. A lane adds
// every 32nd product in ascending order, then lanes: one order for every number of rows.
#include "linear.h"

KERNEL(256) bs_linear_f32_8(float *y, const float *x, const void *w, const void *scales,
                            const float *bias, const step_head *h, const row_tile *tiles,
                            const int *rows, int m, int n, int k, int stride, int expert_units,
                            int scale_units, int shift) {
    row_tile t = find_rows(tiles, h, m, 8);
    int out = (int)(blockIdx.x * 8 + threadIdx.x / 32), lane = (int)threadIdx.x % 32;
    if (t.count <= 0 || out >= n) return;
    const float *row = (const float *)w + (u64)t.expert * expert_units * 4 + (u64)out * k;
    const float *from[8];
    float acc[8];
    for (int i = 0; i < 8; i++) {
        int at = t.first + min_int(i, t.count - 1);
        from[i] = x + (u64)(rows ? rows[at] : at) * k;
        acc[i] = 0;
    }
    for (int j = lane; j < k; j += 32) {
        float v = row[j];
        UNROLL for (int i = 0; i < 8; i++) acc[i] = mul_add(v, from[i][j], acc[i]);
    }
    for (int i = 0; i < min_int(8, t.count); i++) {
        float sum = lane_sum(acc[i]);
        if (bias) sum = plus(sum, bias[out]);
        if (lane == 0) y[(u64)(t.first + i) * stride + out] = sum;
    }
}
