//go:build cuda

package cuda

import (
	"unsafe"

	"basalt/runtime"
)

// head is step_head of basalt.h: counts, then offsets in bytes.
type head struct {
	tokens, seqs, samples, resets, counts, tiles, maxBlocks, wantTop int32
	ids, positions, slots, tables, sampleRows, sampling, bias        int32
	resetSlots, countSlots, countIDs, queryTiles, topStart           int32
}

// tile is query_tile of basalt.h.
type tile struct{ first, count, table, position int32 }

// maxListed bounds the lists of a batch whose length nothing else bounds, until one is longer.
const maxListed = 4096

// capacity is the size of the packed batch: the head, then each list from a multiple of 16.
func (x *executable) capacity() int {
	o := x.opt
	tables := min(x.maxBlocks*o.MaxSeqs, 1<<24)
	return 4096 + 4*(3*o.MaxTokens+tables+2*x.maxSamples+3*maxListed+o.MaxSeqs) +
		int(unsafe.Sizeof(runtime.SamplingRow{}))*x.maxSamples + 8*maxListed + 16*o.MaxTokens
}

// bytesOf views a list as bytes.
func bytesOf[T any](list []T) []byte {
	if len(list) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&list[0])),
		len(list)*int(unsafe.Sizeof(list[0])))
}

// packer lays lists into the pinned copy of a batch. Where they do not fit it goes on counting.
type packer struct {
	to []byte
	at int
}

func (p *packer) put(list []byte) int32 {
	at := p.at
	if at+len(list) <= len(p.to) {
		copy(p.to[at:], list)
	}
	p.at = (at + len(list) + 15) &^ 15
	return int32(at)
}

// pack lays a batch into pinned memory and gives its size, which may be more than there is room
// for.
func (x *executable) pack(b *runtime.Batch) int {
	h := head{
		tokens: int32(b.NumTokens()), seqs: int32(b.NumSeqs()),
		samples: int32(len(b.SampleRows)), resets: int32(len(b.ResetCounts)),
		counts: int32(len(b.CountIDs)), tiles: int32(len(x.tiles)), maxBlocks: int32(b.MaxBlocks),
	}
	p := packer{x.host.Bytes, int(unsafe.Sizeof(h)+15) &^ 15}
	h.ids, h.positions = p.put(bytesOf(b.TokenIDs)), p.put(bytesOf(b.Positions))
	h.slots, h.tables = p.put(bytesOf(b.SlotMapping)), p.put(bytesOf(b.BlockTables))
	h.sampleRows, h.sampling = p.put(bytesOf(b.SampleRows)), p.put(bytesOf(b.Sampling))
	h.bias, h.resetSlots = p.put(bytesOf(b.Bias)), p.put(bytesOf(b.ResetCounts))
	h.countSlots, h.countIDs = p.put(bytesOf(b.CountSlots)), p.put(bytesOf(b.CountIDs))
	h.queryTiles, h.topStart = p.put(bytesOf(x.tiles)), p.put(bytesOf(x.topStart))
	*(*head)(unsafe.Pointer(&x.host.Bytes[0])) = h
	return p.at
}

// isDecode tells batches of one row a sequence, which graphs serve.
func isDecode(b *runtime.Batch) bool {
	return b.NumTokens() == b.NumSeqs() && b.NumTokens() <= maxBucket
}

// cutTiles cuts each sequence's new tokens into the tiles of attention.
func (x *executable) cutTiles(b *runtime.Batch) {
	x.tiles = x.tiles[:0]
	size := int32(x.perTile)
	if x.wideTile > 0 && !isDecode(b) {
		size = int32(x.wideTile)
	}
	for s := range b.NumSeqs() {
		for at := b.QueryStart[s]; at < b.QueryStart[s+1]; at += size {
			n := min(size, b.QueryStart[s+1]-at)
			x.tiles = append(x.tiles, tile{at, n, int32(s), b.Positions[at]})
		}
	}
}

// shape gives the counts of a step: those of its graph's bucket for batches of decode rows.
func (x *executable) shape(b *runtime.Batch) (d dims, decode bool) {
	d = dims{b.NumTokens(), len(b.SampleRows), len(x.tiles), 1, x.wideTile > 0}
	if !isDecode(b) {
		return d, false
	}
	bucket := 1
	for bucket < d.tokens {
		bucket *= 2
	}
	bucket = min(bucket, x.opt.MaxTokens, x.maxSamples)
	d = dims{bucket, bucket, bucket, 1, false}
	longest := int32(0)
	for _, n := range b.SeqLens {
		longest = max(longest, n)
	}
	splits := 1
	for splits*splitPositions < int(longest) {
		splits *= 2
	}
	units := bucket * x.units
	if units < 2*x.dev.gpu.SMs && units*splits*x.partBytes <= maxParts {
		d.splits = splits
	}
	return d, true
}
