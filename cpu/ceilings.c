#define _GNU_SOURCE
#include "ceilings.h"

#include <time.h>

typedef struct {
    pool *pool;
    const kernels *k;
    int test;
    const char *data;
    int64_t bytes, rounds;
    double work[1024]; // of each thread
} trial;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double read_share(const trial *t, int thread) {
    int threads = bs_pool_threads(t->pool);
    int64_t share = t->bytes / threads / 4096 * 4096;
    volatile double keep = 0;
    for (int64_t i = 0; i < t->rounds; i++) keep += t->k->read(t->data + thread * share, share);
    return (double)share * (double)t->rounds;
}

static void attempt(void *arg, int thread) {
    trial *t = arg;
    switch (t->test) {
    case CEILING_READ:
        t->work[thread] = read_share(t, thread);
        break;
    case CEILING_FMA:
        t->work[thread] = t->k->peak_fma(t->rounds);
        break;
    case CEILING_INT8:
        t->work[thread] = t->k->peak_int8(t->rounds);
        break;
    case CEILING_BF16:
        t->work[thread] = t->k->peak_bf16(t->rounds);
        break;
    }
}

double bs_ceiling(pool *p, const kernels *k, int test, const void *data, int64_t bytes,
                  int64_t rounds, double *seconds) {
    trial t = {.pool = p, .k = k, .test = test, .data = data, .bytes = bytes, .rounds = rounds};
    double start = now(), sum = 0;
    bs_pool_wait(p, bs_pool_post(p, attempt, &t));
    *seconds = now() - start;
    for (int i = 0; i < bs_pool_threads(p); i++) sum += t.work[i];
    return sum;
}
