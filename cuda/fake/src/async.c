// What kernels of Hopper and Blackwell call (kernels/common/async.h), as PTX describes it: barriers
// with phases, bulk copies that end at once, copies of 16 bytes that end when they are waited for,
// products whose operands descriptors find, tensor memory.
#include <string.h>

#include "../../../kernels/common/async.h"
#include "../../../kernels/linear/nvfp4.h"
#include "fibers.h"

// Eight sums side by side.
typedef float wide __attribute__((vector_size(32)));
typedef float wide_of __attribute__((vector_size(32), aligned(4), may_alias));

enum { LANES = 128, COLUMNS = 512, MAX_DYNAMIC = 227 << 10, MAX_COPIES = 128 };

// A barrier as its eight bytes.
typedef struct {
    u16 expected, missing;
    u32 phases;
} barrier;

_Alignas(1024) u8 bs_dynamic[MAX_DYNAMIC];
static float tensor[LANES][COLUMNS];

u32 shared_at(const void *p) {
    u64 at = (u64)((const u8 *)p - bs_dynamic);
    if (at >= MAX_DYNAMIC) fibers_fail("an operand lies outside dynamic shared memory");
    return (u32)at;
}

void barrier_open(u64 *b, int arrivals) {
    barrier fresh = {(u16)arrivals, (u16)arrivals, 0};
    memcpy(b, &fresh, sizeof fresh);
}

void barrier_arrive(u64 *b) {
    barrier now;
    memcpy(&now, b, sizeof now);
    if (now.missing == 0) fibers_fail("an arrival at a barrier that was not opened");
    if (--now.missing == 0) {
        now.missing = now.expected;
        now.phases++;
    }
    memcpy(b, &now, sizeof now);
    fibers_progress();
}

// The phase of a parity has ended when the current one has the other.
void barrier_wait(u64 *b, int parity) {
    for (;;) {
        barrier now;
        memcpy(&now, b, sizeof now);
        if ((int)(now.phases & 1) != parity) return;
        fibers_poll();
    }
}

void bulk_copy(void *to, const void *from, int bytes, u64 *b) {
    if (bytes % 16 || shared_at(to) % 16 || (u64)from % 16) fibers_fail("a crooked bulk copy");
    memcpy(to, from, (size_t)bytes);
    barrier_arrive(b);
}

// A thread's copies of 16 bytes, in order. They take place when it waits for them, so that what
// reads too early finds what was there before.
typedef struct {
    struct {
        void *to;
        const void *from;
        u32 group;
    } list[MAX_COPIES];
    int num;
    u32 group;
} copies;

static copies queues[MAX_THREADS];

void async_16(void *to, const void *from) {
    copies *q = &queues[threadIdx.x];
    if (shared_at(to) % 16 || (u64)from % 16 || q->num == MAX_COPIES) {
        fibers_fail("a crooked copy of 16 bytes, or too many");
        return;
    }
    q->list[q->num].to = to;
    q->list[q->num].from = from;
    q->list[q->num++].group = q->group;
}

void async_commit(void) { queues[threadIdx.x].group++; }

// Does the copies of groups before end.
static void copy_until(copies *q, u32 end) {
    int done = 0;
    for (; done < q->num && q->list[done].group < end; done++) {
        if (q->list[done].from) {
            memcpy(q->list[done].to, q->list[done].from, 16);
        } else {
            memset(q->list[done].to, 0, 16);
        }
    }
    q->num -= done;
    memmove(q->list, q->list + done, (size_t)q->num * sizeof q->list[0]);
}

void async_wait(int n) {
    copies *q = &queues[threadIdx.x];
    if (q->group > (u32)n) copy_until(q, q->group - (u32)n);
}

void async_arrived(void) { copy_until(&queues[threadIdx.x], ~0u); }

void async_start(int threads) {
    for (int i = 0; i < threads; i++) queues[i].num = 0, queues[i].group = 0;
}

int async_under_way(int threads) {
    int num = 0;
    for (int i = 0; i < threads; i++) num += queues[i].num;
    return num;
}

// A row of an operand, 16 along K.
static void operand_row(float *v, u64 descriptor, int row, int f16) {
    u32 at = (u32)(descriptor & 0x3fff) << 4, lead = (u32)(descriptor >> 16 & 0x3fff) << 4;
    u32 stride = (u32)(descriptor >> 32 & 0x3fff) << 4;
    at += (u32)row / 8 * stride + (u32)row % 8 * 16;
    if (at + lead + 16 > MAX_DYNAMIC) {
        fibers_fail("an operand lies outside dynamic shared memory");
        at = lead = 0;
    }
    for (int k = 0; k < 16; k++) {
        u16 x;
        memcpy(&x, bs_dynamic + at + k / 8 * lead + k % 8 * 2, 2);
        v[k] = f16 ? from_f16(x) : from_bf16(x);
    }
}

// The columns of a warp's product, K by columns: between two meetings of the warp.
static float columns_of[16][256];

void group_mma(float *d, const u32 *a, u64 b, int fresh, int columns, int f16) {
    bs_exchange *e = bs_exchange_now();
    int lane = bs_lane();
    bs_put_rows(e, a, f16);
    bs_meet_warp();
    for (int col = lane; col < columns; col += 32) {
        float y[16];
        operand_row(y, b, col, f16);
        for (int k = 0; k < 16; k++) columns_of[k][col] = y[k];
    }
    bs_meet_warp();
    if (fresh) memset(d, 0, (size_t)columns / 2 * sizeof *d);
    for (int i = 0; i < columns / 2; i += 4) {
        bs_add_products(d + i, e->x[lane / 4], e->x[lane / 4 + 8],
                        &columns_of[0][i * 2 + lane % 4 * 2], 256);
    }
}

void tensor_take(u32 *at, int columns) {
    if (columns < 32 || columns > COLUMNS || columns & (columns - 1)) {
        fibers_fail("an impossible number of columns of tensor memory");
    }
    *at = 0;
    bs_meet_warp();
}

void tensor_give(u32 at, int columns) {
    (void)at;
    (void)columns;
    bs_meet_warp();
}

void tensor_mma(u32 d, u64 a, u64 b, u32 shape, int fresh) {
    int n = (int)(shape >> 17 & 63) * 8, f16 = !(shape >> 7 & 7);
    if ((shape >> 24 & 31) != 8 || n < 16 || n > 256 || n % 16 || (shape >> 4 & 3) != 1 ||
        !(a >> 46 & 1) || !(b >> 46 & 1) || (int)(d & 0xffff) + n > COLUMNS) {
        fibers_fail("an impossible shape of a tensor product");
        return;
    }
    static float y[16][256];
    for (int col = 0; col < n; col++) {
        float v[16];
        operand_row(v, b, col, f16);
        for (int k = 0; k < 16; k++) y[k][col] = v[k];
    }
    for (int row = 0; row < LANES; row++) {
        float x[16];
        operand_row(x, a, row, f16);
        for (int col = 0; col < n; col += 8) {
            float *to = &tensor[row][(d & 0xffff) + (u32)col];
            wide sum = {0};
            if (!fresh) memcpy(&sum, to, sizeof sum);
            for (int k = 0; k < 16; k++) sum += x[k] * *(const wide_of *)&y[k][col];
            memcpy(to, &sum, sizeof sum);
        }
    }
}

void tensor_read(float *v, u32 at) {
    int lane = (int)(at >> 16) + bs_lane();
    if ((at >> 16) / 32 != threadIdx.x / 32 % 4 || (at & 0xffff) + 16 > COLUMNS) {
        fibers_fail("a warp reads lanes of tensor memory that are another's");
        return;
    }
    memcpy(v, &tensor[lane][at & 0xffff], 16 * sizeof *v);
    bs_meet_warp();
}

void mma_nvfp4(float *c, const u32 *a, const u32 *b, u32 sa, u32 sb) {
    bs_exchange *e = bs_exchange_now();
    int lane = bs_lane();
    memcpy(e->a[lane], a, sizeof e->a[lane]);
    memcpy(e->b[lane], b, sizeof e->b[lane]);
    e->value[lane] = (u64)sb << 32 | sa;
    bs_meet_warp();
    for (int i = 0; i < 4; i++) {
        int high = i / 2, col = lane % 4 * 2 + i % 2;
        u32 rows = (u32)e->value[lane / 4 * 4 + high], cols = (u32)(e->value[col * 4] >> 32);
        for (int k = 0; k < 64; k++) {
            u32 x = e->a[lane / 4 * 4 + k % 32 / 8][high + k / 32 * 2] >> 4 * (k % 8) & 15;
            u32 y = e->b[col * 4 + k % 32 / 8][k / 32] >> 4 * (k % 8) & 15;
            float s = from_ue4m3(rows >> k / 16 * 8 & 255) * from_ue4m3(cols >> k / 16 * 8 & 255);
            c[i] += from_e2m1(x) * from_e2m1(y) * s;
        }
    }
}
