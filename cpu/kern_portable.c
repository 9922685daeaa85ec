// The kernels in plain C, for every processor without kernels of its own.
#include "dot_portable.h"

#define KERNEL_ROWS 2
#define EACH_ROWS(f, name) f(name, 1) f(name, 2)
#define Q8_ROWS KERNEL_ROWS
#define Q6_ROWS KERNEL_ROWS
#define ROW_FORM_BF16 FORM_F32
#define KERNELS bs_kernels_portable
#define KERNELS_NAME "portable"

#include "kern_tiles.h"
#include "kern_rows.h"
#include "kern_attention.h"
#include "kern_peak.h"
#include "kern_table.h"
