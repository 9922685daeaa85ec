// The kernels for 64-bit ARM with NEON and the dot product (Graviton 2, Apple M1 and later).
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)
#else
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include "dot_neon.h"

// Four rows: 16 of 32 registers for the integer or float sums.
#define KERNEL_ROWS 4
#define EACH_ROWS(f, name) f(name, 1) f(name, 2) f(name, 3) f(name, 4)
#define Q8_ROWS KERNEL_ROWS
#define Q6_ROWS KERNEL_ROWS
#define ROW_FORM_BF16 FORM_F32
#define KERNELS bs_kernels_neon
#define KERNELS_NAME "neon"

#include "kern_tiles.h"
#include "kern_rows.h"
#include "kern_attention.h"
#include "kern_peak.h"
#include "kern_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#endif
