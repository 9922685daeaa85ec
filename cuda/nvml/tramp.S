//go:build cuda

// The names that go-nvml leaves to the loader, each a jump through the table that table.c fills.
// Hidden, so that they are never taken for the library's own.
        .text
#if defined(__x86_64__)
#define SLOT(i, name) .globl name; .hidden name; .type name, @function; \
        name: endbr64; jmp *basalt_nvml_table + 8 * i(%rip);
#elif defined(__aarch64__)
#define SLOT(i, name) .globl name; .hidden name; .type name, %function; \
        name: adrp x16, basalt_nvml_table + 8 * i; \
        ldr x16, [x16, :lo12:basalt_nvml_table + 8 * i]; br x16;
#endif
#include "symbols.h"
        .section .note.GNU-stack, "", %progbits
