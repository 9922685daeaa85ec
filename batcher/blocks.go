package batcher

import "fmt"

// blockPool hands out the cache's blocks. A block is free, or has one or more owners.
type blockPool struct {
	free []int32 // stack of free ids
	refs []int32 // owners of each block
}

func newBlockPool(n int) *blockPool {
	p := &blockPool{free: make([]int32, n), refs: make([]int32, n)}
	for i := range p.free {
		p.free[i] = int32(n - 1 - i) // low ids first
	}
	return p
}

func (p *blockPool) numFree() int { return len(p.free) }
func (p *blockPool) size() int    { return len(p.refs) }

// take appends n blocks to table, or none at all when fewer are free.
func (p *blockPool) take(table []int32, n int) ([]int32, bool) {
	if n > len(p.free) {
		return table, false
	}
	for range n {
		id := p.free[len(p.free)-1]
		p.free = p.free[:len(p.free)-1]
		p.refs[id] = 1
		table = append(table, id)
	}
	return table, true
}

// release drops one owner of each block.
func (p *blockPool) release(table []int32) {
	for _, id := range table {
		if p.refs[id] <= 0 {
			panic(fmt.Sprintf("BUG: block %d is released without an owner", id))
		}
		if p.refs[id]--; p.refs[id] == 0 {
			p.free = append(p.free, id)
		}
	}
}

// check proves the balance: with the given tables as owners, every block is free or owned, as often
// as it is counted.
func (p *blockPool) check(tables [][]int32) error {
	owners := make([]int32, len(p.refs))
	for _, table := range tables {
		for _, id := range table {
			owners[id]++
		}
	}
	numFree := 0
	for id, n := range owners {
		if p.refs[id] != n {
			return fmt.Errorf("block %d has %d owners and counts %d", id, n, p.refs[id])
		}
		if n == 0 {
			numFree++
		}
	}
	if numFree != len(p.free) {
		return fmt.Errorf("%d blocks have no owner, %d are free", numFree, len(p.free))
	}
	return nil
}
