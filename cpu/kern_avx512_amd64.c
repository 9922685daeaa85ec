// The kernels for x86-64 with AVX-512 F, BW, VL, DQ, VNNI and BF16 (Zen 4, Cooper Lake, Sapphire
// Rapids and later). BASALT_EMULATE builds them for AVX2 with the intrinsics of SIMDe, to test them
// where the processor has none.
#if defined(BASALT_EMULATE)
#pragma GCC target("avx2,fma,f16c")
#elif defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("fma,f16c,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16"))), \
    apply_to = function)
#else
#pragma GCC target("fma,f16c,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16")
#endif

#include "dot_avx512.h"

// Eight rows: 8 registers of integer and 8 of float sums, 4 for the codes.
#define KERNEL_ROWS 8
#define EACH_ROWS(f, name)                                                      \
    f(name, 1) f(name, 2) f(name, 3) f(name, 4) f(name, 5) f(name, 6) f(name, 7) \
        f(name, 8)
#define Q8_ROWS KERNEL_ROWS
#define Q6_ROWS KERNEL_ROWS
#define ROW_FORM_BF16 FORM_BF16
#define KERNELS bs_kernels_avx512
#define KERNELS_NAME "avx512"

#include "kern_tiles.h"
#include "kern_rows.h"
#include "kern_attention.h"
#include "kern_peak.h"
#include "kern_table.h"

#if defined(__clang__) && !defined(BASALT_EMULATE)
#pragma clang attribute pop
#endif
