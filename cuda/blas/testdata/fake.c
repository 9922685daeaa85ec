// A libcublasLt for the tests: it checks descriptors, layouts, types, alignment and workspace as the
// library does, and computes on the host: over K in eight runs, as kernels/linear does. With
// BASALT_FAKE_BLAS=plain it takes one run, with =many one run where rows are more than 64, with
// =idle it writes nothing, with =second its second algorithm is the one of eight runs, with =few its
// algorithm is not for 7 rows, and with =none its heuristic finds nothing.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID = 7, UNSUPPORTED = 15, MAGIC = 0x1b1a5 };

typedef struct {
    int compute, scale, transa;
} desc;

typedef struct {
    int type;
    uint64_t rows, cols;
    int64_t ld;
} layout;

typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
} choice;

static int is(const char *what) {
    const char *mode = getenv("BASALT_FAKE_BLAS");
    return mode && !strcmp(mode, what);
}

size_t cublasLtGetVersion(void) { return 130001; }
const char *cublasLtGetStatusString(int s) {
    return s == UNSUPPORTED ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_INVALID_VALUE";
}
int cublasLtCreate(void **h) { return *h = malloc(1), OK; }
int cublasLtDestroy(void *h) { return free(h), OK; }

int cublasLtMatmulDescCreate(desc **d, int compute, int scale) {
    *d = calloc(1, sizeof **d);
    **d = (desc){compute, scale, 0};
    return compute == 68 && scale == 0 ? OK : UNSUPPORTED;
}

int cublasLtMatmulDescSetAttribute(desc *d, int attribute, const void *v, size_t size) {
    if (attribute != 3 || size != sizeof(int)) return INVALID;
    memcpy(&d->transa, v, size);
    return OK;
}

int cublasLtMatmulDescDestroy(desc *d) { return free(d), OK; }

int cublasLtMatrixLayoutCreate(layout **l, int type, uint64_t rows, uint64_t cols, int64_t ld) {
    *l = malloc(sizeof **l);
    **l = (layout){type, rows, cols, ld};
    return ld >= (int64_t)rows && cols > 0 ? OK : INVALID;
}

int cublasLtMatrixLayoutDestroy(layout *l) { return free(l), OK; }
int cublasLtMatmulPreferenceCreate(uint64_t **p) { return *p = calloc(1, sizeof **p), OK; }
int cublasLtMatmulPreferenceDestroy(uint64_t *p) { return free(p), OK; }

int cublasLtMatmulPreferenceSetAttribute(uint64_t *p, int attribute, const void *v, size_t size) {
    if (attribute != 1 || size != sizeof *p) return INVALID;
    memcpy(p, v, size);
    return OK;
}

// Transposed 16-bit W [k, n], 16-bit X [k, m], float Y [n, m]; rows of a multiple of 16 bytes.
static int fits(const desc *d, const layout *w, const layout *x, const layout *y) {
    if (d->transa != 1 || (w->type != 14 && w->type != 2) || x->type != w->type || y->type != 0)
        return UNSUPPORTED;
    if (w->rows != x->rows || y->rows != w->cols || y->cols != x->cols) return INVALID;
    return w->ld % 8 || x->ld % 8 || y->ld % 4 ? UNSUPPORTED : OK;
}

int cublasLtMatmulAlgoGetHeuristic(void *h, const desc *d, const layout *w, const layout *x,
                                   const layout *c, const layout *y, const uint64_t *pref, int count,
                                   choice *to, int *found) {
    int code = !h || c != y || count < 1 ? INVALID : fits(d, w, x, y);
    *found = 0;
    if (code || is("none") || *pref < 4096) return code ? code : UNSUPPORTED;
    memset(to, 0, sizeof *to);
    to->algorithm[0] = MAGIC;
    to->workspace = 4096;
    *found = 1;
    if (!is("second") || count < 2) return OK;
    to[1] = to[0];
    to[1].algorithm[1] = 1;
    *found = 2;
    return OK;
}

int cublasLtMatmulAlgoCheck(void *h, const desc *d, const layout *w, const layout *x,
                            const layout *c, const layout *y, const uint64_t *algorithm,
                            choice *to) {
    int code = !h || c != y || *algorithm != MAGIC ? INVALID : fits(d, w, x, y);
    if (code || (is("few") && y->cols == 7)) return code ? code : UNSUPPORTED;
    memset(to, 0, sizeof *to);
    to->workspace = 4096;
    return OK;
}

static float wide(uint16_t v, int type) {
    uint32_t bits = (uint32_t)v << 16;
    if (type == 2) {
        uint32_t exponent = v >> 10 & 31, fraction = v & 1023;
        float f = exponent ? (float)(1024 + fraction) / 1024 : (float)fraction / 512;
        for (int i = 15; i < (int)exponent; i++) f *= 2;
        for (int i = exponent ? (int)exponent : 0; i < 15; i++) f /= 2;
        return v >> 15 ? -f : f;
    }
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float dot(const uint16_t *a, const uint16_t *b, int k, int type, int runs) {
    int run = ((k + 63) / 64 + runs - 1) / runs * 64;
    float sum = 0;
    for (int from = 0; from < k; from += run) {
        float part = 0;
        for (int i = from; i < k && i < from + run; i++)
            part += wide(a[i], type) * wide(b[i], type);
        sum += part;
    }
    return sum;
}

int cublasLtMatmul(void *h, const desc *d, const float *alpha, const uint16_t *w, const layout *wl,
                   const uint16_t *x, const layout *xl, const float *beta, const float *c,
                   const layout *cl, float *y, const layout *yl, const uint64_t *algorithm,
                   void *workspace, size_t size, void *stream) {
    int code = !h || c != y || cl != yl || *alpha != 1 || *beta != 0 ? INVALID : fits(d, wl, xl, yl);
    if (code) return code;
    if (!algorithm || *algorithm != MAGIC || !workspace || size < 4096 || !stream) return INVALID;
    int other = is("plain") || (is("many") && yl->cols > 64) || (is("second") && !algorithm[1]);
    int runs = other ? 1 : 8;
    memset(workspace, 0xa5, 4096); // it is the library's to spoil
    for (uint64_t m = 0; m < yl->cols && !is("idle"); m++)
        for (uint64_t n = 0; n < yl->rows; n++)
            y[m * (uint64_t)yl->ld + n] = dot(w + n * (uint64_t)wl->ld, x + m * (uint64_t)xl->ld,
                                              (int)wl->rows, wl->type, runs);
    return OK;
}
