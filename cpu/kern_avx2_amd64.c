// The kernels for x86-64 with AVX2, FMA and F16C (Haswell, Zen and later).
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif

#include "dot_avx2.h"

// Six rows: 12 registers of 16-bit or float sums, 2 of codes, 1 of activations.
#define KERNEL_ROWS 6
#define EACH_ROWS(f, name) f(name, 1) f(name, 2) f(name, 3) f(name, 4) f(name, 5) f(name, 6)
#define Q8_ROWS 4
#define Q6_ROWS KERNEL_ROWS
#define ROW_FORM_BF16 FORM_F32
#define KERNELS bs_kernels_avx2
#define KERNELS_NAME "avx2"

#include "kern_tiles.h"
#include "kern_rows.h"
#include "kern_attention.h"
#include "kern_peak.h"
#include "kern_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
