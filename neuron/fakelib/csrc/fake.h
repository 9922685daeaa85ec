/* The fake runtime library: it holds the caller to the documented contract, and more strictly than
 * the library itself does. Environment:
 *   FAKE_NRT_CORES    logical cores of the machine (4)
 *   FAKE_NRT_MEMORY   bytes of each core (unlimited)
 *   FAKE_NRT_FAMILY   instance family (14: TRN3)
 *   FAKE_NRT_FAULT    FUNCTION:N:STATUS;... the N-th call of a function ends with a status
 *   FAKE_NRT_LATENCY  microseconds of each execution
 *   FAKE_NRT_INFO     odd: tensor lists with outputs first, open types and no shapes
 * Complaints that no status expresses are kept for fake_nrt_report. */
#ifndef FAKE_NRT_H
#define FAKE_NRT_H

#include "../../fake/executor.h"
#include "../../nrt/abi.h"
#include <pthread.h>

enum {
    OK = 0, FAILURE = 1, INVALID = 2, RESOURCE = 4, QUEUE_FULL = 7, NOT_ENOUGH_CORES = 9,
    BAD_VERSION = 10, UNINITIALIZED = 13, CLOSED = 14, UNRECOVERABLE = 101
};
enum { MAX_CORES = 64, MAX_IN_SET = 8192 };
enum { TENSOR_MAGIC = 0x7e45, SET_MAGIC = 0x5e77, MODEL_MAGIC = 0x30de, INFO_MAGIC = 0x1f0 };

/* Released objects stay in memory until the library is taken out of it, with their magic negated,
 * so that any use of them is noticed. */
struct nrt_tensor {
    int magic, vnc;
    size_t size;
    char name[FAKE_NAME_MAX];
    unsigned char *data;
    int sets; /* sets that hold it */
    int busy; /* executions that use it */
};

typedef struct named {
    char name[FAKE_NAME_MAX];
    struct nrt_tensor *tensor;
} named;

typedef struct tensor_set {
    int magic, count;
    named *list;
} tensor_set;

struct nrt_model {
    int magic, vnc, running;
    uint32_t rank, ranks;
    fake_graph graph;
};

typedef struct info_block {
    int magic;
    uint32_t *shapes;
    bn_tensor_info_array array;
} info_block;

typedef struct core {
    pthread_mutex_t running; /* executions on a core come one after the other */
    pthread_t thread;        /* the one thread that may call for it */
    int has_thread;
    size_t used;
} core;

typedef struct fake_state {
    pthread_mutex_t lock;
    int phase; /* 0 before nrt_init, 1 open, 2 after nrt_close */
    int terminal;
    const fake_executor *executor;
    core cores[MAX_CORES];
    int tensors, sets, models, infos; /* that are alive */
    void **graves; /* released objects */
    size_t buried;
    uint32_t complaints;
    char report[4096];
} fake_state;

extern fake_state fake;

void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* fault gives the status that is planned for this call; functions that work before nrt_init begin
 * with it. */
bn_status fault(const char *function);
/* enter begins a call: a planned fault, or the phase, may end it. */
bn_status enter(const char *function);
#define ENTER()                                                                                    \
    do {                                                                                           \
        bn_status status_ = enter(__func__);                                                       \
        if (status_ != OK)                                                                         \
            return status_;                                                                        \
    } while (0)
void bury(void *object);
long setting(const char *name, long otherwise);
int visible_cores(int *first);
void check_thread(int vnc, const char *function);
int alive_tensor(const struct nrt_tensor *t, const char *function);
int alive_set(const tensor_set *s, const char *function);
bn_status execute_checked(struct nrt_model *model, const tensor_set *in, const tensor_set *out,
                          const char *function);
void stop_queues(void);

#endif
