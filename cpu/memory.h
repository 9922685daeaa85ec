// Large memory: pages are zero and not touched until used.
#ifndef BASALT_CPU_MEMORY_H
#define BASALT_CPU_MEMORY_H

#include <stddef.h>

// NULL when the memory cannot be had. huge asks for huge pages.
void *bs_map(size_t bytes, int huge);
void bs_unmap(void *p, size_t bytes);

#endif
