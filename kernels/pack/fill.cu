// Random bytes of a tensor (runtime.Pieces): piece after piece of a pool, each from a place that
// its number and the tensor's key give by the last steps of SplitMix64 (Steele, Lea, Flood 2014).
// Words are 32 bits; thread i writes the i-th of num words, which begin skip words into piece
// first.
#include "../common/basalt.h"

KERNEL(256) bs_fill_pieces(u32 *to, const u32 *pool, int key_low, int key_high, int first, int skip,
                           int num, int places, int piece_words, int place_words) {
    u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= (u32)num) return;
    u32 at = i + (u32)skip, piece = (u32)first + at / (u32)piece_words;
    u64 z = (u64)(u32)key_low | (u64)(u32)key_high << 32;
    z += (piece + 1ull) * 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    z ^= z >> 31;
    u64 place = (z >> 32) * (u32)places >> 32;
    to[i] = pool[place * (u32)place_words + at % (u32)piece_words];
}
