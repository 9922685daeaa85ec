// Whether rows of a product have the bits of another: found becomes 1 where one of n outputs of
// row blockIdx.y differs. Rows are stride apart.
#include "../common/basalt.h"

KERNEL(256) bs_differ(u32 *found, const u32 *a, const u32 *b, int n, int stride) {
    int i = (int)(blockIdx.x * 256 + threadIdx.x);
    if (i >= n) return;
    u64 at = (u64)blockIdx.y * stride + i;
    if (a[at] != b[at]) set_bits(found, 1);
}
