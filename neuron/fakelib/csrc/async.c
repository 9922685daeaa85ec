#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* Requests of a core run in order on a thread of their own; a few fit its queue. */
enum { QUEUE = 4 };

typedef struct request {
    struct nrt_model *model;
    const tensor_set *in, *out;
    bn_status *ret;
} request;

typedef struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t worker;
    int started, stopping, count;
    uint64_t sequence;
    request list[QUEUE];
} queue;

static queue queues[MAX_CORES];

#ifdef FAKE_ASYNC
static void *work(void *p) {
    queue *q = p;
    pthread_mutex_lock(&q->lock);
    for (;;) {
        while (q->count == 0 && !q->stopping)
            pthread_cond_wait(&q->changed, &q->lock);
        if (q->count == 0)
            break;
        request r = q->list[0];
        pthread_mutex_unlock(&q->lock);
        bn_status s = enter("async_execution");
        if (s == OK)
            s = execute_checked(r.model, r.in, r.out, BN_ASYNC_NAME);
        __atomic_store_n(r.ret, s, __ATOMIC_RELEASE);
        pthread_mutex_lock(&q->lock);
        memmove(q->list, q->list + 1, sizeof *q->list * (size_t)(q->count - 1));
        q->count--;
    }
    pthread_mutex_unlock(&q->lock);
    return NULL;
}

static queue *queue_of(int vnc) {
    queue *q = &queues[vnc];
    if (!q->started) {
        pthread_mutex_init(&q->lock, NULL);
        pthread_cond_init(&q->changed, NULL);
        q->stopping = q->count = 0;
        q->started = 1;
        pthread_create(&q->worker, NULL, work, q);
    }
    return q;
}

bn_status nrta_execute_schedule(struct nrt_model *m, const void *in, void *out, int number,
                                bn_status *ret, uint64_t *sequence) {
    ENTER();
    if (m == NULL || m->magic != MODEL_MAGIC || number != 0 || ret == NULL || sequence == NULL)
        return INVALID;
    check_thread(m->vnc, __func__);
    queue *q = queue_of(m->vnc);
    pthread_mutex_lock(&q->lock);
    bn_status s = QUEUE_FULL;
    if (q->count < QUEUE) {
        q->list[q->count++] = (request){m, in, out, ret};
        *sequence = ((uint64_t)m->vnc << 48) | ++q->sequence;
        pthread_cond_signal(&q->changed);
        s = OK;
    }
    pthread_mutex_unlock(&q->lock);
    return s;
}
#endif

#ifdef FAKE_ASYNC_OLD
/* The form of SDK 2.28 and before, which a caller must never reach. */
bn_status nrta_execute_schedule(struct nrt_model *m, const void *in, void *out, int number,
                                void *tracker, uint64_t *sequence) {
    (void)m, (void)in, (void)out, (void)number, (void)tracker, (void)sequence;
    complain("nrta_execute_schedule of the older interface is called");
    return FAILURE;
}
#endif

void stop_queues(void) {
    for (int i = 0; i < MAX_CORES; i++) {
        queue *q = &queues[i];
        if (!q->started)
            continue;
        pthread_mutex_lock(&q->lock);
        q->stopping = 1;
        pthread_cond_signal(&q->changed);
        pthread_mutex_unlock(&q->lock);
        pthread_join(q->worker, NULL);
        q->started = 0;
    }
}
