package neuron

import (
	"encoding/binary"
	"fmt"
	"strings"

	"basalt/neuron/lower"
	"basalt/runtime"
)

// staging is the host's side of one routine: what is written before it and read after it.
type staging struct {
	bucket   lower.Bucket
	kinds    []string // of the controls: ids, positions, slots, tables, rows
	controls [][]byte
	results  [][]byte // logits, values, ids, lse
}

func newStaging(b *lower.Bundle, routine int, m machine) *staging {
	r := &b.Routines[routine]
	s := &staging{bucket: r.Bucket}
	s.controls, s.results = m.Memory(routine)
	for _, name := range b.Controls(r) {
		kind, _, _ := strings.Cut(name, ".")
		s.kinds = append(s.kinds, kind)
	}
	return s
}

// fill writes the controls of a run. What is not filled is zero: token 0 at position 0 in slot 0 of
// the scratch block. Block ids of the batch begin behind the scratch block.
func (s *staging) fill(b *runtime.Batch, r *run, blockSize int) {
	for i, kind := range s.kinds {
		data := s.controls[i]
		clear(data)
		switch kind {
		case "ids":
			s.tokens(data, b, r, b.TokenIDs, 0)
		case "positions":
			s.tokens(data, b, r, b.Positions, 0)
		case "slots":
			s.tokens(data, b, r, b.SlotMapping, int32(blockSize))
		case "tables":
			s.tables(data, b, r, blockSize)
		case "rows":
			for j, row := range r.rows {
				put(data, j, row)
			}
		default:
			panic(fmt.Sprintf("BUG: no control is called %q", kind))
		}
	}
}

func put(data []byte, i int, v int32) { binary.LittleEndian.PutUint32(data[4*i:], uint32(v)) }

// tokens writes one number for each token of the run.
func (s *staging) tokens(data []byte, b *runtime.Batch, r *run, from []int32, plus int32) {
	if s.bucket.Kind == lower.Prefill {
		for i, v := range from[r.from:r.to] {
			put(data, i, v+plus)
		}
		return
	}
	for i, seq := range r.seqs {
		put(data, i, from[b.QueryStart[seq]]+plus)
	}
}

// tables writes the blocks that hold each sequence up to the last position of the run.
func (s *staging) tables(data []byte, b *runtime.Batch, r *run, blockSize int) {
	width := s.bucket.Context / blockSize
	for i, seq := range r.seqs {
		n := int(b.SeqLens[seq])
		if s.bucket.Kind == lower.Prefill {
			n = int(r.context)
		}
		blocks := (n + blockSize - 1) / blockSize
		for j, id := range b.BlockTables[int(seq)*b.MaxBlocks:][:blocks] {
			put(data, i*width+j, id+1)
		}
	}
}
