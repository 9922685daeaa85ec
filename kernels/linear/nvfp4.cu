// NVFP4 on any GPU (nvfp4.h): rows of x to NVFP4, and their product with NVFP4 weights by BF16 mma.
// A number times its scale has six significant bits, so BF16 holds it exactly.
#include "linear.h"
#include "nvfp4.h"

// A lane's numbers of a step of 16 along K as fragments of m16n8k16 come from other lanes' words.
DEVICE u32 widen_pair(u32 word, int first, u32 scales, int block) {
    float s = from_ue4m3(scales >> 8 * block & 255);
    float lo = from_e2m1(word >> 4 * first & 15), hi = from_e2m1(word >> (4 * first + 4) & 15);
    return pair_bf16(times(lo, s), times(hi, s));
}

// What the lane that holds numbers 16 s + 8 half + 2 t of the row has; t is the asking lane's.
DEVICE u32 take_word(u32 lo, u32 hi, int s, int half) {
    int lane = (int)threadIdx.x % 32, from = lane / 4 * 4 + s % 2 * 2 + half;
    u32 a = (u32)lane_at_u64(lo, from), b = (u32)lane_at_u64(hi, from);
    return s < 2 ? a : b;
}

DEVICE void mma_widened(float *c, const u32 *a, const u32 *b, u32 sa, u32 sb) {
    int lane = (int)threadIdx.x % 32, first = lane % 4 * 2;
    u32 low = (u32)lane_at_u64(sa, lane / 4 * 4), high = (u32)lane_at_u64(sa, lane / 4 * 4 + 1);
    for (int s = 0; s < 4; s++) {
        u32 x[4], y[2];
        for (int half = 0; half < 2; half++) {
            x[2 * half] = widen_pair(take_word(a[0], a[2], s, half), first, low, s);
            x[2 * half + 1] = widen_pair(take_word(a[1], a[3], s, half), first, high, s);
            y[half] = widen_pair(take_word(b[0], b[1], s, half), first, sb, s);
        }
        mma_bf16(c, x, y);
    }
}

NVFP4(bs_linear_nvfp4, mma_widened)

// A block a row. The row's scale brings its greatest number to the greatest that a block can hold.
KERNEL(256) bs_quantize_nvfp4(u8 *to, u8 *scales, float *row_scales, const float *x, int m, int k) {
    SHARED(float, part, 8);
    int row = (int)blockIdx.x, groups = (k + 63) / 64;
    float most = 0;
    for (int i = (int)threadIdx.x; row < m && i < k; i += 256) {
        most = fmaxf(most, fabsf(x[(u64)row * k + i]));
    }
    most = lane_max(most);
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = most;
    __syncthreads();
    for (int i = 0; i < 8; i++) most = fmaxf(most, part[i]);
    float scale = most > 0 ? most / (448 * 6) : 1.0f;
    if (threadIdx.x == 0 && row < m) row_scales[row] = scale;
    for (int block = (int)threadIdx.x; block < groups * 4; block += 256) {
        float v[16], top = 0;
        for (int i = 0; i < 16; i++) {
            int at = block * 16 + i;
            v[i] = row < m && at < k ? x[(u64)row * k + at] / scale : 0.0f;
            top = fmaxf(top, fabsf(v[i]));
        }
        u32 code = to_ue4m3(top / 6);
        float by = from_ue4m3(code);
        u64 tile = (u64)(row / 8) * groups + block / 4;
        scales[(tile * 8 + row % 8) * 4 + block % 4] = (u8)code;
        for (int i = 0; i < 16; i += 2) {
            int in = block % 4 * 16 + i, lane = row % 8 * 4 + in % 32 / 8;
            u32 lo = by > 0 ? to_e2m1(v[i] / by) : 0, hi = by > 0 ? to_e2m1(v[i + 1] / by) : 0;
            to[(tile * 32 + lane) * 8 + in / 32 * 4 + in % 8 / 2] = (u8)(lo | hi << 4);
        }
    }
}
