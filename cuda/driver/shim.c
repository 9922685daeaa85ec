//go:build cuda

#define _GNU_SOURCE
#include "shim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#define SLOT(i, name) #name,
static const char *const names[] = {
#include "symbols.h"
};
#undef SLOT

enum { NUM_SLOTS = sizeof names / sizeof *names, NOT_INITIALIZED = 3, NOT_FOUND = 500 };

static int no_driver(void) { return NOT_INITIALIZED; }
static int no_symbol(void) { return NOT_FOUND; }

__attribute__((visibility("hidden"))) void *basalt_cu_table[NUM_SLOTS] = {
    [0 ... NUM_SLOTS - 1] = (void *)no_driver};

// gorgonia.org/cu starts the driver when the process starts, and ends the process where there is
// none. It is told that all went well; bs_load starts the driver when it is wanted.
__attribute__((visibility("hidden"))) int cuInit(unsigned flags) {
    (void)flags;
    return 0;
}

static struct {
    void *lib;
    int (*launch)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                  void *, void **, void **);
    int (*begin)(void *, int);
    int (*end)(void *, void **);
    int (*instantiate)(void **, void *, unsigned long long);
    int (*graph_launch)(void *, void *);
    int (*graph_destroy)(void *);
    int (*exec_destroy)(void *);
    int (*set_attribute)(void *, int, int);
    int (*host_alloc)(void **, size_t, unsigned);
    int (*host_free)(void *);
    int (*event_query)(void *);
    int (*memory)(size_t *, size_t *);
    int (*mem_free)(uint64_t);
    int (*address)(char *, int, int);
    int (*error_name)(int, const char **);
} cu;

static int find(void *slot, const char *name, char *reason, size_t size) {
    void *p = dlsym(cu.lib, name);
    memcpy(slot, &p, sizeof p);
    if (p) return 0;
    snprintf(reason, size, "the driver has no %s: it is too old", name);
    return -1;
}

static int find_all(char *reason, size_t size) {
    return find(&cu.launch, "cuLaunchKernel", reason, size) ||
                   find(&cu.begin, "cuStreamBeginCapture_v2", reason, size) ||
                   find(&cu.end, "cuStreamEndCapture", reason, size) ||
                   find(&cu.instantiate, "cuGraphInstantiateWithFlags", reason, size) ||
                   find(&cu.graph_launch, "cuGraphLaunch", reason, size) ||
                   find(&cu.graph_destroy, "cuGraphDestroy", reason, size) ||
                   find(&cu.exec_destroy, "cuGraphExecDestroy", reason, size) ||
                   find(&cu.set_attribute, "cuFuncSetAttribute", reason, size) ||
                   find(&cu.host_alloc, "cuMemHostAlloc", reason, size) ||
                   find(&cu.host_free, "cuMemFreeHost", reason, size) ||
                   find(&cu.event_query, "cuEventQuery", reason, size) ||
                   find(&cu.memory, "cuMemGetInfo_v2", reason, size) ||
                   find(&cu.mem_free, "cuMemFree_v2", reason, size) ||
                   find(&cu.address, "cuDeviceGetPCIBusId", reason, size) ||
                   find(&cu.error_name, "cuGetErrorName", reason, size)
               ? -1
               : 0;
}

int bs_load(const char *path, char *reason, size_t size) {
    if (cu.lib) return 0;
    reason[0] = 0;
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(reason, size, "%s", dlerror());
        return -1;
    }
    cu.lib = lib;
    int (*init)(unsigned);
    int code = find(&init, "cuInit", reason, size);
    if (!code) code = find_all(reason, size);
    if (!code) code = init(0);
    if (code) {
        if (code > 0) snprintf(reason, size, "%s", bs_error_name(code));
        cu.lib = NULL;
        dlclose(lib);
        return code;
    }
    for (int i = 0; i < NUM_SLOTS; i++) {
        void *p = dlsym(lib, names[i]);
        basalt_cu_table[i] = p ? p : (void *)no_symbol;
    }
    return 0;
}

// For tests, which load one driver after another.
void bs_unload(void) {
    for (int i = 0; i < NUM_SLOTS; i++) basalt_cu_table[i] = (void *)no_driver;
    if (cu.lib) dlclose(cu.lib);
    memset(&cu, 0, sizeof cu);
}

int bs_has(const char *name) { return cu.lib && dlsym(cu.lib, name) != NULL; }

static int launch(const bs_launch *l, void *stream) {
    void *params[BS_MAX_ARGS];
    for (uint32_t i = 0; i < l->num_args; i++) params[i] = (void *)&l->args[i];
    return cu.launch((void *)(uintptr_t)l->fn, l->grid[0], l->grid[1], l->grid[2], l->threads, 1, 1,
                     l->shared, stream, params, NULL);
}

int bs_launch_all(const bs_launch *list, int n, void *stream, int *at) {
    for (int i = 0; i < n; i++) {
        int code = launch(list + i, stream);
        if (code) {
            *at = i;
            return code;
        }
    }
    return 0;
}

// Records the launches as a graph. A failed launch still ends the capture.
int bs_capture(const bs_launch *list, int n, void *stream, void **exec, int *at) {
    void *graph = NULL;
    int code = cu.begin(stream, 1); // of this thread alone
    if (code) return code;
    code = bs_launch_all(list, n, stream, at);
    int ended = cu.end(stream, &graph);
    if (!code) code = ended;
    if (!code) code = cu.instantiate(exec, graph, 0);
    if (graph) cu.graph_destroy(graph);
    return code;
}

int bs_graph_launch(void *exec, void *stream) { return cu.graph_launch(exec, stream); }
void bs_graph_drop(void *exec) { cu.exec_destroy(exec); }
int bs_allow_shared(void *fn, int bytes) { return cu.set_attribute(fn, 8, bytes); }
int bs_host_alloc(void **p, size_t n) { return cu.host_alloc(p, n, 1); } // 1: for every context
void bs_host_free(void *p) { cu.host_free(p); }
int bs_event_query(void *event) { return cu.event_query(event); }
int bs_memory(size_t *free_bytes, size_t *total) { return cu.memory(free_bytes, total); }
int bs_address(int dev, char *to, int size) { return cu.address(to, size, dev); }
int bs_free(uint64_t at) { return cu.mem_free(at); }

const char *bs_error_name(int code) {
    const char *name = NULL;
    if (!cu.error_name && cu.lib) {
        void *p = dlsym(cu.lib, "cuGetErrorName");
        memcpy(&cu.error_name, &p, sizeof p);
    }
    if (!cu.error_name || cu.error_name(code, &name) || !name) return "unknown error";
    return name;
}
