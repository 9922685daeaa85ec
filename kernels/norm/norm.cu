// RMS normalisation, y = x / sqrt(mean(x^2) + eps) * w, and the same of a sum that is kept:
// [R, width]. One block of eight warps a row; a lane adds every 256th square, then lanes, then
// warps, in one order for every batch. SwiGLU lies here too: silu(gate) * up.
#include "../common/basalt.h"

// block_sum gives all lanes the sum of their x; part holds the eight warps' sums. It belongs to the
// kernel: a function's own would be named after the folder that it is compiled in.
DEVICE float block_sum(float x, float *part) {
    x = lane_sum(x);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = x;
    __syncthreads();
    float sum = 0;
    for (int i = 0; i < 8; i++) sum = plus(sum, part[i]);
    return sum;
}

KERNEL(256) bs_rms_norm(float *y, float *sum, const float *x, const float *residual,
                        const float *w, const step_head *h, int width, int eps, int sampled) {
    int r = (int)blockIdx.x;
    if (r >= step_rows(h, sampled)) return;
    SHARED(float, part, 8);
    u64 at = (u64)r * width;
    float squares = 0;
    for (int i = (int)threadIdx.x; i < width; i += 256) {
        float v = x[at + i];
        if (residual) {
            v = plus(v, residual[at + i]);
            sum[at + i] = v;
        }
        squares = mul_add(v, v, squares);
    }
    float scale = 1.0f / sqrtf(block_sum(squares, part) / (float)width + bits_float(eps));
    for (int i = (int)threadIdx.x; i < width; i += 256) {
        float v = residual ? sum[at + i] : x[at + i];
        y[at + i] = times(times(v, scale), w[i]);
    }
}

// rows is the number of rows, or below zero: -1 token rows, -2 sample rows of the step.
KERNEL(256) bs_swiglu(float *y, const float *x, const step_head *h, int width, int rows) {
    int r = (int)blockIdx.y, i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (rows < 0) rows = step_rows(h, rows == -2);
    if (r >= rows || i >= width) return;
    const float *row = x + (u64)r * 2 * width;
    float g = row[i];
    y[(u64)r * width + i] = times(g / plus(1.0f, expf(-g)), row[width + i]);
}
