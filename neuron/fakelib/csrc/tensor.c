#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int alive_tensor(const struct nrt_tensor *t, const char *function) {
    if (t != NULL && t->magic == TENSOR_MAGIC)
        return 1;
    if (t != NULL && t->magic == -TENSOR_MAGIC)
        complain("%s of tensor %s after its release", function, t->name);
    else
        complain("%s of something that is no tensor", function);
    return 0;
}

int alive_set(const tensor_set *s, const char *function) {
    if (s != NULL && s->magic == SET_MAGIC)
        return 1;
    complain("%s of a set that was released, or is none", function);
    return 0;
}

static int good_name(const char *name) {
    return name != NULL && *name != 0 && strlen(name) < FAKE_NAME_MAX;
}

bn_status nrt_tensor_allocate(bn_enum placement, int vnc, size_t size, const char *name,
                              struct nrt_tensor **tensor) {
    ENTER();
    if (placement != BN_PLACEMENT_DEVICE || size == 0 || size >= (size_t)1 << 32 ||
        !good_name(name)) {
        complain("nrt_tensor_allocate of %zu bytes, placement %u", size, placement);
        return INVALID;
    }
    if (vnc < 0 || vnc >= visible_cores(NULL))
        return INVALID;
    check_thread(vnc, __func__);
    size_t limit = (size_t)setting("FAKE_NRT_MEMORY", 1L << 40);
    if (fake.cores[vnc].used + size > limit)
        return RESOURCE;
    struct nrt_tensor *t = calloc(1, sizeof *t);
    t->magic = TENSOR_MAGIC;
    t->vnc = vnc;
    t->size = size;
    snprintf(t->name, sizeof t->name, "%s", name);
    t->data = malloc(size);
    memset(t->data, 0xff, size); /* NaN in every floating point type, -1 in whole numbers */
    fake.cores[vnc].used += size;
    __atomic_add_fetch(&fake.tensors, 1, __ATOMIC_RELAXED);
    *tensor = t;
    return OK;
}

void nrt_tensor_free(struct nrt_tensor **tensor) {
    if (tensor == NULL || !alive_tensor(*tensor, __func__))
        return;
    struct nrt_tensor *t = *tensor;
    check_thread(t->vnc, __func__);
    if (t->sets > 0 || t->busy > 0)
        complain("nrt_tensor_free of %s, which %d sets hold and %d executions use", t->name,
                 t->sets, t->busy);
    if (fake.phase != 1)
        complain("nrt_tensor_free of %s after nrt_close", t->name);
    fake.cores[t->vnc].used -= t->size;
    free(t->data);
    t->data = NULL;
    t->magic = -TENSOR_MAGIC;
    bury(t);
    __atomic_sub_fetch(&fake.tensors, 1, __ATOMIC_RELAXED);
    *tensor = NULL;
}

/* span checks a transfer. A write to what an execution uses is a race. */
static bn_status span(const struct nrt_tensor *t, const void *buf, size_t offset, size_t size,
                      const char *function) {
    if (!alive_tensor(t, function) || buf == NULL)
        return INVALID;
    check_thread(t->vnc, function);
    if (__atomic_load_n(&t->busy, __ATOMIC_ACQUIRE) > 0)
        complain("%s of %s while an execution uses it", function, t->name);
    return size == 0 || offset > t->size || size > t->size - offset ? INVALID : OK;
}

bn_status nrt_tensor_read(const struct nrt_tensor *t, void *buf, size_t offset, size_t size) {
    ENTER();
    bn_status s = span(t, buf, offset, size, __func__);
    if (s == OK)
        memcpy(buf, t->data + offset, size);
    return s;
}

bn_status nrt_tensor_write(struct nrt_tensor *t, const void *buf, size_t offset, size_t size) {
    ENTER();
    bn_status s = span(t, buf, offset, size, __func__);
    if (s == OK)
        memcpy(t->data + offset, buf, size);
    return s;
}

bn_status nrt_tensor_memset(struct nrt_tensor *t, uint64_t offset, int value, size_t size) {
    ENTER();
    bn_status s = span(t, t, offset, size, __func__);
    if (s == OK)
        memset(t->data + offset, value, size);
    return s;
}

#ifndef FAKE_NO_BATCH
bn_status nrt_tensor_read_batch(const bn_batch *batches, uint64_t count, bool unsafe) {
    ENTER();
    if (unsafe)
        complain("nrt_tensor_read_batch is asked to skip its checks");
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < batches[i].num_ops; j++) {
            const bn_batch_op *op = &batches[i].ops[j];
            bn_status s = span(batches[i].tensor, op->buffer, op->offset, op->size, __func__);
            if (s != OK)
                return s;
            memcpy(op->buffer, batches[i].tensor->data + op->offset, op->size);
        }
    }
    return OK;
}

bn_status nrt_tensor_write_batch(const bn_batch *batches, uint64_t count, bool unsafe) {
    ENTER();
    if (unsafe)
        complain("nrt_tensor_write_batch is asked to skip its checks");
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < batches[i].num_ops; j++) {
            const bn_batch_op *op = &batches[i].ops[j];
            bn_status s = span(batches[i].tensor, op->buffer, op->offset, op->size, __func__);
            if (s != OK)
                return s;
            memcpy(batches[i].tensor->data + op->offset, op->buffer, op->size);
        }
    }
    return OK;
}
#endif

bn_status nrt_allocate_tensor_set(void **set) {
    ENTER();
    tensor_set *s = calloc(1, sizeof *s);
    s->magic = SET_MAGIC;
    *set = s;
    __atomic_add_fetch(&fake.sets, 1, __ATOMIC_RELAXED);
    return OK;
}

void nrt_destroy_tensor_set(void **set) {
    if (set == NULL || !alive_set(*set, __func__))
        return;
    tensor_set *s = *set;
    for (int i = 0; i < s->count; i++) {
        if (alive_tensor(s->list[i].tensor, __func__))
            s->list[i].tensor->sets--;
    }
    free(s->list);
    s->list = NULL;
    s->magic = -SET_MAGIC;
    bury(s);
    __atomic_sub_fetch(&fake.sets, 1, __ATOMIC_RELAXED);
    *set = NULL;
}

/* A name that is there already is replaced, as documented; a caller that does so is odd. */
bn_status nrt_add_tensor_to_tensor_set(void *set, const char *name, struct nrt_tensor *tensor) {
    ENTER();
    tensor_set *s = set;
    if (!alive_set(s, __func__) || !alive_tensor(tensor, __func__) || !good_name(name))
        return INVALID;
    for (int i = 0; i < s->count; i++) {
        if (strcmp(s->list[i].name, name) == 0) {
            complain("nrt_add_tensor_to_tensor_set replaces %s", name);
            s->list[i].tensor->sets--;
            s->list[i].tensor = tensor;
            tensor->sets++;
            return OK;
        }
    }
    if (s->count == MAX_IN_SET)
        return RESOURCE;
    s->list = realloc(s->list, sizeof *s->list * (size_t)(s->count + 1));
    named *n = &s->list[s->count++];
    snprintf(n->name, sizeof n->name, "%s", name);
    n->tensor = tensor;
    tensor->sets++;
    return OK;
}

bn_status nrt_get_vnc_memory_stats(uint32_t vnc, bn_memory_stats *stats, size_t in, size_t *out) {
    ENTER();
    if ((int)vnc >= visible_cores(NULL) || in < sizeof *stats)
        return INVALID;
    stats->bytes_used = fake.cores[vnc].used;
    stats->bytes_limit = (size_t)setting("FAKE_NRT_MEMORY", 1L << 40);
    *out = sizeof *stats;
    return OK;
}
