// The part of cuBLASLt that is used: names, numbers and layouts as the library exports them.
#ifndef BASALT_BLAS_LT_H
#define BASALT_BLAS_LT_H

#include <stddef.h>
#include <stdint.h>

// The library's answer to a heuristic (cublasLtMatmulHeuristicResult_t).
typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
} bs_choice;

// Y = X W^T: X [m, k] and W [n, k] of 16 bits, Y [m, n] of floats with rows of ld.
typedef struct {
    void *desc, *w, *x, *y;
} bs_product;

typedef struct bs_lt bs_lt;

// Loads the library: NULL with the loader's reason, or which function it lacks.
bs_lt *bs_lt_open(const char *path, char *reason, size_t size);
void bs_lt_close(bs_lt *lt);
size_t bs_lt_version(const bs_lt *lt);
const char *bs_lt_text(const bs_lt *lt, int status);
// Takes the context that is current.
int bs_lt_start(bs_lt *lt);
int bs_lt_make(bs_lt *lt, bs_product *p, int type, int m, int n, int k, int ld);
void bs_lt_drop(bs_lt *lt, bs_product *p);
// At most count choices, the best first; their number, or minus the status.
int bs_lt_choose(bs_lt *lt, const bs_product *p, size_t workspace, bs_choice *to, int count);
// Whether the library does a product by a choice that was made for another number of rows, and what
// workspace it then needs.
int bs_lt_check(bs_lt *lt, const bs_product *p, const bs_choice *c, size_t *workspace);
int bs_lt_run(bs_lt *lt, const bs_product *p, const bs_choice *c, uint64_t y, uint64_t x,
              uint64_t w, uint64_t workspace, size_t size, void *stream);

// The version that a library's function tells: NCCL's.
int bs_version_of(const char *path, const char *function, int *version, char *reason, size_t size);

#endif
