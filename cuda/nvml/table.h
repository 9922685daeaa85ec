// The functions of NVML, found by name when the library is bound.
#ifndef BASALT_NVML_TABLE_H
#define BASALT_NVML_TABLE_H

#include <stddef.h>

// Loads the library and fills the table; 0, or -1 with the loader's reason. A function that the
// library lacks answers NVML_ERROR_FUNCTION_NOT_FOUND.
int bs_nvml_bind(const char *path, char *reason, size_t size);
// Every function answers NVML_ERROR_UNINITIALIZED again.
void bs_nvml_unbind(void);

#endif
