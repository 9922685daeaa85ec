// Every thread of a block is a fiber with a stack of its own; a block runs until all its fibers
// have ended. A warp whose lanes wait at different collectives is an error, as it is on a device.
#include "fibers.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../../../kernels/common/basalt.h"

enum { RUNNING, AT_WARP, AT_BLOCK, POLLING, ENDED };
// Stacks lie apart by an odd number of lines, so that their tops share a cache.
enum { STACK = 128 << 10, APART = STACK + 9 * 64 };

typedef struct {
    void *sp;
    int state, turn;
    char *stack;
} fiber;

bs_index threadIdx, blockIdx, gridDim, blockDim;

static fiber fibers[MAX_THREADS];
static bs_exchange exchanges[MAX_THREADS / 32][2];
static void *scheduler;
static fiber *self;
static kernel_fn *body;
static const word *arguments;
static const char *failure;
static long progress;
static int arrived; // at the warp's collective, since its lanes were started

#if defined(__x86_64__)
// Saves the callee's registers and the stack pointer, and takes up the other stack. It jumps back,
// as the processor foretells returns by the calls of the stack that is left.
__attribute__((naked, noinline)) static void change(void **from, void *to) {
    __asm__("push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
            "mov %rsp, (%rdi); mov %rsi, %rsp\n"
            "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; pop %rcx; jmp *%rcx");
}

static void prepare(fiber *f, void (*entry)(void)) {
    void **top = (void **)(f->stack + STACK - 64);
    top[0] = (void *)entry;
    f->sp = top - 6;
}
#else
static ucontext_t contexts[MAX_THREADS + 1];

static void change(void **from, void *to) {
    ucontext_t *now = from == &scheduler ? &contexts[MAX_THREADS] : (ucontext_t *)*from;
    if (from == &scheduler) *from = now;
    swapcontext(now, (ucontext_t *)to);
}

static void prepare(fiber *f, void (*entry)(void)) {
    ucontext_t *c = &contexts[f - fibers];
    getcontext(c);
    c->uc_stack.ss_sp = f->stack;
    c->uc_stack.ss_size = STACK;
    c->uc_link = NULL;
    makecontext(c, entry, 0);
    f->sp = c;
}
#endif

// The warp's next lane goes on, or else the scheduler.
static void wait_at(int state) {
    fiber *from = self, *to = self + 1;
    unsigned next = threadIdx.x + 1;
    from->state = state;
    arrived += state == AT_WARP;
    if (next % 32 == 0 || next == blockDim.x || to->state != RUNNING) {
        change(&from->sp, scheduler);
        return;
    }
    self = to;
    threadIdx.x = next;
    change(&from->sp, to->sp);
}

void bs_meet_block(void) { wait_at(AT_BLOCK); }
void bs_meet_warp(void) { wait_at(AT_WARP); }

// A warp looks at a barrier again when every other has had its turn.
void fibers_poll(void) { wait_at(POLLING); }
void fibers_progress(void) { progress++; }

void fibers_fail(const char *why) {
    if (!failure) failure = why;
}

bs_exchange *bs_exchange_now(void) {
    self->turn ^= 1;
    return &exchanges[threadIdx.x / 32][self->turn];
}

static void enter(void) {
    const word *a = arguments;
    body(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13],
         a[14], a[15], a[16], a[17]);
    wait_at(ENDED);
}

static void resume(int i) {
    self = &fibers[i];
    threadIdx.x = (unsigned)i;
    change(&scheduler, self->sp);
}

// Runs a warp until its lanes wait for the block or have ended.
static const char *run_warp(int first, int last) {
    for (;;) {
        int waiting = 0, polling = 0, elsewhere = 0;
        arrived = 0;
        for (int i = first; i < last; i++) {
            if (fibers[i].state == RUNNING) resume(i);
        }
        if (arrived == last - first) waiting = arrived;
        for (int i = waiting ? last : first; i < last; i++) {
            waiting += fibers[i].state == AT_WARP;
            polling += fibers[i].state == POLLING;
            elsewhere += fibers[i].state != AT_WARP;
        }
        if (!waiting || polling) return NULL;
        if (elsewhere) return "lanes of a warp wait at different places";
        for (int i = first; i < last; i++) fibers[i].state = RUNNING;
    }
}

static const char *run_block(int threads) {
    async_start(threads);
    for (int i = 0; i < threads; i++) {
        fibers[i].state = RUNNING;
        fibers[i].turn = 0;
        prepare(&fibers[i], enter);
    }
    for (;;) {
        int waiting = 0, polling = 0;
        long before = progress;
        for (int w = 0; w < threads; w += 32) {
            const char *wrong = run_warp(w, w + 32 < threads ? w + 32 : threads);
            if (wrong || failure) return wrong ? wrong : failure;
        }
        for (int i = 0; i < threads; i++) {
            waiting += fibers[i].state == AT_BLOCK;
            polling += fibers[i].state == POLLING;
        }
        if (!waiting && !polling) {
            return async_under_way(threads) ? "a block ended with copies under way" : NULL;
        }
        if (polling && progress == before) return "threads wait at a barrier for ever";
        // Threads that have ended count as arrived, as they do on a device.
        int ready = polling ? POLLING : AT_BLOCK;
        for (int i = 0; i < threads; i++) {
            if (fibers[i].state == ready) fibers[i].state = RUNNING;
        }
    }
}

static int make_stacks(void) {
    if (fibers[0].stack) return 1;
    size_t size = (size_t)APART * MAX_THREADS;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *all = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (all == MAP_FAILED) return 0;
    for (int i = 0; i < MAX_THREADS; i++) fibers[i].stack = all + (size_t)i * APART;
    return 1;
}

const char *run_grid(kernel_fn *fn, const word *args, const unsigned *grid, unsigned threads) {
    if (threads < 1 || threads > MAX_THREADS) return "impossible number of threads";
    if (!make_stacks()) return "no memory for stacks";
    body = fn;
    failure = NULL;
    arguments = args;
    gridDim = (bs_index){grid[0], grid[1], grid[2]};
    blockDim = (bs_index){threads, 1, 1};
    for (unsigned z = 0; z < grid[2]; z++) {
        for (unsigned y = 0; y < grid[1]; y++) {
            for (unsigned x = 0; x < grid[0]; x++) {
                blockIdx = (bs_index){x, y, z};
                const char *wrong = run_block((int)threads);
                if (wrong) return wrong;
            }
        }
    }
    return NULL;
}
