package tokenizer

import "slices"

// A long word, up to a whole text without spaces, is merged with a linked list and a heap of
// candidates. A candidate is rank<<32 | position, so the heap's order is the order of merging, and
// one is stale when the symbol at its position has another rank by now.

// mergeLong leaves sy in place: symbols that were merged away have start -1.
func (m *bpe) mergeLong(sy []symbol, heap []uint64, word string) []uint64 {
	heap = m.candidates(sy, heap, word)
	for len(heap) > 0 {
		top := heap[0]
		heap = popHeap(heap)
		at := int32(uint32(top))
		if s := &sy[at]; s.start < 0 || s.rank != uint32(top>>32) {
			continue
		}
		unite(sy, at)
		heap = m.push(sy, heap, at, word)
		if prev := sy[at].prev; prev >= 0 {
			heap = m.push(sy, heap, prev, word)
		}
	}
	return heap
}

// candidates threads the list through sy and returns the heap of all ranked pairs.
func (m *bpe) candidates(sy []symbol, heap []uint64, word string) []uint64 {
	for i := range sy {
		sy[i].prev, sy[i].next = int32(i)-1, int32(i)+1
	}
	sy[len(sy)-1].next = -1
	heap = slices.Grow(heap, 2*len(sy)) // each merge adds two candidates and takes one
	for i := range sy {
		m.link(sy, int32(i), sy[i].next, word)
		if sy[i].rank != noRank {
			heap = append(heap, uint64(sy[i].rank)<<32|uint64(i))
		}
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		siftDown(heap, i)
	}
	return heap
}

// unite merges the symbol at i with the next one.
func unite(sy []symbol, i int32) {
	s := &sy[i]
	gone := &sy[s.next]
	gone.start = -1
	s.id, s.next = s.into, gone.next
	if s.next >= 0 {
		sy[s.next].prev = i
	}
}

// push ranks the pair that begins at i anew and adds it to the heap.
func (m *bpe) push(sy []symbol, heap []uint64, i int32, word string) []uint64 {
	m.link(sy, i, sy[i].next, word)
	if sy[i].rank == noRank {
		return heap
	}
	heap = append(heap, uint64(sy[i].rank)<<32|uint64(i))
	for at := len(heap) - 1; at > 0; {
		up := (at - 1) / 2
		if heap[up] <= heap[at] {
			break
		}
		heap[up], heap[at] = heap[at], heap[up]
		at = up
	}
	return heap
}

func popHeap(heap []uint64) []uint64 {
	last := len(heap) - 1
	heap[0] = heap[last]
	heap = heap[:last]
	siftDown(heap, 0)
	return heap
}

func siftDown(heap []uint64, at int) {
	for {
		down := 2*at + 1
		if down >= len(heap) {
			return
		}
		if down+1 < len(heap) && heap[down+1] < heap[down] {
			down++
		}
		if heap[at] <= heap[down] {
			return
		}
		heap[at], heap[down] = heap[down], heap[at]
		at = down
	}
}
