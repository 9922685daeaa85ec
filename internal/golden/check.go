package golden

import (
	"fmt"
	"math"
	"slices"

	"basalt/runtime"
)

// Result is what Check found for one case.
type Result struct {
	Case       string
	RelNorm    float64 // greatest relative norm of the error over the stored rows
	Positions  int
	Excused    int // positions whose margin is within the format's error
	Mismatches int // other positions where the most likely id differs
	First      string
}

// Check feeds every case in steps of at most chunk tokens and compares. The bound is the format's
// error as a relative norm. The executable must have room for the longest case.
func (f *File) Check(e runtime.Executable, blockSize, chunk int, bound float64) ([]Result, error) {
	var results []Result
	for i := range f.Cases {
		c := &f.Cases[i]
		rows, err := f.Run(e, c, blockSize, chunk)
		if err != nil {
			return results, fmt.Errorf("case %q: %w", c.Name, err)
		}
		results = append(results, f.compare(c, rows, bound))
	}
	return results, nil
}

// Run feeds prompt + greedy and gives the logits at each position that predicts a greedy id.
func (f *File) Run(e runtime.Executable, c *Case, blockSize, chunk int) ([][]float32, error) {
	ids := append(slices.Clone(c.Prompt), c.Greedy[:len(c.Greedy)-1]...)
	table := reversedTable(e, (len(ids)+blockSize-1)/blockSize)
	var rows [][]float32
	for past := 0; past < len(ids); past += chunk {
		b := chunkBatch(ids[past:min(past+chunk, len(ids))], past, len(c.Prompt)-1, table,
			blockSize)
		pending, err := e.Step(b)
		if err != nil {
			return nil, err
		}
		out, err := pending.Wait()
		if err != nil {
			return nil, err
		}
		for i := range b.SampleRows {
			rows = append(rows, slices.Clone(out.Logits[i*f.Vocab:(i+1)*f.Vocab]))
		}
	}
	return rows, nil
}

// reversedTable uses the last blocks of the pool backwards, so that nothing works by accident.
func reversedTable(e runtime.Executable, n int) []int32 {
	table := make([]int32, n)
	for i := range table {
		table[i] = int32(e.NumBlocks() - 1 - i)
	}
	return table
}

// chunkBatch is one sequence's step; positions from first on are sampled greedily.
func chunkBatch(ids []int32, past, first int, table []int32, blockSize int) *runtime.Batch {
	b := &runtime.Batch{}
	b.Reset()
	b.WantLogits = true
	p := runtime.DefaultSampling()
	p.Temperature = 0
	for i, id := range ids {
		pos := past + i
		b.TokenIDs = append(b.TokenIDs, id)
		b.Positions = append(b.Positions, int32(pos))
		slot := table[pos/blockSize]*int32(blockSize) + int32(pos%blockSize)
		b.SlotMapping = append(b.SlotMapping, slot)
		if pos >= first {
			b.SampleRows = append(b.SampleRows, int32(i))
			b.Sampling = append(b.Sampling, p.Row(pos+1))
		}
	}
	b.QueryStart = append(b.QueryStart, int32(len(ids)))
	b.SeqLens = append(b.SeqLens, int32(past+len(ids)))
	b.BlockTables, b.MaxBlocks = append(b.BlockTables, table...), len(table)
	return b
}

func (f *File) compare(c *Case, rows [][]float32, bound float64) Result {
	r := Result{Case: c.Name, Positions: len(c.Greedy)}
	for j, at := range c.Rows {
		if !c.routingTie(at, bound) {
			r.RelNorm = max(r.RelNorm, relNorm(rows[at], f.row(c, j)))
		}
	}
	for i, want := range c.Greedy {
		got := argmax(rows[i])
		switch {
		case float64(c.Margin[i]) <= 4*bound*float64(c.Std[i]), c.routingTie(i, bound):
			r.Excused++
		case got != want:
			if r.Mismatches++; r.First == "" {
				r.First = fmt.Sprintf("position %d: id %d, the reference has %d by a margin of "+
					"%.3g",
					i, got, want, c.Margin[i])
			}
		}
	}
	return r
}

// routingTie says that, at the i-th position, the router scores of the last expert taken and the
// best one left are as near as the format's error: either choice is right, and they lead to other
// logits.
func (c *Case) routingTie(i int, bound float64) bool {
	at := len(c.Prompt) - 1 + i
	return at < len(c.RouterGap) && float64(c.RouterGap[at]) <= bound
}

// relNorm is |x - ref| / |ref|.
func relNorm(x, ref []float32) float64 {
	var diff, norm float64
	for i, r := range ref {
		d := float64(x[i]) - float64(r)
		diff += d * d
		norm += float64(r) * float64(r)
	}
	return math.Sqrt(diff / norm)
}

func argmax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}
