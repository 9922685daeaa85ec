// The kernels for x86-64 with AVX-512 F, BW, VL, DQ and VNNI (Cascade Lake, Ice Lake, Zen 4 and
// later). Weights of BF16 are widened and multiply activations as they are: vdpbf16ps has twice the
// products, but rounds activations, queries and probabilities to BF16, which costs 1 to 2 % of the
// logits' norm and tips routers. kern_avx512_bf16_amd64.c has those, for who asks. BASALT_EMULATE
// builds them for AVX2 with the intrinsics of SIMDe, to test them where the processor has none.
#if defined(ROUND_BF16)
#define BF16_TARGET ",avx512bf16"
#else
#define BF16_TARGET
#endif

#if defined(BASALT_EMULATE)
#pragma GCC target("avx2,fma,f16c")
#elif defined(__clang__)
#pragma clang attribute push( \
    __attribute__((target("fma,f16c,avx512bw,avx512vl,avx512dq,avx512vnni" BF16_TARGET))), \
    apply_to = function)
#else
#pragma GCC target("fma,f16c,avx512bw,avx512vl,avx512dq,avx512vnni")
#if defined(ROUND_BF16)
#pragma GCC target("avx512bf16")
#endif
#endif

#include "dot_avx512.h"

// Eight rows: 8 registers of integer and 8 of float sums, 4 for the codes.
#define KERNEL_ROWS 8
#define EACH_ROWS(f, name)                                                      \
    f(name, 1) f(name, 2) f(name, 3) f(name, 4) f(name, 5) f(name, 6) f(name, 7) \
        f(name, 8)
#define Q8_ROWS KERNEL_ROWS
#define Q6_ROWS KERNEL_ROWS
#if defined(ROUND_BF16)
#define ROW_FORM_BF16 FORM_BF16
#define KERNELS bs_kernels_avx512_bf16
#define KERNELS_NAME "avx512-bf16"
#else
#define ROW_FORM_BF16 FORM_F32
#define KERNELS bs_kernels_avx512
#define KERNELS_NAME "avx512"
#endif

#include "kern_tiles.h"
#include "kern_rows.h"
#include "kern_attention.h"
#include "kern_peak.h"
#include "kern_table.h"

#if defined(__clang__) && !defined(BASALT_EMULATE)
#pragma clang attribute pop
#endif
