#include "kern.h"

#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#endif

#if defined(__x86_64__)
static int runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}
#endif

static int wanted(const char *name, const kernels *k) {
    return name[0] == 0 || strcmp(name, k->name) == 0;
}

const kernels *bs_kernels(const char *name) {
#if defined(__x86_64__)
    if (wanted(name, &bs_kernels_avx2) && runs_avx2()) return &bs_kernels_avx2;
#endif
    return wanted(name, &bs_kernels_portable) ? &bs_kernels_portable : NULL;
}
