#define _POSIX_C_SOURCE 199309L
#include "exec.h"

#include <time.h>

static void run_op(worker *w, const op *o) {
    switch (o->kind) {
    case DO_EMBED:
        bs_do_embed(w, o);
        break;
    case DO_NORM:
        bs_do_norm(w, o);
        break;
    case DO_LINEAR:
        bs_do_linear(w, o);
        break;
    case DO_HEADS:
        bs_do_heads(w, o);
        break;
    case DO_ATTENTION:
        bs_do_attention(w, o);
        break;
    case DO_SWIGLU:
        bs_do_swiglu(w, o);
        break;
    case DO_MOE:
        bs_do_moe(w, o);
        break;
    case DO_GATHER:
        bs_do_gather(w, o);
        break;
    case DO_PACK:
        bs_do_pack(w, o);
        break;
    case DO_SAMPLE:
        bs_do_sample(w, o);
        break;
    }
}

// This thread's time on a processor: what others take of it does not count.
static int64_t own_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void run_timed(worker *w, int i) {
    int64_t start = own_time();
    run_op(w, w->e->ops + i);
    w->e->spent[w->thread * w->e->num_ops + i] += own_time() - start;
}

static void run_step(void *arg, int thread) {
    exec *e = arg;
    worker w = {e, e->scratch + thread, thread};
    bs_compute_angles(&w);
    for (int i = 0; i < e->num_ops; i++) {
        if (e->spent) {
            run_timed(&w, i);
        } else {
            run_op(&w, e->ops + i);
        }
        if (i + 1 < e->num_ops) bs_pool_barrier(e->pool);
    }
}

void bs_post(exec *e) {
    bs_update_counts(e);
    bs_plan_attention(e);
    e->ticket = bs_pool_post(e->pool, run_step, e);
}

void bs_collect(exec *e) { bs_pool_wait(e->pool, e->ticket); }
