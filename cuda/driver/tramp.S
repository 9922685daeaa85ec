//go:build cuda

// The names that gorgonia.org/cu calls, each a jump through the table that shim.c fills. Hidden, so
// that they are never taken for the driver's own by a library that is loaded later.
        .text
#if defined(__x86_64__)
#define SLOT(i, name) .globl name; .hidden name; .type name, @function; \
        name: endbr64; jmp *basalt_cu_table + 8 * i(%rip);
#elif defined(__aarch64__)
#define SLOT(i, name) .globl name; .hidden name; .type name, %function; \
        name: adrp x16, basalt_cu_table + 8 * i; \
        ldr x16, [x16, :lo12:basalt_cu_table + 8 * i]; br x16;
#endif
#include "symbols.h"
        .section .note.GNU-stack, "", %progbits
