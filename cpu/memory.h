// Large memory: pages are zero and not touched until used.
#ifndef BASALT_CPU_MEMORY_H
#define BASALT_CPU_MEMORY_H

#include <stddef.h>

// NULL when it cannot be had; huge asks for large pages.
void *bs_map(size_t bytes, int huge);
void bs_unmap(void *p, size_t bytes);

// 1 in builds for the address sanitizer, which then watches both borders of each mapping: arrays
// are not cut from common pages.
int bs_guarded(void);

#endif
