//go:build cuda

#define _GNU_SOURCE
#include "table.h"

#include <dlfcn.h>
#include <stdio.h>

#define SLOT(i, name) #name,
static const char *const names[] = {
#include "symbols.h"
};
#undef SLOT

#define SLOT(i, name) AT_##name = i,
enum {
#include "symbols.h"
    NUM_SLOTS
};
#undef SLOT

enum { UNINITIALIZED = 1, FUNCTION_NOT_FOUND = 13 };

static int no_library(void) { return UNINITIALIZED; }
static int no_function(void) { return FUNCTION_NOT_FOUND; }
static const char *no_text(void) { return "no text"; }

__attribute__((visibility("hidden"))) void *basalt_nvml_table[NUM_SLOTS] = {
    [0 ... NUM_SLOTS - 1] = (void *)no_library};

static void *lib;

int bs_nvml_bind(const char *path, char *reason, size_t size) {
    if (lib) {
        snprintf(reason, size, "another GPU is open");
        return -1;
    }
    lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(reason, size, "%s", dlerror());
        return -1;
    }
    for (int i = 0; i < NUM_SLOTS; i++) {
        void *p = dlsym(lib, names[i]);
        void *missing = i == AT_nvmlErrorString ? (void *)no_text : (void *)no_function;
        basalt_nvml_table[i] = p ? p : missing;
    }
    return 0;
}

void bs_nvml_unbind(void) {
    for (int i = 0; i < NUM_SLOTS; i++) basalt_nvml_table[i] = (void *)no_library;
    basalt_nvml_table[AT_nvmlErrorString] = (void *)no_text;
    if (lib) dlclose(lib);
    lib = NULL;
}
