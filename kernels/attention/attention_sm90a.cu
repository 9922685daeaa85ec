// Prefill attention on Hopper (wgmma): two warpgroups of 64 rows each. Scores of a whole split stay
// in registers, become probabilities there and are the operand A of the second product. Keys and
// values of a split lie in shared memory. See prefill.h.
#include "rows.h"

// Grid: tiles, key-value heads times units of at most 16 heads of a group. Keys and values take
// 1024 bytes of dynamic shared memory for each number of a head.
#define ATTENTION_90(name, dim, mma)                                                              \
    KERNEL(256)                                                                                   \
    name(float *out, const float *queries, const u16 *keys, const u16 *values,                    \
         const step_head *h, int heads, int kv_heads, int per_token, int block_size, int window,  \
         int scale) {                                                                             \
        if ((int)blockIdx.x >= h->tiles) return;                                                  \
        prefill c = prefill_of(keys, values, h, heads, kv_heads, dim, per_token, block_size,      \
                               window);                                                           \
        u8 *key = bs_dynamic, *value = bs_dynamic + SPLIT * dim * 2;                              \
        int first = (int)threadIdx.x / 32 * 16, end = c.last / SPLIT + 1;                         \
        softmax_part all[2] = {{MINUS_INFINITY, 0}, {MINUS_INFINITY, 0}};                         \
        float o[64] = {0};                                                                        \
        for (int split = first_seen(c.tile.position, window) / SPLIT; split < end; split++) {     \
            float lo[64] = {0}, hi[64] = {0}, part[64] = {0};                                     \
            fetch_keys(key, &c, split * SPLIT, SPLIT, dim, 256);                                  \
            fetch_values(value, &c, split * SPLIT, SPLIT, dim, 256);                              \
            async_arrived();                                                                      \
            publish_shared();                                                                     \
            __syncthreads();                                                                      \
            u32 q[dim / 16][4];                                                                   \
            UNROLL for (int s = 0; s < dim / 16; s++) {                                           \
                load_query(q[s], queries, &c, first, s, dim);                                     \
            }                                                                                     \
            group_fence();                                                                        \
            UNROLL for (int s = 0; s < dim / 16; s++) {                                           \
                const u8 *b = key + s * 2 * LEAD;                                                 \
                group_mma_bf16_128(lo, q[s], operand(b, LEAD, dim * 16), s == 0);                 \
                group_mma_bf16_128(hi, q[s], operand(b + 128 * dim * 2, LEAD, dim * 16), s == 0); \
            }                                                                                     \
            group_commit();                                                                       \
            group_wait();                                                                         \
            mask_scores(lo, &c, first, split * SPLIT, bits_float(scale));                         \
            mask_scores(hi, &c, first, split * SPLIT + 128, bits_float(scale));                   \
            softmax_part fresh[2] = {soften_row(lo, hi, 0), soften_row(lo, hi, 1)};               \
            u32 p[16][4];                                                                         \
            UNROLL for (int s = 0; s < 16; s++) {                                                 \
                const float *v = s < 8 ? lo + 8 * s : hi + 8 * (s - 8);                           \
                UNROLL for (int i = 0; i < 4; i++) p[s][i] = pair_bf16(v[2 * i], v[2 * i + 1]);   \
            }                                                                                     \
            group_fence();                                                                        \
            UNROLL for (int s = 0; s < 16; s++) {                                                 \
                mma(part, p[s], operand(value + s * 2 * LEAD, LEAD, SPLIT * 16), s == 0);         \
            }                                                                                     \
            group_commit();                                                                       \
            group_wait();                                                                         \
            merge_step low = merge(all[0], fresh[0]), high = merge(all[1], fresh[1]);             \
            UNROLL for (int i = 0; i < dim / 2; i++) {                                            \
                o[i] = merged(o[i], part[i], i % 4 < 2 ? &low : &high);                           \
            }                                                                                     \
            all[0] = low.sum;                                                                     \
            all[1] = high.sum;                                                                    \
            __syncthreads();                                                                      \
        }                                                                                         \
        put_rows(out, o, all, &c, first, dim);                                                    \
    }

ATTENTION_90(bs_attention_64_sm90a, 64, group_mma_bf16_64)
ATTENTION_90(bs_attention_128_sm90a, 128, group_mma_bf16_128)
