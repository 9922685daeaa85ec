// Modules, launches, streams and graphs. A module is PTX; its entries say what arguments a launch
// must have, and how many threads.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"
#include "fibers.h"

enum { PTR, U32 };
enum { MAX_KERNELS = 128, STATIC_SHARED = 48 << 10, MAX_SHARED = 227 << 10 };

typedef struct {
    char name[64];
    int kinds[MAX_ARGS], num_args, max_threads;
    unsigned shared_limit;
    kernel_fn *fn;
} kernel;

typedef struct {
    const kernel *k;
    unsigned grid[3], threads, shared;
    word args[MAX_ARGS];
} launch;

typedef struct {
    launch *list;
    int num, cap;
} graph;

static kernel kernels[MAX_KERNELS];
static int num_kernels;
static graph *capturing;

// Reads the parameters of an entry between its parentheses: pointers and 32-bit numbers alone.
static void read_params(kernel *k, const char *at, const char *end) {
    while ((at = strstr(at, ".param ")) && at < end && k->num_args < MAX_ARGS) {
        at += 7;
        k->kinds[k->num_args++] = strncmp(at, ".u64", 4) ? U32 : PTR;
    }
}

static void *find_symbol(const char *name) {
    Dl_info info;
    if (!dladdr((void *)find_symbol, &info)) return NULL;
    void *self = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    return self ? dlsym(self, name) : NULL;
}

// Whether the device runs PTX for a target: sm_90a its own architecture's, sm_100f its family's.
static int has_target(const char *ptx) {
    int target = 0;
    char kind = 0;
    const char *at = strstr(ptx, ".target sm_");
    if (!at || sscanf(at, ".target sm_%d%c", &target, &kind) < 1) return 0;
    if (kind == 'a') return state.capability == target;
    return state.capability >= target && (kind != 'f' || state.capability / 10 == target / 10);
}

int cuModuleLoadData(void **module, const void *image) {
    const char *at = image;
    if (device_error()) return device_error();
    if (strncmp(at, "//", 2) || !has_target(at)) return NO_BINARY; // machine code, or another's
    while ((at = strstr(at, ".visible .entry "))) {
        at += 16;
        const char *open = strchr(at, '('), *close = strchr(at, ')');
        if (!open || !close || num_kernels == MAX_KERNELS) return INVALID_VALUE;
        char name[sizeof kernels->name];
        snprintf(name, sizeof name, "%.*s", (int)(open - at), at);
        int i = 0; // a module that is loaded again takes its old place
        while (i < num_kernels && strcmp(kernels[i].name, name)) i++;
        num_kernels += i == num_kernels;
        kernel *k = &kernels[i];
        memset(k, 0, sizeof *k);
        memcpy(k->name, name, sizeof name);
        read_params(k, open, close);
        const char *most = strstr(close, ".maxntid ");
        k->max_threads = most ? atoi(most + 9) : 1024;
        k->shared_limit = STATIC_SHARED;
        k->fn = (kernel_fn *)find_symbol(k->name);
    }
    *module = kernels;
    return OK;
}

int cuModuleUnload(void *module) {
    (void)module;
    return OK;
}

int cuModuleGetFunction(void **fn, void *module, const char *name) {
    (void)module;
    for (int i = 0; i < num_kernels; i++) {
        if (strcmp(kernels[i].name, name)) continue;
        if (!kernels[i].fn) return broke(NOT_FOUND, "%s has no source", name);
        *fn = &kernels[i];
        return OK;
    }
    return NOT_FOUND;
}

int cuFuncSetAttribute(void *fn, int attribute, int value) {
    if (attribute != 8 || value > MAX_SHARED) return INVALID_VALUE;
    ((kernel *)fn)->shared_limit = (unsigned)value;
    return OK;
}

static int check_launch(const launch *l) {
    const kernel *k = l->k;
    if (l->threads != (unsigned)k->max_threads) {
        return broke(INVALID_VALUE, "%s: %u threads, made for %d", k->name, l->threads,
                     k->max_threads);
    }
    if (l->grid[0] < 1 || l->grid[1] < 1 || l->grid[2] < 1 || l->grid[1] > 65535 ||
        l->grid[2] > 65535) {
        return broke(INVALID_VALUE, "%s: grid %u x %u x %u", k->name, l->grid[0], l->grid[1],
                     l->grid[2]);
    }
    if (l->shared > k->shared_limit) {
        return broke(INVALID_VALUE, "%s: %u bytes of shared memory", k->name, l->shared);
    }
    for (int i = 0; i < k->num_args; i++) {
        word a = l->args[i];
        if (k->kinds[i] == U32 && a >> 32) {
            return broke(INVALID_VALUE, "%s: argument %d is no 32-bit number", k->name, i);
        }
        if (k->kinds[i] == PTR && a && !memory_has(a, 1)) {
            return broke(ILLEGAL_ADDRESS, "%s: argument %d points outside live memory", k->name, i);
        }
    }
    return OK;
}

static int run(const launch *l) {
    int code = device_error();
    if (!code) code = check_launch(l);
    if (code) return code;
    state.launches++;
    if (hung()) return OK;
    int specific = strstr(l->k->name, "_sm") != NULL;
    if (specific && state.arch_fault > 1) {
        device_fails(state.arch_fault);
        return OK;
    }
    const char *wrong = run_grid(l->k->fn, l->args, l->grid, l->threads);
    if (specific && state.arch_fault == 1) *(float *)(uintptr_t)l->args[0] = 1e6f;
    return wrong ? broke(LAUNCH_FAILED, "%s: %s", l->k->name, wrong) : OK;
}

int cuLaunchKernel(void *fn, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                   unsigned bz, unsigned shared, void *stream, void **params, void **extra) {
    launch l = {fn, {gx, gy, gz}, bx * by * bz, shared, {0}};
    (void)stream;
    if (extra || by != 1 || bz != 1) return INVALID_VALUE;
    for (int i = 0; i < l.k->num_args; i++) l.args[i] = *(word *)params[i];
    if (!capturing) return run(&l);
    int code = check_launch(&l);
    if (code) return code;
    if (capturing->num == capturing->cap) {
        capturing->cap = 2 * capturing->cap + 64;
        capturing->list = realloc(capturing->list, (size_t)capturing->cap * sizeof l);
        if (!capturing->list) abort();
    }
    capturing->list[capturing->num++] = l;
    return OK;
}

int fake_capturing(void) { return capturing != NULL; }

int cuStreamBeginCapture_v2(void *stream, int mode) {
    (void)stream;
    (void)mode;
    if (capturing) return broke(CAPTURE_INVALID, "a capture within a capture");
    capturing = calloc(1, sizeof *capturing);
    return capturing ? OK : OUT_OF_MEMORY;
}

int cuStreamEndCapture(void *stream, void **g) {
    (void)stream;
    if (!capturing) return CAPTURE_INVALID;
    *g = capturing;
    capturing = NULL;
    state.captures++;
    return OK;
}

int cuGraphInstantiateWithFlags(void **exec, void *g, unsigned long long flags) {
    const graph *from = g;
    graph *to = calloc(1, sizeof *to);
    (void)flags;
    if (!to) return OUT_OF_MEMORY;
    to->num = to->cap = from->num;
    to->list = calloc((size_t)from->num + 1, sizeof *to->list);
    memcpy(to->list, from->list, (size_t)from->num * sizeof *to->list);
    *exec = to;
    return OK;
}

static int drop(graph *g) {
    free(g->list);
    free(g);
    return OK;
}

int cuGraphDestroy(void *g) { return drop(g); }
int cuGraphExecDestroy(void *g) { return drop(g); }

int cuGraphLaunch(void *exec, void *stream) {
    const graph *g = exec;
    (void)stream;
    if (capturing) return broke(CAPTURE_INVALID, "a graph launch within a capture");
    state.graph_launches++;
    for (int i = 0; i < g->num; i++) {
        int code = run(&g->list[i]);
        if (code) return code;
    }
    return OK;
}
