#define _GNU_SOURCE
#include "fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

fake_state fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

void complain(const char *format, ...) {
    pthread_mutex_lock(&fake.lock);
    size_t used = strlen(fake.report), room = sizeof fake.report - used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(fake.report + used, room, format, args);
    va_end(args);
    if (n > 0 && (size_t)n + 1 < room)
        strcat(fake.report, "\n");
    fake.complaints++;
    pthread_mutex_unlock(&fake.lock);
}

void bury(void *object) {
    pthread_mutex_lock(&fake.lock);
    fake.graves = realloc(fake.graves, sizeof *fake.graves * (fake.buried + 1));
    fake.graves[fake.buried++] = object;
    pthread_mutex_unlock(&fake.lock);
}

__attribute__((destructor)) static void empty_graves(void) {
    for (size_t i = 0; i < fake.buried; i++)
        free(fake.graves[i]);
    free(fake.graves);
}

void fake_nrt_executor(const fake_executor *executor) { fake.executor = executor; }

uint32_t fake_nrt_report(char *text, size_t size) {
    pthread_mutex_lock(&fake.lock);
    snprintf(text, size, "%s", fake.report);
    uint32_t n = fake.complaints;
    fake.report[0] = 0;
    fake.complaints = 0;
    pthread_mutex_unlock(&fake.lock);
    return n;
}

long setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text != NULL && *text != 0 ? strtol(text, NULL, 10) : otherwise;
}

/* planned gives the status that FAKE_NRT_FAULT plans for this call of a function, 0 for none. The
 * counts of calls are kept in the plan itself: N counts down. */
static bn_status planned(const char *function) {
    static char plan[512];
    static char source[512];
    const char *now = getenv("FAKE_NRT_FAULT");
    if (now == NULL)
        now = "";
    if (strcmp(now, source) != 0) {
        snprintf(source, sizeof source, "%s", now);
        snprintf(plan, sizeof plan, "%s", now);
    }
    char rest[512] = "", *save = NULL, copy[512];
    bn_status found = OK;
    snprintf(copy, sizeof copy, "%s", plan);
    for (char *item = strtok_r(copy, ";", &save); item; item = strtok_r(NULL, ";", &save)) {
        char name[64];
        long n, status;
        if (sscanf(item, "%63[^:]:%ld:%ld", name, &n, &status) != 3)
            continue;
        if (strcmp(name, function) == 0 && --n == 0) {
            found = (bn_status)status;
            continue;
        }
        size_t used = strlen(rest);
        snprintf(rest + used, sizeof rest - used, "%s:%ld:%ld;", name, n, status);
    }
    snprintf(plan, sizeof plan, "%s", rest);
    return found;
}

bn_status fault(const char *function) {
    pthread_mutex_lock(&fake.lock);
    bn_status status = planned(function);
    if (status == UNRECOVERABLE)
        fake.terminal = 1;
    pthread_mutex_unlock(&fake.lock);
    return status;
}

bn_status enter(const char *function) {
    bn_status status = fault(function);
    pthread_mutex_lock(&fake.lock);
    int phase = fake.phase;
    pthread_mutex_unlock(&fake.lock);
    if (phase == 1 || strcmp(function, "nrt_init") == 0)
        return status;
    return phase == 0 ? UNINITIALIZED : CLOSED;
}

/* visible_cores reads the contiguous range of NEURON_RT_VISIBLE_CORES; a bad one shows none. */
int visible_cores(int *first) {
    int total = (int)setting("FAKE_NRT_CORES", 4), from = 0, to = total - 1;
    const char *text = getenv("NEURON_RT_VISIBLE_CORES");
    if (text != NULL && *text != 0) {
        int n = sscanf(text, "%d-%d", &from, &to);
        if (n == 1)
            to = from;
        if (n < 1 || from < 0 || to < from || to >= total)
            return 0;
    }
    if (first != NULL)
        *first = from;
    return to - from + 1;
}

void check_thread(int vnc, const char *function) {
    if (vnc < 0 || vnc >= MAX_CORES)
        return;
    core *c = &fake.cores[vnc];
    if (!c->has_thread) {
        c->has_thread = 1;
        c->thread = pthread_self();
    } else if (!pthread_equal(c->thread, pthread_self())) {
        complain("%s for core %d comes from a second thread", function, vnc);
    }
}

bn_status nrt_init(bn_enum framework, const char *fw_version, const char *fal_version) {
    ENTER();
    if (framework != BN_FRAMEWORK_NONE || fw_version == NULL || fal_version == NULL)
        return INVALID;
    if (fake.phase == 1) {
        complain("nrt_init is called twice");
        return FAILURE;
    }
    if (getenv("NEURON_RT_ASYNC_EXEC_MAX_INFLIGHT_REQUESTS") != NULL)
        return INVALID;
    if (visible_cores(NULL) == 0)
        return NOT_ENOUGH_CORES;
    memset(fake.cores, 0, sizeof fake.cores);
    for (int i = 0; i < MAX_CORES; i++)
        pthread_mutex_init(&fake.cores[i].running, NULL);
    fake.terminal = 0;
    fake.phase = 1;
    return OK;
}

void nrt_close(void) {
    if (fake.phase != 1) {
        complain("nrt_close without nrt_init");
        return;
    }
    stop_queues();
    if (fake.tensors + fake.sets + fake.models + fake.infos > 0)
        complain("nrt_close leaks %d tensors, %d sets, %d graphs, %d lists", fake.tensors,
                 fake.sets, fake.models, fake.infos);
    fake.phase = 2;
}

bn_status nrt_get_version(bn_version *v, size_t size) {
    bn_status status = fault(__func__);
    if (status != OK)
        return status;
    if (v == NULL || size < sizeof *v)
        return INVALID;
    memset(v, 0, sizeof *v);
    v->rt_major = 2;
    v->rt_minor = 34;
    snprintf(v->rt_detail, sizeof v->rt_detail, "fake");
    return OK;
}

bn_status nrt_get_instance_info(bn_instance_info *info, size_t size) {
    bn_status status = fault(__func__);
    if (status != OK)
        return status;
    if (info == NULL || size < sizeof *info)
        return INVALID;
    memset(info, 0, sizeof *info);
    info->family = (uint32_t)setting("FAKE_NRT_FAMILY", BN_INSTANCE_TRN3);
    snprintf(info->arch_name, sizeof info->arch_name, "fake");
    return OK;
}

bn_status nrt_get_total_vnc_count(uint32_t *count) {
    *count = (uint32_t)setting("FAKE_NRT_CORES", 4);
    return OK;
}

bn_status nrt_get_visible_vnc_count(uint32_t *count) {
    bn_status status = fault(__func__);
    if (status != OK)
        return status;
    *count = (uint32_t)visible_cores(NULL);
    return *count > 0 ? OK : INVALID;
}
