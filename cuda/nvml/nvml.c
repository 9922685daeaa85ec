//go:build cuda

#define _GNU_SOURCE
#include "nvml.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// A field of nvmlDeviceGetFieldValues.
typedef struct {
    unsigned id, scope;
    long long timestamp, latency;
    int type, code;
    union {
        unsigned u32;
        unsigned long u64;
        unsigned long long u64l;
        double number;
    } value;
} field;

typedef struct {
    void *device;
    unsigned long long kind, data;
    unsigned gpu_instance, compute_instance;
} event;

enum { POWER_INSTANT = 186, RECOVERY_ACTION = 230, UNCORRECTED = 1, VOLATILE = 0 };

static void *lib;

static void *find(const char *name) { return lib ? dlsym(lib, name) : NULL; }

const char *bs_nvml_error(int code) {
    const char *(*text)(int) = (const char *(*)(int))find("nvmlErrorString");
    return text ? text(code) : "no library";
}

int bs_nvml_open(const char *path, char *reason, size_t size) {
    if (lib) return 0;
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(reason, size, "%s", dlerror());
        return BS_NVML_NO_LIBRARY;
    }
    int (*init)(void) = (int (*)(void))find("nvmlInit_v2");
    int code = init ? init() : BS_NVML_UNSUPPORTED;
    if (!code) return 0;
    snprintf(reason, size, "%s", bs_nvml_error(code));
    dlclose(lib);
    lib = NULL;
    return code;
}

void bs_nvml_close(void) {
    int (*shutdown)(void) = (int (*)(void))find("nvmlShutdown");
    if (shutdown) shutdown();
    if (lib) dlclose(lib);
    lib = NULL;
}

int bs_nvml_gpu(const char *address, void **gpu) {
    int (*get)(const char *, void **) =
        (int (*)(const char *, void **))find("nvmlDeviceGetHandleByPciBusId_v2");
    return get ? get(address, gpu) : BS_NVML_UNSUPPORTED;
}

static void number32(bs_number *n, void *gpu, const char *name) {
    int (*get)(void *, unsigned *) = (int (*)(void *, unsigned *))find(name);
    unsigned v = 0;
    n->known = get && get(gpu, &v) == 0;
    n->value = v;
}

static void number64(bs_number *n, void *gpu, const char *name) {
    int (*get)(void *, unsigned long long *) = (int (*)(void *, unsigned long long *))find(name);
    n->known = get && get(gpu, &n->value) == 0;
}

static void read_fields(void *gpu, bs_reading *r) {
    int (*get)(void *, int, field *) = (int (*)(void *, int, field *))find(
        "nvmlDeviceGetFieldValues");
    field f[2] = {{.id = POWER_INSTANT}, {.id = RECOVERY_ACTION}};
    if (!get || get(gpu, 2, f)) return;
    r->power_mw = (bs_number){f[0].code == 0, f[0].value.u32};
    r->recovery_action = (bs_number){f[1].code == 0, f[1].value.u32};
}

static void read_remapped(void *gpu, bs_reading *r) {
    int (*get)(void *, unsigned *, unsigned *, unsigned *, unsigned *) =
        (int (*)(void *, unsigned *, unsigned *, unsigned *, unsigned *))find(
            "nvmlDeviceGetRemappedRows");
    unsigned corrected, uncorrected, pending, failed;
    if (!get || get(gpu, &corrected, &uncorrected, &pending, &failed)) return;
    r->remapped = (bs_number){1, (unsigned long long)corrected + uncorrected};
    r->remap_pending = (bs_number){1, pending};
    r->remap_failed = (bs_number){1, failed};
}

void bs_nvml_read(void *gpu, bs_reading *r) {
    memset(r, 0, sizeof *r);
    int (*memory)(void *, bs_memory *) = (int (*)(void *, bs_memory *))find(
        "nvmlDeviceGetMemoryInfo");
    if (memory) memory(gpu, &r->memory);
    read_fields(gpu, r);
    if (!r->power_mw.known) number32(&r->power_mw, gpu, "nvmlDeviceGetPowerUsage");
    number64(&r->energy_mj, gpu, "nvmlDeviceGetTotalEnergyConsumption");
    number64(&r->clock_reasons, gpu, "nvmlDeviceGetCurrentClocksEventReasons");
    int (*temperature)(void *, int, unsigned *) = (int (*)(void *, int, unsigned *))find(
        "nvmlDeviceGetTemperature");
    unsigned busy[2], degrees;
    if (temperature && temperature(gpu, 0, &degrees) == 0) r->temperature = (bs_number){1, degrees};
    int (*use)(void *, unsigned *) = (int (*)(void *, unsigned *))find(
        "nvmlDeviceGetUtilizationRates");
    if (use && use(gpu, busy) == 0) {
        r->gpu_busy = (bs_number){1, busy[0]};
        r->memory_busy = (bs_number){1, busy[1]};
    }
    int (*ecc)(void *, int, int, unsigned long long *) =
        (int (*)(void *, int, int, unsigned long long *))find("nvmlDeviceGetTotalEccErrors");
    r->uncorrected.known = ecc && ecc(gpu, UNCORRECTED, VOLATILE, &r->uncorrected.value) == 0;
    read_remapped(gpu, r);
}

int bs_nvml_watch(void *gpu, void **set) {
    int (*create)(void **) = (int (*)(void **))find("nvmlEventSetCreate");
    int (*supported)(void *, unsigned long long *) =
        (int (*)(void *, unsigned long long *))find("nvmlDeviceGetSupportedEventTypes");
    int (*add)(void *, unsigned long long, void *) =
        (int (*)(void *, unsigned long long, void *))find("nvmlDeviceRegisterEvents");
    // Double-bit ECC, critical Xid, GPU unavailable, recovery action.
    unsigned long long kinds = 0, wanted = 2 | 8 | 16384 | 32768;
    if (!create || !supported || !add || !find("nvmlEventSetWait_v2")) return BS_NVML_UNSUPPORTED;
    int code = supported(gpu, &kinds);
    if (!code && !(kinds & wanted)) code = BS_NVML_UNSUPPORTED;
    if (!code) code = create(set);
    if (code) return code;
    code = add(gpu, kinds & wanted, *set);
    if (code) bs_nvml_unwatch(*set);
    return code;
}

int bs_nvml_wait(void *set, unsigned ms, unsigned long long *kind, unsigned long long *data) {
    int (*wait)(void *, event *, unsigned) = (int (*)(void *, event *, unsigned))find(
        "nvmlEventSetWait_v2");
    event e;
    memset(&e, 0, sizeof e);
    int code = wait ? wait(set, &e, ms) : BS_NVML_UNSUPPORTED;
    *kind = e.kind;
    *data = e.data;
    return code;
}

void bs_nvml_unwatch(void *set) {
    int (*drop)(void *) = (int (*)(void *))find("nvmlEventSetFree");
    if (drop) drop(set);
}
