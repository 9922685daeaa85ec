#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

// Rounds of waiting before a thread sleeps: tens of microseconds, a few times what a wake-up costs.
enum { SPINS = 1500 };

// A number that threads wait on. Each lies on a cache line of its own.
typedef struct {
    _Alignas(64) atomic_uint value;
    atomic_int sleepers;
} word;

struct pool {
    word posted; // tickets of jobs: the newest started
    word ended;  // and the newest ended
    word phase;  // barriers passed
    _Alignas(64) atomic_int arrived;
    _Alignas(64) atomic_int task;
    _Alignas(64) atomic_int finished;
    atomic_int stop;
    pool_fn fn;
    void *arg;
    int threads;
    pthread_mutex_t post; // held while a job is handed over
    pthread_mutex_t mutex;
    pthread_cond_t cond; // where there is no futex
    pthread_t ids[];
};

typedef struct {
    pool *pool;
    int thread;
} seat;

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void sleep_on(pool *p, word *w, unsigned old) {
    atomic_fetch_add(&w->sleepers, 1);
#if defined(__linux__)
    (void)p;
    while (atomic_load(&w->value) == old) {
        syscall(SYS_futex, &w->value, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    }
#else
    pthread_mutex_lock(&p->mutex);
    while (atomic_load(&w->value) == old) pthread_cond_wait(&p->cond, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
#endif
    atomic_fetch_sub(&w->sleepers, 1);
}

// Waits until the word is no longer old.
static unsigned wait_change(pool *p, word *w, unsigned old) {
    for (int i = 0; i < SPINS; i++) {
        unsigned now = atomic_load_explicit(&w->value, memory_order_acquire);
        if (now != old) return now;
        relax();
    }
    sleep_on(p, w, old);
    return atomic_load_explicit(&w->value, memory_order_acquire);
}

// The store and the load of sleepers are sequentially consistent, as are the sleeper's increment
// and its look at the value: one of the two sees the other.
static void set_word(pool *p, word *w, unsigned value) {
    atomic_store(&w->value, value);
    if (atomic_load(&w->sleepers) == 0) return;
#if defined(__linux__)
    (void)p;
    syscall(SYS_futex, &w->value, FUTEX_WAKE_PRIVATE, 1 << 30, NULL, NULL, 0);
#else
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->cond);
    pthread_mutex_unlock(&p->mutex);
#endif
}

static void *work(void *arg) {
    seat s = *(seat *)arg;
    free(arg);
    pool *p = s.pool;
    for (unsigned seen = 0;;) {
        seen = wait_change(p, &p->posted, seen);
        if (atomic_load(&p->stop)) return NULL;
        p->fn(p->arg, s.thread);
        if (atomic_fetch_add(&p->finished, 1) + 1 == p->threads) set_word(p, &p->ended, seen);
    }
}

static int start_thread(pool *p, int i) {
    seat *s = malloc(sizeof *s);
    if (!s) return -1;
    *s = (seat){p, i};
    if (pthread_create(&p->ids[i], NULL, work, s) != 0) {
        free(s);
        return -1;
    }
    return 0;
}

pool *bs_pool_open(int threads) {
    size_t bytes = sizeof(pool) + (size_t)threads * sizeof(pthread_t);
    pool *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) return NULL;
    *p = (pool){.threads = threads};
    pthread_mutex_init(&p->post, NULL);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->cond, NULL);
    for (int i = 0; i < threads; i++) {
        if (start_thread(p, i) != 0) {
            p->threads = i;
            bs_pool_close(p);
            return NULL;
        }
    }
    return p;
}

void bs_pool_close(pool *p) {
    if (!p) return;
    atomic_store(&p->stop, 1);
    set_word(p, &p->posted, atomic_load(&p->posted.value) + 1);
    for (int i = 0; i < p->threads; i++) pthread_join(p->ids[i], NULL);
    pthread_cond_destroy(&p->cond);
    pthread_mutex_destroy(&p->mutex);
    pthread_mutex_destroy(&p->post);
    free(p);
}

int bs_pool_threads(const pool *p) { return p->threads; }

uint32_t bs_pool_post(pool *p, pool_fn fn, void *arg) {
    pthread_mutex_lock(&p->post);
    unsigned last = atomic_load(&p->posted.value);
    bs_pool_wait(p, last);
    p->fn = fn;
    p->arg = arg;
    atomic_store(&p->finished, 0);
    atomic_store(&p->arrived, 0);
    atomic_store(&p->task, 0);
    set_word(p, &p->posted, last + 1);
    pthread_mutex_unlock(&p->post);
    return last + 1;
}

// Tickets wrap around; a job has ended when the newest ended ticket is not behind it.
void bs_pool_wait(pool *p, uint32_t ticket) {
    for (;;) {
        unsigned ended = atomic_load_explicit(&p->ended.value, memory_order_acquire);
        if ((int32_t)(ended - ticket) >= 0) return;
        wait_change(p, &p->ended, ended);
    }
}

void bs_pool_barrier(pool *p) {
    unsigned phase = atomic_load_explicit(&p->phase.value, memory_order_relaxed);
    if (atomic_fetch_add(&p->arrived, 1) + 1 < p->threads) {
        wait_change(p, &p->phase, phase);
        return;
    }
    atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
    atomic_store_explicit(&p->task, 0, memory_order_relaxed);
    set_word(p, &p->phase, phase + 1);
}

int32_t bs_pool_claim(pool *p, int32_t n) {
    return atomic_fetch_add_explicit(&p->task, n, memory_order_relaxed);
}
