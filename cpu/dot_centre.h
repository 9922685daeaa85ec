// What the offsets of unsigned codes take away from the sums of a block, in 32-bit lanes: for the
// instruction sets whose dot products add up in those.
#ifndef BASALT_CPU_DOT_CENTRE_H
#define BASALT_CPU_DOT_CENTRE_H

// -centre (a power of two, or 0) times the sum of a block's activations.
INL vi minus_sum(const act_block *x, int centre) {
    if (centre == 0) return vi_set(0);
    return vi_shl(vi_add(vi_set(x->minus_low), vi_set(x->minus_high)), __builtin_ctz(centre));
}

// -32 times the sum of half a block's.
INL vi minus_half(const act_block *x, int half) {
    return vi_shl(vi_set(half ? x->minus_high : x->minus_low), 5);
}

#endif
