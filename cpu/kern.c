#include "kern.h"

#include <string.h>

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#if defined(__x86_64__)
static int runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c");
}

static int runs_avx512(void) {
#if defined(BASALT_EMULATE)
    return runs_avx2();
#else
    return runs_avx2() && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
#endif
}

static int runs_avx512_bf16(void) {
#if defined(BASALT_EMULATE)
    return runs_avx2();
#else
    return runs_avx512() && __builtin_cpu_supports("avx512bf16");
#endif
}
#endif

#if defined(__aarch64__)
static int runs_neon(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#else
    return 1; // Apple's processors have had the dot product from the first
#endif
}
#endif

static int wanted(const char *name, const kernels *k) {
    return name[0] == 0 || strcmp(name, k->name) == 0;
}

const kernels *bs_kernels(const char *name) {
#if defined(__x86_64__)
    if (wanted(name, &bs_kernels_avx512) && runs_avx512()) return &bs_kernels_avx512;
    if (strcmp(name, "avx512-bf16") == 0 && runs_avx512_bf16()) return &bs_kernels_avx512_bf16;
    if (wanted(name, &bs_kernels_avx2) && runs_avx2()) return &bs_kernels_avx2;
#elif defined(__aarch64__)
    if (wanted(name, &bs_kernels_neon) && runs_neon()) return &bs_kernels_neon;
#endif
    return wanted(name, &bs_kernels_portable) ? &bs_kernels_portable : NULL;
}
