// Sampling, a row a task: bias, penalties, temperature, top-k, top-p, min-p, one draw. The kept
// set is a prefix of the tokens in descending order of logit (the lower id first among equals); its
// end is found by selection, never by sorting the vocabulary, and the draw walks the kept tokens in
// the order of their ids.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

enum { PROMPT = 1u << 31 }; // in a count: the token stands in the prompt

static uint32_t *counts_of(exec *e, int slot) {
    if (!e->counts[slot]) e->counts[slot] = calloc((size_t)e->vocab, sizeof(uint32_t));
    if (!e->counts[slot]) e->failed = 1;
    return e->counts[slot];
}

void bs_update_counts(exec *e) {
    const batch *b = &e->batch;
    for (int i = 0; i < b->num_resets; i++) {
        uint32_t *c = e->counts[b->resets[i]];
        if (c) memset(c, 0, (size_t)e->vocab * sizeof *c);
    }
    for (int i = 0; i < b->num_counts; i++) {
        uint32_t *c = counts_of(e, b->count_slots[i]);
        int32_t id = b->count_ids[i];
        if (!c) return;
        if (id >= 0) {
            c[id]++;
        } else {
            c[-1 - id] |= PROMPT;
        }
    }
    for (int i = 0; i < b->samples; i++) {
        if (b->sampling[i].slot >= 0) counts_of(e, b->sampling[i].slot);
    }
}

static void penalise(const uint32_t *counts, const sampling_row *s, float *z, int n) {
    for (int i = 0; i < n; i++) {
        if (counts[i] == 0) continue;
        uint32_t times = counts[i] & ~PROMPT;
        z[i] = z[i] > 0 ? z[i] / s->repetition_penalty : z[i] * s->repetition_penalty;
        if (times > 0) z[i] -= s->presence_penalty + s->frequency_penalty * (float)times;
    }
}

// Philox4x32-10 (Salmon et al., SC 2011); the first word, as 24 bits in [0, 1).
static float uniform(const sampling_row *s) {
    uint32_t c[4] = {s->position, s->choice, 0, 0};
    uint32_t key[2] = {(uint32_t)s->seed, (uint32_t)(s->seed >> 32)};
    for (int i = 0; i < 10; i++) {
        uint64_t p = (uint64_t)0xD2511F53 * c[0], q = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ key[0], (uint32_t)q,
                            (uint32_t)(p >> 32) ^ c[3] ^ key[1], (uint32_t)p};
        memcpy(c, next, sizeof c);
        key[0] += 0x9E3779B9;
        key[1] += 0xBB67AE85;
    }
    return (float)(c[0] >> 8) * (1.0f / (1 << 24));
}

static int32_t first_equal(const float *z, int n, const float *block_most, float most) {
    for (int i = 0; i < n; i += SAMPLE_BLOCK) {
        if (block_most[i / SAMPLE_BLOCK] != most) continue;
        int end = n - i < SAMPLE_BLOCK ? n : i + SAMPLE_BLOCK;
        for (int j = i; j < end; j++) {
            if (z[j] == most) return j;
        }
    }
    return 0; // every logit is no number
}

// Whether a comes before b in descending order.
static int before(const float *z, int32_t a, int32_t b) {
    return z[a] > z[b] || (z[a] == z[b] && a < b);
}

static void swap(int32_t *x, int32_t *y) {
    int32_t t = *x;
    *x = *y;
    *y = t;
}

// Moves what comes before the pivot, the middle of three, to the front; gives its place.
static int partition(int32_t *ids, int n, const float *z) {
    int32_t *mid = ids + n / 2, *last = ids + n - 1;
    if (before(z, *mid, *ids)) swap(mid, ids);
    if (before(z, *last, *ids)) swap(last, ids);
    if (before(z, *mid, *last)) swap(mid, last);
    int at = 0;
    for (int i = 0; i < n - 1; i++) {
        if (before(z, ids[i], *last)) swap(ids + i, ids + at++);
    }
    swap(ids + at, last);
    return at;
}

// Reorders ids so that the smallest prefix, in descending order of z, whose weights reach the
// target comes first, and gives its length. Weights are p, or 1 each where p is NULL.
static int select_prefix(int32_t *ids, int n, const float *z, const float *p, double target) {
    int done = 0;
    while (n - done > 1) {
        int at = partition(ids + done, n - done, z);
        double sum = 0;
        for (int i = done; i < done + at; i++) sum += p ? p[ids[i]] : 1;
        if (sum >= target) {
            n = done + at;
            continue;
        }
        target -= sum;
        done += at;
        double pivot = p ? p[ids[done]] : 1;
        if (pivot >= target) return done + 1;
        target -= pivot;
        done++;
    }
    return n;
}

// The k-th greatest of the blocks' maxima: at least k tokens reach it. -infinity when there are
// fewer blocks.
static float kth_block(const scratch *s, int blocks, int k) {
    if (k > blocks) return -INFINITY;
    for (int i = 0; i < blocks; i++) s->ids[i] = i;
    int n = select_prefix(s->ids, blocks, s->block_max, NULL, k);
    float least = INFINITY;
    for (int i = 0; i < n; i++) {
        float m = s->block_max[s->ids[i]];
        least = m < least ? m : least;
    }
    return least;
}

// Lists the ids whose z and p reach the bounds.
static int collect(const scratch *s, const float *z, const float *p, int n, float least_z,
                   float least_p) {
    int found = 0;
    for (int i = 0; i < n; i += SAMPLE_BLOCK) {
        if (s->block_max[i / SAMPLE_BLOCK] < least_z) continue;
        int end = n - i < SAMPLE_BLOCK ? n : i + SAMPLE_BLOCK;
        for (int j = i; j < end; j++) {
            s->ids[found] = j;
            found += z[j] >= least_z && (!p || p[j] >= least_p);
        }
    }
    return found;
}

// The tokens that may be drawn: those not after (z, id) in descending order, with p >= least_p.
typedef struct {
    float z, least_p;
    int32_t id;
} bound;

static int inside(const bound *b, const float *z, const float *p, int32_t i) {
    return (z[i] > b->z || (z[i] == b->z && i <= b->id)) && p[i] >= b->least_p;
}

static bound find_bound(const scratch *s, const sampling_row *r, const float *z, int n,
                        double total) {
    const float *p = s->chances;
    int top_k = r->top_k > 0 && r->top_k < n;
    float least_z = -INFINITY, least_p = 0;
    if (top_k) {
        least_z = kth_block(s, ceil_div(n, SAMPLE_BLOCK), r->top_k);
    } else if (r->top_p < 1) {
        // What is below adds up to too little.
        least_p = (float)((1 - r->top_p) * total / n * 0.999);
    }
    int kept = collect(s, z, p, n, least_z, least_p);
    if (top_k) kept = select_prefix(s->ids, kept, z, NULL, r->top_k);
    if (r->top_p < 1) {
        if (top_k) {
            total = 0;
            for (int i = 0; i < kept; i++) total += p[s->ids[i]];
        }
        kept = select_prefix(s->ids, kept, z, p, r->top_p * total);
    }
    int32_t last = s->ids[0];
    for (int i = 1; i < kept; i++) {
        if (before(z, last, s->ids[i])) last = s->ids[i];
    }
    return (bound){z[last], r->min_p, last};
}

// The first kept token, in the order of ids, whose cumulative probability exceeds u of the total.
static int32_t draw_bounded(const scratch *s, const bound *b, const float *z, int n, float u) {
    double total = 0, target = 0, sum = 0;
    int32_t last = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < n; i += SAMPLE_BLOCK) {
            if (s->block_max[i / SAMPLE_BLOCK] < b->z) continue;
            int end = n - i < SAMPLE_BLOCK ? n : i + SAMPLE_BLOCK;
            for (int j = i; j < end; j++) {
                if (!inside(b, z, s->chances, j)) continue;
                sum += s->chances[j];
                last = j;
                if (pass == 1 && sum > target) return j;
            }
        }
        total = sum;
        target = (double)u * total;
        sum = 0;
    }
    return last;
}

static int32_t draw_any(const scratch *s, int n, double total, float u) {
    double target = (double)u * total, sum = 0;
    int32_t last = 0;
    for (int i = 0; i < n; i += SAMPLE_BLOCK) {
        double block = s->block_sums[i / SAMPLE_BLOCK];
        if (block == 0) continue;
        if (sum + block <= target) {
            sum += block;
            last = i;
            continue;
        }
        int end = n - i < SAMPLE_BLOCK ? n : i + SAMPLE_BLOCK;
        for (int j = i; j < end; j++) {
            sum += s->chances[j];
            if (s->chances[j] > 0) last = j;
            if (sum > target) return j;
        }
    }
    return last;
}

static int32_t choose(const exec *e, const scratch *s, const sampling_row *r, const float *z) {
    int n = e->vocab;
    float most = e->k->block_max(s->block_max, z, n);
    if (r->temperature == 0) return first_equal(z, n, s->block_max, most);
    double total = e->k->exp_sums(s->chances, s->block_sums, z, n, most, r->temperature);
    if (!(total < INFINITY)) return first_equal(z, n, s->block_max, most); // no distribution
    float u = uniform(r);
    int limited = (r->top_k > 0 && r->top_k < n) || r->top_p < 1;
    if (!limited && r->min_p <= 0) return draw_any(s, n, total, u);
    bound b = {-INFINITY, r->min_p, n};
    if (limited) b = find_bound(s, r, z, n, total);
    return draw_bounded(s, &b, z, n, u);
}

// Insertion sort of the at most 64 best ids. Where logits are no numbers, fewer than wanted are
// found: the first tokens stand in.
static void sort_best(int32_t *best, const int32_t *ids, int found, int want, const float *z) {
    for (int i = 0; i < found; i++) {
        int j = i;
        for (; j > 0 && before(z, ids[i], best[j - 1]); j--) best[j] = best[j - 1];
        best[j] = ids[i];
    }
    for (int i = found; i < want; i++) best[i] = i;
}

static void log_probabilities(const exec *e, const scratch *s, int row, const float *logits) {
    const output *o = &e->out;
    int n = e->vocab;
    float most = e->k->block_max(s->block_max, logits, n);
    double sum = e->k->exp_sums(s->chances, s->block_sums, logits, n, most, 1);
    double norm = most + log(sum);
    o->logprobs[row] = (float)(logits[o->ids[row]] - norm);
    int want = o->top_start[row + 1] - o->top_start[row];
    if (want == 0) return;
    int found = collect(s, logits, NULL, n, kth_block(s, ceil_div(n, SAMPLE_BLOCK), want), 0);
    found = select_prefix(s->ids, found, logits, NULL, want);
    int32_t *ids = o->top_ids + o->top_start[row];
    sort_best(ids, s->ids, found, want, logits);
    for (int i = 0; i < want; i++) {
        o->top_logprobs[o->top_start[row] + i] = (float)(logits[ids[i]] - norm);
    }
}

static void sample_row(exec *e, const scratch *s, int row) {
    const sampling_row *r = e->batch.sampling + row;
    const float *logits = e->out.logits + (int64_t)row * e->vocab, *z = logits;
    uint32_t *counts = r->slot >= 0 ? e->counts[r->slot] : NULL;
    if (counts || r->bias_start < r->bias_end) {
        memcpy(s->logits, logits, (size_t)e->vocab * sizeof *z);
        z = s->logits;
    }
    for (int i = r->bias_start; i < r->bias_end; i++) {
        s->logits[e->batch.bias[i].id] += e->batch.bias[i].bias;
    }
    if (counts) penalise(counts, r, s->logits, e->vocab);
    int32_t id = choose(e, s, r, z);
    if (counts) counts[id]++;
    e->out.ids[row] = id;
    e->out.logprobs[row] = 0;
    if (r->logprobs >= 0) log_probabilities(e, s, row, logits);
}

// Rows that share a slot belong to one sequence and lie together: one task samples them in order.
void bs_do_sample(worker *w, const op *o) {
    exec *e = w->e;
    const sampling_row *r = e->batch.sampling;
    (void)o;
    for (int32_t row; (row = bs_pool_claim(e->pool, 1)) < e->batch.samples;) {
        if (row > 0 && r[row].slot >= 0 && r[row].slot == r[row - 1].slot) continue;
        do {
            sample_row(e, w->s, row);
            row++;
        } while (row < e->batch.samples && r[row].slot >= 0 && r[row].slot == r[row - 1].slot);
    }
}
