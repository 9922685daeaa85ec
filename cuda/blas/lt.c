//go:build cuda

#define _GNU_SOURCE
#include "lt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// cublasLt.h, library_types.h.
enum {
    R_32F = 0, COMPUTE_32F = 68, OP_TRANSPOSED = 1, DESC_TRANSA = 3, PREF_WORKSPACE = 1,
};

struct bs_lt {
    void *lib, *handle;
    size_t (*version)(void);
    const char *(*text)(int);
    int (*create)(void **);
    int (*destroy)(void *);
    int (*desc_create)(void **, int, int);
    int (*desc_set)(void *, int, const void *, size_t);
    int (*desc_destroy)(void *);
    int (*layout_create)(void **, int, uint64_t, uint64_t, int64_t);
    int (*layout_destroy)(void *);
    int (*pref_create)(void **);
    int (*pref_set)(void *, int, const void *, size_t);
    int (*pref_destroy)(void *);
    int (*choose)(void *, void *, void *, void *, void *, void *, void *, int, bs_choice *, int *);
    int (*check)(void *, void *, void *, void *, void *, void *, const void *, bs_choice *);
    int (*matmul)(void *, void *, const void *, const void *, void *, const void *, void *,
                  const void *, const void *, void *, void *, void *, const uint64_t *, void *,
                  size_t, void *);
};

static int find(void *lib, void *slot, const char *name, char *reason, size_t size) {
    void *p = dlsym(lib, name);
    memcpy(slot, &p, sizeof p);
    if (p) return 0;
    snprintf(reason, size, "it has no %s", name);
    return -1;
}

static int find_all(bs_lt *lt, char *why, size_t n) {
    void *l = lt->lib;
    return find(l, &lt->version, "cublasLtGetVersion", why, n) ||
           find(l, &lt->text, "cublasLtGetStatusString", why, n) ||
           find(l, &lt->create, "cublasLtCreate", why, n) ||
           find(l, &lt->destroy, "cublasLtDestroy", why, n) ||
           find(l, &lt->desc_create, "cublasLtMatmulDescCreate", why, n) ||
           find(l, &lt->desc_set, "cublasLtMatmulDescSetAttribute", why, n) ||
           find(l, &lt->desc_destroy, "cublasLtMatmulDescDestroy", why, n) ||
           find(l, &lt->layout_create, "cublasLtMatrixLayoutCreate", why, n) ||
           find(l, &lt->layout_destroy, "cublasLtMatrixLayoutDestroy", why, n) ||
           find(l, &lt->pref_create, "cublasLtMatmulPreferenceCreate", why, n) ||
           find(l, &lt->pref_set, "cublasLtMatmulPreferenceSetAttribute", why, n) ||
           find(l, &lt->pref_destroy, "cublasLtMatmulPreferenceDestroy", why, n) ||
           find(l, &lt->choose, "cublasLtMatmulAlgoGetHeuristic", why, n) ||
           find(l, &lt->check, "cublasLtMatmulAlgoCheck", why, n) ||
           find(l, &lt->matmul, "cublasLtMatmul", why, n);
}

bs_lt *bs_lt_open(const char *path, char *reason, size_t size) {
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) {
        snprintf(reason, size, "%s", dlerror());
        return NULL;
    }
    bs_lt *lt = calloc(1, sizeof *lt);
    if (!lt) abort();
    lt->lib = lib;
    if (!find_all(lt, reason, size)) return lt;
    bs_lt_close(lt);
    return NULL;
}

void bs_lt_close(bs_lt *lt) {
    if (lt->handle) lt->destroy(lt->handle);
    dlclose(lt->lib);
    free(lt);
}

size_t bs_lt_version(const bs_lt *lt) { return lt->version(); }
const char *bs_lt_text(const bs_lt *lt, int status) { return lt->text(status); }
int bs_lt_start(bs_lt *lt) { return lt->create(&lt->handle); }

// The library counts in columns: Y^T [n, m] = W X^T, where W lies as the transpose of [k, n].
int bs_lt_make(bs_lt *lt, bs_product *p, int type, int m, int n, int k, int ld) {
    memset(p, 0, sizeof *p);
    int transposed = OP_TRANSPOSED, code = lt->desc_create(&p->desc, COMPUTE_32F, R_32F);
    if (!code) code = lt->desc_set(p->desc, DESC_TRANSA, &transposed, sizeof transposed);
    if (!code) code = lt->layout_create(&p->w, type, (uint64_t)k, (uint64_t)n, k);
    if (!code) code = lt->layout_create(&p->x, type, (uint64_t)k, (uint64_t)m, k);
    if (!code) code = lt->layout_create(&p->y, R_32F, (uint64_t)n, (uint64_t)m, ld);
    if (code) bs_lt_drop(lt, p);
    return code;
}

void bs_lt_drop(bs_lt *lt, bs_product *p) {
    if (p->desc) lt->desc_destroy(p->desc);
    if (p->w) lt->layout_destroy(p->w);
    if (p->x) lt->layout_destroy(p->x);
    if (p->y) lt->layout_destroy(p->y);
    memset(p, 0, sizeof *p);
}

int bs_lt_choose(bs_lt *lt, const bs_product *p, size_t workspace, bs_choice *to, int count) {
    void *pref = NULL;
    uint64_t bytes = workspace;
    int found = 0, code = lt->pref_create(&pref);
    if (code) return -code;
    code = lt->pref_set(pref, PREF_WORKSPACE, &bytes, sizeof bytes);
    if (!code) {
        code = lt->choose(lt->handle, p->desc, p->w, p->x, p->y, p->y, pref, count, to, &found);
    }
    lt->pref_destroy(pref);
    return code ? -code : found;
}

int bs_lt_check(bs_lt *lt, const bs_product *p, const bs_choice *c, size_t *workspace) {
    bs_choice told = {.status = 0};
    int code = lt->check(lt->handle, p->desc, p->w, p->x, p->y, p->y, c->algorithm, &told);
    *workspace = told.workspace;
    return code ? code : told.status;
}

int bs_lt_run(bs_lt *lt, const bs_product *p, const bs_choice *c, uint64_t y, uint64_t x,
              uint64_t w, uint64_t workspace, size_t size, void *stream) {
    const float one = 1, zero = 0;
    void *to = (void *)(uintptr_t)y;
    return lt->matmul(lt->handle, p->desc, &one, (void *)(uintptr_t)w, p->w, (void *)(uintptr_t)x,
                      p->x, &zero, to, p->y, to, p->y, c->algorithm, (void *)(uintptr_t)workspace,
                      size, stream);
}

int bs_version_of(const char *path, const char *function, int *version, char *reason, size_t size) {
    void *lib = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!lib) {
        snprintf(reason, size, "%s", dlerror());
        return -1;
    }
    int (*get)(int *);
    int code = find(lib, &get, function, reason, size);
    if (!code && (code = get(version))) snprintf(reason, size, "%s gives %d", function, code);
    dlclose(lib);
    return code;
}
