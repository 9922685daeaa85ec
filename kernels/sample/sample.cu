// Sampling: bias, penalties, temperature, top-k, top-p, min-p and one draw; log-probabilities of
// the raw logits. Only ids and the log-probabilities that were asked for leave the device.
#include "sample.h"

#define PROMPT 0x80000000u // in a count: the token stands in the prompt

// Clears and replays penalty counts [slots, vocab]. One block.
KERNEL(512) bs_counts(u32 *counts, const step_head *h, int vocab) {
    const int *resets = step_ints(h, h->reset_slots);
    const int *slots = step_ints(h, h->count_slots), *ids = step_ints(h, h->count_ids);
    for (int r = 0; r < h->resets; r++) {
        for (int i = (int)threadIdx.x; i < vocab; i += THREADS) {
            counts[(u64)resets[r] * vocab + i] = 0;
        }
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; i < h->counts; i += THREADS) {
        u32 *slot = counts + (u64)slots[i] * vocab;
        if (ids[i] >= 0) {
            add_u32(slot + ids[i], 1);
        } else {
            set_bits(slot + (-1 - ids[i]), PROMPT);
        }
    }
}

// z = logits with bias and penalties.
DEVICE void adjust(float *z, const float *logits, const sampling_row *s, const u32 *counts,
                   const logit_bias *bias, int vocab) {
    for (int i = (int)threadIdx.x; i < vocab; i += THREADS) z[i] = logits[i];
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = s->bias_start; i < s->bias_end; i++) {
            z[bias[i].id] = plus(z[bias[i].id], bias[i].bias);
        }
    }
    __syncthreads();
    for (int i = (int)threadIdx.x; counts && i < vocab; i += THREADS) {
        if (counts[i] == 0) continue;
        u32 n = counts[i] & ~PROMPT;
        float v = z[i] > 0 ? z[i] / s->repetition : times(z[i], s->repetition);
        if (n) v = plus(v, -plus(s->presence, times(s->frequency, (float)n)));
        z[i] = v;
    }
    __syncthreads();
}

DEVICE int choose(const float *z, const sampling_row *s, int vocab, u64 *part, u64 *histogram) {
    u64 first = next_best(z, vocab, ~(u64)0, part);
    int best = id_of(first);
    if (s->temperature == 0) return best;
    candidates c = {z, vocab, vocab, 0, z[best], s->temperature, 0};
    u64 total = total_weight(&c, part);
    if (total == 0) return best;
    if (s->top_k > 0 && s->top_k < vocab) {
        cut(&c, (u64)s->top_k, 1, histogram, part);
        total = total_weight(&c, part);
    }
    if (s->top_p < 1) {
        u64 target = (u64)ceil((double)s->top_p * (double)total);
        cut(&c, target ? target : 1, 0, histogram, part);
    }
    c.least = s->min_p;
    total = total_weight(&c, part);
    if (total == 0) return best;
    u64 target = (u64)((double)uniform(s) * (double)total);
    return walk(&c, 0, target < total ? target : total - 1, part, histogram);
}

// The log-probability of id, and of the n best.
DEVICE void report(float *logprob, int *top_ids, float *top_logprobs, const float *logits, int id,
                   int n, int vocab, u64 *part) {
    u64 rank = next_best(logits, vocab, ~(u64)0, part), sum = 0;
    float best = logits[id_of(rank)];
    for (int i = (int)threadIdx.x; i < vocab; i += THREADS) {
        sum += fixed(expf(plus(logits[i], -best)));
    }
    sum = block_total(sum, part);
    double norm = (double)best + log((double)sum / ONE);
    if (threadIdx.x == 0) *logprob = (float)(logits[id] - norm);
    for (int k = 0; k < n; k++) {
        if (threadIdx.x == 0) {
            top_ids[k] = id_of(rank);
            top_logprobs[k] = (float)(logits[id_of(rank)] - norm);
        }
        rank = next_best(logits, vocab, rank, part);
    }
}

// Rows that share a slot belong to one sequence and lie together: one block does them in order.
KERNEL(512) bs_sample(int *ids, float *logprobs, int *top_ids, float *top_logprobs, float *scratch,
                      const float *logits, u32 *counts, const step_head *h, int vocab) {
    SHARED(u64, part, WARPS);
    SHARED(u64, histogram, 256);
    const sampling_row *rows = (const sampling_row *)step_ints(h, h->sampling);
    const logit_bias *bias = (const logit_bias *)step_ints(h, h->bias);
    const int *top = step_ints(h, h->top_start);
    int r = (int)blockIdx.x;
    if (r >= h->samples) return;
    if (r > 0 && rows[r].slot >= 0 && rows[r].slot == rows[r - 1].slot) return;
    for (int first = r; r < h->samples && (r == first || rows[r].slot == rows[first].slot); r++) {
        const sampling_row *s = rows + r;
        const float *raw = logits + (u64)r * vocab, *z = raw;
        u32 *seen = s->slot >= 0 ? counts + (u64)s->slot * vocab : 0;
        if (seen || s->bias_start < s->bias_end) {
            adjust(scratch + (u64)r * vocab, raw, s, seen, bias, vocab);
            z = scratch + (u64)r * vocab;
        }
        int id = choose(z, s, vocab, part, histogram);
        __syncthreads();
        if (threadIdx.x == 0) {
            ids[r] = id;
            logprobs[r] = 0;
            if (seen) seen[id]++;
        }
        if (s->logprobs >= 0) {
            report(logprobs + r, top_ids + top[r], top_logprobs + top[r], raw, id,
                   top[r + 1] - top[r], vocab, part);
        }
        __syncthreads();
        if (s->slot < 0) return;
    }
}
