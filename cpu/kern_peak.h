// Ceilings of one core, measured by loops that do nothing else: ten independent chains of the
// instruction that carries the product kernels, and a read of memory with prefetch.
#ifndef BASALT_CPU_KERN_PEAK_H
#define BASALT_CPU_KERN_PEAK_H

enum { CHAINS = 5 };

static double peak_fma(int64_t rounds) {
    vf s[CHAINS], x = vf_set(1e-9f), y = vf_set(0.5f);
    for (int i = 0; i < CHAINS; i++) s[i] = vf_set((float)i);
    for (int64_t n = 0; n < rounds; n++) {
        EACH_ROW(i, CHAINS) s[i] = vf_fma(s[i], y, x);
    }
    for (int i = 1; i < CHAINS; i++) s[0] = vf_add(s[0], s[i]);
    volatile float keep = vf_sum(s[0]);
    (void)keep;
    return 2.0 * TILE * CHAINS * (double)rounds;
}

// The block product of four-bit codes: the fastest that the integer kernels can be. The compiler
// must believe that memory changes each round.
static double peak_int8(int64_t rounds) {
    uint8_t codes[512] __attribute__((aligned(64)));
    act_block blocks[4];
    const act_block *x[4] = {blocks, blocks + 1, blocks + 2, blocks + 3};
    memset(codes, 0x53, sizeof codes);
    memset(blocks, 7, sizeof blocks);
    vi s[4] = {vi_set(0), vi_set(0), vi_set(0), vi_set(0)};
    for (int64_t n = 0; n < rounds; n++) {
        __asm__ volatile("" : : "r"(codes), "r"(blocks) : "memory");
        vi block[4];
        dot4(4, codes, x, 8, block);
        EACH_ROW(i, 4) s[i] = vi_add(s[i], block[i]);
    }
    volatile int32_t keep = vi_sum(vi_add(vi_add(s[0], s[1]), vi_add(s[2], s[3])));
    (void)keep;
    return 2.0 * TILE * BLOCK * 4 * (double)rounds;
}

#ifndef BF16_PRODUCTS
static double peak_bf16(int64_t rounds) {
    (void)rounds;
    return 0;
}
#endif

// Bytes that a read fetches ahead of their use.
enum { AHEAD = 2304 };

static double read_all(const void *data, int64_t bytes) {
    const float *p = data;
    vf s[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    for (int64_t n = bytes / 256; n > 0; n--, p += 64) {
        vprefetch((const char *)p + AHEAD);
        vprefetch((const char *)p + AHEAD + 64);
        vprefetch((const char *)p + AHEAD + 128);
        vprefetch((const char *)p + AHEAD + 192);
        EACH_ROW(i, 4) s[i] = vf_add(s[i], vf_load(p + TILE * i));
    }
    return vf_sum(vf_add(vf_add(s[0], s[1]), vf_add(s[2], s[3])));
}

#endif
