#define _GNU_SOURCE
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The fields of a compiled file's header that are looked at; offsets are in bytes. */
enum { HEADER = 1024, AT_PACKAGE = 0, AT_HEADER_SIZE = 8, AT_DATA_SIZE = 16, AT_MAJOR = 24 };
enum { AT_LNC = 552, PACKAGE_VERSION = 2, NEFF_MAJOR = 2 };

static uint64_t u64_at(const unsigned char *p, int at) {
    uint64_t v;
    memcpy(&v, p + at, sizeof v);
    return v;
}

static bn_status check_header(const unsigned char *p, size_t size) {
    if (size < HEADER || u64_at(p, AT_HEADER_SIZE) != HEADER ||
        u64_at(p, AT_DATA_SIZE) != size - HEADER)
        return INVALID;
    if (u64_at(p, AT_PACKAGE) != PACKAGE_VERSION || u64_at(p, AT_MAJOR) != NEFF_MAJOR)
        return BAD_VERSION;
    uint32_t lnc;
    memcpy(&lnc, p + AT_LNC, sizeof lnc);
    return (long)lnc == setting("NEURON_LOGICAL_NC_CONFIG", 2) ? OK : INVALID;
}

static bn_status load(const void *neff, size_t size, int32_t vnc, int32_t vnc_count, uint32_t rank,
                      uint32_t ranks, struct nrt_model **model) {
    const unsigned char *p = neff;
    if (vnc_count != -1)
        complain("nrt_load with a vnc_count of %d", vnc_count);
    if (neff == NULL || vnc < 0 || vnc >= visible_cores(NULL) || rank >= ranks)
        return INVALID;
    check_thread(vnc, "nrt_load");
    bn_status s = check_header(p, size);
    if (s != OK)
        return s;
    if (fake.executor == NULL)
        return FAILURE;
    struct nrt_model *m = calloc(1, sizeof *m);
    fake_placement place = {rank, ranks, (uint32_t)setting("NEURON_RT_EXEC_TIMEOUT", 60)};
    s = fake.executor->load(fake.executor->context, p + HEADER, size - HEADER, place, &m->graph);
    if (s == OK && m->graph.collective && ranks == 1) {
        complain("nrt_load of a graph with collectives");
        fake.executor->unload(m->graph.handle);
        free(m->graph.tensors);
        s = INVALID;
    }
    if (s != OK) {
        free(m);
        return s;
    }
    m->magic = MODEL_MAGIC;
    m->vnc = vnc;
    m->rank = rank;
    m->ranks = ranks;
    __atomic_add_fetch(&fake.models, 1, __ATOMIC_RELAXED);
    *model = m;
    return OK;
}

bn_status nrt_load(const void *neff, size_t size, int32_t vnc, int32_t vnc_count,
                   struct nrt_model **model) {
    ENTER();
    return load(neff, size, vnc, vnc_count, 0, 1, model);
}

bn_status nrt_load_collectives(const void *neff, size_t size, int32_t vnc, int32_t vnc_count,
                               uint32_t id, uint32_t count, struct nrt_model **model) {
    ENTER();
    return load(neff, size, vnc, vnc_count, id, count, model);
}

static int alive_model(const struct nrt_model *m, const char *function) {
    if (m != NULL && m->magic == MODEL_MAGIC)
        return 1;
    complain("%s of a graph that was unloaded, or is none", function);
    return 0;
}

bn_status nrt_unload(struct nrt_model *m) {
    ENTER();
    if (!alive_model(m, __func__))
        return INVALID;
    check_thread(m->vnc, __func__);
    if (__atomic_load_n(&m->running, __ATOMIC_ACQUIRE) > 0)
        complain("nrt_unload of a graph that runs");
    fake.executor->unload(m->graph.handle);
    free(m->graph.tensors);
    m->graph.tensors = NULL;
    m->magic = -MODEL_MAGIC;
    bury(m);
    __atomic_sub_fetch(&fake.models, 1, __ATOMIC_RELAXED);
    return OK;
}

/* describe fills one entry of a tensor list; odd lists leave out what the library may. */
static void describe(bn_tensor_info *to, const fake_tensor_info *from, uint32_t *shape, int odd) {
    snprintf(to->name, sizeof to->name, "%s", from->name);
    to->usage = from->output ? BN_USAGE_OUTPUT : BN_USAGE_INPUT;
    to->size = from->size;
    to->dtype = from->dtype == BN_DTYPE_FP8_E4 ? BN_DTYPE_INT8 : from->dtype;
    to->ndim = from->ndim;
    memcpy(shape, from->shape, sizeof from->shape);
    to->shape = shape;
    if (odd && from->output) {
        to->dtype = BN_DTYPE_UNKNOWN;
        to->shape = NULL;
        to->ndim = 0;
    }
}

bn_status nrt_get_model_tensor_info(struct nrt_model *m, bn_tensor_info_array **info) {
    ENTER();
    if (!alive_model(m, __func__))
        return INVALID;
    const char *text = getenv("FAKE_NRT_INFO");
    int odd = text != NULL && strcmp(text, "odd") == 0;
    uint32_t n = m->graph.count;
    info_block *b = calloc(1, sizeof *b + n * sizeof(bn_tensor_info));
    b->magic = INFO_MAGIC;
    b->shapes = calloc(n, sizeof(uint32_t) * FAKE_MAX_RANK);
    b->array.tensor_count = n;
    for (uint32_t i = 0; i < n; i++) {
        const fake_tensor_info *t = &m->graph.tensors[odd ? n - 1 - i : i];
        describe(&b->array.tensor_array[i], t, b->shapes + FAKE_MAX_RANK * i, odd);
    }
    __atomic_add_fetch(&fake.infos, 1, __ATOMIC_RELAXED);
    *info = &b->array;
    return OK;
}

bn_status nrt_free_model_tensor_info(bn_tensor_info_array *info) {
    ENTER();
    info_block *b = (info_block *)((char *)info - offsetof(info_block, array));
    if (info == NULL || b->magic != INFO_MAGIC) {
        complain("nrt_free_model_tensor_info of something else");
        return INVALID;
    }
    b->magic = 0;
    free(b->shapes);
    free(b);
    __atomic_sub_fetch(&fake.infos, 1, __ATOMIC_RELAXED);
    return OK;
}

bn_status nrt_get_model_info(const struct nrt_model *m, bn_model_info *info, size_t in,
                             size_t *out) {
    ENTER();
    if (!alive_model(m, __func__) || in < sizeof *info)
        return INVALID;
    info->vnc = (uint32_t)m->vnc;
    *out = sizeof *info;
    return OK;
}

static struct nrt_tensor *find(const tensor_set *s, const char *name) {
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->list[i].name, name) == 0)
            return s->list[i].tensor;
    }
    return NULL;
}

/* gather finds the tensor of each port: exact name, exact size, on the graph's core. */
static bn_status gather(const struct nrt_model *m, const tensor_set *in, const tensor_set *out,
                        struct nrt_tensor **list) {
    int inputs = 0, outputs = 0;
    for (uint32_t i = 0; i < m->graph.count; i++) {
        const fake_tensor_info *t = &m->graph.tensors[i];
        list[i] = find(t->output ? out : in, t->name);
        if (list[i] == NULL || !alive_tensor(list[i], "nrt_execute"))
            return INVALID;
        if (list[i]->size != t->size || list[i]->vnc != m->vnc)
            return INVALID;
        if (t->output)
            outputs++;
        else
            inputs++;
    }
    if (in->count != inputs || out->count != outputs) {
        complain("nrt_execute with %d inputs and %d outputs for %d and %d", in->count, out->count,
                 inputs, outputs);
        return INVALID;
    }
    return OK;
}

/* An aliased output lies where its input lies; any other shares memory with nothing. */
static bn_status check_aliases(const struct nrt_model *m, struct nrt_tensor **list) {
    for (uint32_t i = 0; i < m->graph.count; i++) {
        const fake_tensor_info *t = &m->graph.tensors[i];
        for (uint32_t j = 0; t->output && j < m->graph.count; j++) {
            int shared = i != j && list[i] == list[j], must = t->alias == (int32_t)j;
            if (shared != must)
                return INVALID;
        }
    }
    return OK;
}

static void mark(struct nrt_model *m, struct nrt_tensor **list, int by) {
    for (uint32_t i = 0; i < m->graph.count; i++)
        __atomic_add_fetch(&list[i]->busy, by, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&m->running, by, __ATOMIC_ACQ_REL);
}

static bn_status compute(struct nrt_model *m, struct nrt_tensor **list) {
    void **data = calloc(m->graph.count, sizeof *data);
    for (uint32_t i = 0; i < m->graph.count; i++)
        data[i] = list[i]->data;
    long latency = setting("FAKE_NRT_LATENCY", 0);
    if (latency > 0) {
        struct timespec pause = {latency / 1000000, latency % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    bn_status s = fake.executor->execute(m->graph.handle, data);
    free(data);
    return s;
}

bn_status execute_checked(struct nrt_model *m, const tensor_set *in, const tensor_set *out,
                          const char *function) {
    if (!alive_model(m, function) || !alive_set(in, function) || !alive_set(out, function))
        return INVALID;
    if (fake.terminal)
        return UNRECOVERABLE;
    struct nrt_tensor **list = calloc(m->graph.count, sizeof *list);
    bn_status s = gather(m, in, out, list);
    if (s == OK)
        s = check_aliases(m, list);
    if (s == OK) {
        pthread_mutex_lock(&fake.cores[m->vnc].running);
        mark(m, list, 1);
        s = compute(m, list);
        mark(m, list, -1);
        pthread_mutex_unlock(&fake.cores[m->vnc].running);
    }
    free(list);
    return s;
}

bn_status nrt_execute(struct nrt_model *m, const void *in, void *out) {
    ENTER();
    if (m != NULL)
        check_thread(m->vnc, __func__);
    return execute_checked(m, in, out, __func__);
}
