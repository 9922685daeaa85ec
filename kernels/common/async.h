// What Hopper and Blackwell add for kernels of one architecture: bulk copies that a barrier counts,
// matrix descriptors, products of a warpgroup (sm_90a) and of a block (sm_100f). On the host
// cuda/fake/src/async.c stands in for them.
//
// Operands in shared memory have no swizzle: core matrices of 8 rows of 16 bytes along K, each 128
// bytes in one piece. A descriptor says how far the next core matrix lies along K (lead) and the
// next eight rows (stride), in bytes (PTX: "Matrix Descriptor", K-major, no swizzle).
#ifndef BASALT_ASYNC_H
#define BASALT_ASYNC_H

#include "basalt.h"

#ifdef __CUDACC__
extern __shared__ __align__(1024) u8 bs_dynamic[];

// How often a barrier is looked at before the kernel gives up: seconds, so that a mistake is an
// error of the launch and no hang.
enum { PATIENCE = 1 << 26 };

DEVICE u32 shared_at(const void *p) { return (u32)__cvta_generic_to_shared(p); }

DEVICE void barrier_open(u64 *b, int arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_at(b)), "r"(arrivals));
}

// After barrier_open, by the same thread, before the block meets.
DEVICE void barriers_visible(void) {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

DEVICE void barrier_arrive(u64 *b) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_at(b)) : "memory");
}

// Waits until the phase of this parity has ended.
DEVICE void barrier_wait(u64 *b, int parity) {
    for (int i = 0; i < PATIENCE; i++) {
        u32 done;
        asm volatile("{.reg .pred p; mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;"
                     "selp.u32 %0, 1, 0, p;}"
                     : "=r"(done)
                     : "r"(shared_at(b)), "r"(parity)
                     : "memory");
        if (done) return;
    }
    __trap();
}

// Copies bytes (a multiple of 16) to shared memory; the barrier's phase ends with the copy.
DEVICE void bulk_copy(void *to, const void *from, int bytes, u64 *b) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_at(b)),
                 "r"(bytes)
                 : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
                 "[%0], [%1], %2, [%3];" ::"r"(shared_at(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared_at(b))
                 : "memory");
}

// Sixteen bytes to shared memory, zeros where from is NULL; async_arrived waits for a thread's own.
DEVICE void async_16(void *to, const void *from) {
    int n = from ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_at(to)),
                 "l"(__cvta_generic_to_global(from ? from : bs_dynamic)), "r"(n)
                 : "memory");
}

DEVICE void async_arrived(void) { asm volatile("cp.async.wait_all;" ::: "memory"); }

// Ends a group of a thread's copies; async_wait waits for all of its groups but the newest n.
DEVICE void async_commit(void) { asm volatile("cp.async.commit_group;" ::: "memory"); }
#define async_wait(n) asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

// Makes what this thread wrote to shared memory visible to products.
DEVICE void publish_shared(void) { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

#ifdef __CUDA_ARCH_FEAT_SM90_ALL
DEVICE void group_fence(void) { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void group_commit(void) { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
DEVICE void group_wait(void) { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

#define F4(d, i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define F16(d, i) F4(d, i), F4(d, i + 4), F4(d, i + 8), F4(d, i + 12)

// D = A B + D, or A B where fresh: D is a warp's 16 of 64 rows, as mma_bf16 has them, for the
// columns of the name; A is in registers, B of 16 along K in shared memory.
DEVICE void group_mma_bf16_128(float *d, const u32 *a, u64 b, int fresh) {
    asm volatile("{.reg .pred p; setp.eq.u32 p, %69, 0;"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,"
                 "%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,"
                 "%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,"
                 "%59,%60,%61,%62,%63"
                 "}, {%64,%65,%66,%67}, %68, p, 1, 1, 0;}"
                 : F16(d, 0), F16(d, 16), F16(d, 32), F16(d, 48)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(fresh));
}

DEVICE void group_mma_f16_128(float *d, const u32 *a, u64 b, int fresh) {
    asm volatile("{.reg .pred p; setp.eq.u32 p, %69, 0;"
                 "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,"
                 "%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,"
                 "%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,"
                 "%59,%60,%61,%62,%63"
                 "}, {%64,%65,%66,%67}, %68, p, 1, 1, 0;}"
                 : F16(d, 0), F16(d, 16), F16(d, 32), F16(d, 48)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(fresh));
}

DEVICE void group_mma_bf16_64(float *d, const u32 *a, u64 b, int fresh) {
    asm volatile("{.reg .pred p; setp.eq.u32 p, %37, 0;"
                 "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                 "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,"
                 "%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
                 "}, {%32,%33,%34,%35}, %36, p, 1, 1, 0;}"
                 : F16(d, 0), F16(d, 16)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(fresh));
}
#endif

#if __CUDA_ARCH_FAMILY_SPECIFIC__ == 1000
// A block's tensor memory: 128 lanes of 32-bit columns. One warp takes and gives back a power of
// two of columns; the address comes through shared memory.
DEVICE void tensor_take(u32 *at, int columns) {
    asm volatile("tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [%0], %1;" ::"r"(
                     shared_at(at)),
                 "r"(columns)
                 : "memory");
    asm volatile("tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;");
}

DEVICE void tensor_give(u32 at, int columns) {
    asm volatile("tcgen05.dealloc.cta_group::1.sync.aligned.b32 %0, %1;" ::"r"(at), "r"(columns));
}

// D = A B + D, or A B where fresh, of 128 rows and 16 along K, by one thread; both lie in shared
// memory, D in tensor memory. tensor_commit ends a phase of the barrier when all is done.
DEVICE void tensor_mma(u32 d, u64 a, u64 b, u32 shape, int fresh) {
    asm volatile("{.reg .pred p; setp.eq.u32 p, %4, 0;"
                 "tcgen05.mma.cta_group::1.kind::f16 [%0], %1, %2, %3, p;}" ::"r"(d),
                 "l"(a), "l"(b), "r"(shape), "r"(fresh)
                 : "memory");
}

DEVICE void tensor_commit(u64 *b) {
    asm volatile("tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [%0];" ::
                     "r"(shared_at(b))
                 : "memory");
}

DEVICE void tensor_before(void) { asm volatile("tcgen05.fence::before_thread_sync;" ::: "memory"); }
DEVICE void tensor_after(void) { asm volatile("tcgen05.fence::after_thread_sync;" ::: "memory"); }

// Sixteen columns of the thread's own lane.
DEVICE void tensor_read(float *v, u32 at) {
    u32 u[16];
    asm volatile("tcgen05.ld.sync.aligned.32x32b.x16.b32 "
                 "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15}, [%16];"
                 "tcgen05.wait::ld.sync.aligned;"
                 : "=r"(u[0]), "=r"(u[1]), "=r"(u[2]), "=r"(u[3]), "=r"(u[4]), "=r"(u[5]),
                   "=r"(u[6]), "=r"(u[7]), "=r"(u[8]), "=r"(u[9]), "=r"(u[10]), "=r"(u[11]),
                   "=r"(u[12]), "=r"(u[13]), "=r"(u[14]), "=r"(u[15])
                 : "r"(at)
                 : "memory");
    UNROLL for (int i = 0; i < 16; i++) v[i] = __uint_as_float(u[i]);
}
#endif

#if __CUDA_ARCH_FAMILY_SPECIFIC__ == 1200
// D = A B + D for a warp: A is 16 x 64, B 64 x 8, of E2M1 numbers; each 16 along K share a scale in
// UE4M3, four in a word: of row lane/4 (+8 in odd lanes) in sa, of column lane/4 in sb.
DEVICE void mma_nvfp4(float *c, const u32 *a, const u32 *b, u32 sa, u32 sb) {
    asm volatile("mma.sync.aligned.kind::mxf4nvf4.block_scale.scale_vec::4X.m16n8k64.row.col."
                 "f32.e2m1.e2m1.f32.ue4m3 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3}, "
                 "{%10}, {0, 0}, {%11}, {0, 0};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(sa),
                   "r"(sb));
}
#endif
#else
extern u8 bs_dynamic[];
void mma_nvfp4(float *c, const u32 *a, const u32 *b, u32 sa, u32 sb);
void bs_meet_warp(void);
#define __syncwarp bs_meet_warp
u32 shared_at(const void *p);
void barrier_open(u64 *b, int arrivals);
void barrier_arrive(u64 *b);
void barrier_wait(u64 *b, int parity);
void bulk_copy(void *to, const void *from, int bytes, u64 *b);
void async_16(void *to, const void *from);
void async_commit(void);
void async_wait(int n);
void async_arrived(void);
void group_mma(float *d, const u32 *a, u64 b, int fresh, int columns, int f16);
void tensor_take(u32 *at, int columns);
void tensor_give(u32 at, int columns);
void tensor_mma(u32 d, u64 a, u64 b, u32 shape, int fresh);
void tensor_read(float *v, u32 at);
#define barriers_visible() ((void)0)
#define publish_shared() ((void)0)
#define group_fence() ((void)0)
#define group_commit() ((void)0)
#define group_wait bs_meet_warp
#define group_mma_bf16_128(d, a, b, fresh) group_mma(d, a, b, fresh, 128, 0)
#define group_mma_f16_128(d, a, b, fresh) group_mma(d, a, b, fresh, 128, 1)
#define group_mma_bf16_64(d, a, b, fresh) group_mma(d, a, b, fresh, 64, 0)
#define tensor_commit barrier_arrive
#define tensor_before() ((void)0)
#define tensor_after() ((void)0)
#endif

// Descriptors of operands; sm_100 wants a version in bit 46.
DEVICE u64 operand(const void *p, int lead, int stride) {
    return (u64)(shared_at(p) >> 4 & 0x3fff) | (u64)(lead >> 4) << 16 | (u64)(stride >> 4) << 32;
}

DEVICE u64 operand_100(const void *p, int lead, int stride) {
    return operand(p, lead, stride) | 1ull << 46;
}

// The shape of tensor_mma: float32 sums of bfloat16 (or float16) products, 128 rows, n columns.
DEVICE u32 tensor_shape(int n, int f16) {
    u32 type = f16 ? 0 : 1;
    return 1u << 4 | type << 7 | type << 10 | (u32)(n >> 3) << 17 | 128u >> 4 << 24;
}

#endif
