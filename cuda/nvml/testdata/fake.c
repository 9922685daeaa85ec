// A libnvidia-ml.so.1 for the tests: one GPU at 0000:3b:00.0, without fields and without energy.
// BASALT_FAKE_NVML says what Init returns; each wait gives one of two events, then none,
// or only the first BASALT_FAKE_EVENTS of them. With BARE
// it lacks all that reads.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    void *device;
    unsigned long long kind, data;
    unsigned gpu_instance, compute_instance;
} event;

static int gpu;

int nvmlInit_v2(void) {
    const char *code = getenv("BASALT_FAKE_NVML");
    return code ? atoi(code) : 0;
}

int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "an error"; }

int nvmlDeviceGetHandleByPciBusId_v2(const char *at, void **h) {
    *h = &gpu;
    return strcmp(at, "0000:3b:00.0") ? 6 : 0;
}

#ifndef BARE // what a library of long ago has
static int waits;

int nvmlDeviceGetMemoryInfo(void *h, unsigned long long *m) {
    (void)h;
    m[0] = 80ull << 30;
    m[1] = 60ull << 30;
    m[2] = 20ull << 30;
    return 0;
}

int nvmlDeviceGetPowerUsage(void *h, unsigned *mw) { return (void)h, *mw = 412500, 0; }
int nvmlDeviceGetTemperature(void *h, int kind, unsigned *c) { return (void)h, *c = 61, kind; }
int nvmlDeviceGetUtilizationRates(void *h, unsigned *u) { return (void)h, u[0] = 97, u[1] = 40, 0; }

int nvmlDeviceGetTotalEccErrors(void *h, int kind, int counter, unsigned long long *n) {
    (void)h;
    *n = 0;
    return kind == 1 && counter == 0 ? 0 : 2;
}

int nvmlDeviceGetRemappedRows(void *h, unsigned *c, unsigned *u, unsigned *pending, unsigned *fail) {
    (void)h;
    *c = 1;
    *u = 2;
    *pending = 1;
    *fail = 0;
    return 0;
}

int nvmlEventSetCreate(void **set) { return *set = &waits, 0; }
int nvmlEventSetFree(void *set) { return (void)set, 0; }

int nvmlDeviceGetSupportedEventTypes(void *h, unsigned long long *kinds) {
    return (void)h, *kinds = 1 | 8 | 32768, 0;
}

int nvmlDeviceRegisterEvents(void *h, unsigned long long kinds, void *set) {
    return (void)h, (void)set, kinds == (8 | 32768) ? 0 : 2;
}

int nvmlEventSetWait_v2(void *set, event *e, unsigned ms) {
    (void)set;
    const char *events = getenv("BASALT_FAKE_EVENTS");
    if (waits++ >= (events ? atoi(events) : 2)) {
        usleep(1000 * ms);
        return 10;
    }
    e->kind = 8;
    e->data = waits == 1 ? 63 : 79;
    return 0;
}

// Counters of performance: BASALT_FAKE_GPM says what the query for them returns. The bandwidth is
// 62.5 % between a sample and the next one.
typedef struct {
    unsigned id, code;
    double value;
    const char *names[3];
} metric;

typedef struct {
    unsigned version, num;
    int *first, *second;
    metric metrics[];
} metrics;

static int samples;

int nvmlGpmQueryDeviceSupport(void *h, unsigned *support) {
    const char *code = getenv("BASALT_FAKE_GPM");
    (void)h;
    support[1] = 1;
    return code ? atoi(code) : 0;
}

int nvmlGpmSampleAlloc(int **s) { return *s = calloc(1, sizeof **s), 0; }
int nvmlGpmSampleFree(int *s) { return free(s), 0; }
int nvmlGpmSampleGet(void *h, int *s) { return (void)h, *s = ++samples, 0; }

int nvmlGpmMetricsGet(metrics *m) {
    if (m->version != 1 || m->num != 1 || m->metrics[0].id != 10) return 2;
    m->metrics[0].code = *m->second == *m->first + 1 ? 0 : 2;
    m->metrics[0].value = 62.5;
    return 0;
}
#endif
