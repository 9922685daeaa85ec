package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/runtime"
)

// attending is attention alone: token id i has the i-th row of table as its queries, keys and
// values, and the first numbers of a row of logits are what attention gives, as they are.
type attending struct {
	attr  runtime.AttentionAttr
	table []float32 // rows of attr.Heads.Width()
	prog  *runtime.Program
	c     runtime.Checkpoint
}

// newAttending has rows of numbers that each draws.
func newAttending(t *testing.T, h runtime.Heads, window, rows int, draw func() float32) *attending {
	t.Helper()
	n := h.Query * h.Dim
	a := &attending{attr: runtime.AttentionAttr{
		Heads: h, Window: window, Scale: float32(1 / math.Sqrt(float64(h.Dim))),
	}}
	vocab := max(rows, n)
	a.table = make([]float32, vocab*h.Width())
	for i := range a.table[:rows*h.Width()] {
		a.table[i] = draw()
	}
	head := make([]float32, vocab*n)
	for i := range n {
		head[i*n+i] = 1
	}
	kv := runtime.KVSpec{Layers: 1, KVHeads: h.KV, Dim: h.Dim}
	b := runtime.NewBuilder("attending", vocab, kv)
	x := b.Attention(b.Embed(b.Weight("table", vocab, h.Width())), a.attr)
	b.Logits(b.SampleRows(x), b.Weight("head", vocab, n))
	var err error
	if a.prog, err = b.Build(); err != nil {
		t.Fatal(err)
	}
	a.c = tensors{
		"table": floats(a.table, vocab, h.Width()), "head": floats(head, vocab, n),
	}
	return a
}

// normal draws from the normal distribution.
func normal(seed uint64) func() float32 {
	rng := rand.New(rand.NewPCG(seed, 21))
	return func() float32 { return float32(rng.NormFloat64()) }
}

// part gives a head of the table's row: the i-th of its queries, keys and values.
func (a *attending) part(row, i int) []float32 {
	h := a.attr.Heads
	return a.table[row*h.Width()+i*h.Dim:][:h.Dim]
}

func (a *attending) key(row, group int) []float32 { return a.part(row, a.attr.Heads.Query+group) }

func (a *attending) value(row, group int) []float32 {
	return a.part(row, a.attr.Heads.Query+a.attr.Heads.KV+group)
}

// rounded is what a cache of bytes holds of a head: its greatest magnitude is 127 steps.
func rounded(x []float32) []float32 {
	var most float32
	for _, v := range x {
		most = max(most, v, -v)
	}
	y := make([]float32, len(x))
	if most < 1e-30 {
		return y
	}
	inverse, scale := 127/most, most/127
	for i, v := range x {
		y[i] = float32(math.RoundToEven(float64(v*inverse))) * scale
	}
	return y
}

// exact is the textbook's attention in float64 of the row behind rows 0 to row-1, over keys and
// values as keep leaves them.
func (a *attending) exact(row int, keep func(x []float32) []float32) []float32 {
	h := a.attr.Heads
	first := 0
	if a.attr.Window > 0 {
		first = max(0, row-a.attr.Window+1)
	}
	var out []float32
	for q := range h.Query {
		group := q / (h.Query / h.KV)
		weights, total := make([]float64, row+1), 0.0
		for p := first; p <= row; p++ {
			score := dot64(a.part(row, q), keep(a.key(p, group)))
			weights[p] = math.Exp(float64(a.attr.Scale) * score)
			total += weights[p]
		}
		sum := make([]float64, h.Dim)
		for p := first; p <= row; p++ {
			for d, v := range keep(a.value(p, group)) {
				sum[d] += weights[p] / total * float64(v)
			}
		}
		for _, v := range sum {
			out = append(out, float32(v))
		}
	}
	return out
}

func dot64(x, y []float32) float64 {
	sum := 0.0
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}

var byteOptions = runtime.CompileOptions{
	KVBytes: 48 << 20, KVDType: runtime.INT8, BlockSize: blockSize, MaxTokens: 640, MaxSeqs: 8,
	MaxContext: 656,
}

// counting are the ids from first to end-1.
func counting(first, end int) []int32 {
	var ids []int32
	for i := first; i < end; i++ {
		ids = append(ids, int32(i))
	}
	return ids
}

// attended cuts rows of logits to what attention gave.
func (a *attending) attended(logits []float32) []float32 {
	n := a.attr.Heads.Query * a.attr.Heads.Dim
	var rows []float32
	for ; len(logits) > 0; logits = logits[a.prog.Vocab:] {
		rows = append(rows, logits[:n]...)
	}
	return rows
}

// TestAttentionOverBytes compares with attention in float64. Two errors are told apart:
//
// Over the rounded keys and values, what is left is that queries and probabilities have 16 bits
// and the sums between are exact. With normal numbers a query's greatest is 3.5 deviations, so that
// each number is off by 3.5/32767/sqrt(12) = 3e-5 of one; so is a score, in units of its own
// deviation, and so are weights. A probability is off by as much of the split's greatest, which for
// exponentials of normal scores is 6 to 10 times their root mean square: below 1e-4. Queries of
// four deviations make four times that of scores. The bound of all is 5e-4.
//
// Over the keys and values themselves a number is off by its head's greatest / 127 / sqrt(12),
// 0.6 % of a deviation where the greatest is 2.7 of them (heads of 64) and 0.7 % with 3 (128). The
// values' share of that is the same in their sum; the keys' makes scores off by 0.6 %, and with
// them weights: together 0.9 %. The bound is 1.5 %.
func TestAttentionOverBytes(t *testing.T) {
	devices := openAll(t)
	f := func(h runtime.Heads, window, size, loud int, chunks ...int) {
		t.Helper()
		rows := 0
		for _, n := range chunks {
			rows += n
		}
		draw, i := normal(uint64(1000*h.Dim+rows)), 0
		a := newAttending(t, h, window, rows, func() float32 {
			x := draw()
			if i++; (i-1)%h.Width() < h.Query*h.Dim {
				x *= float32(loud)
			}
			return x
		})
		o := byteOptions
		o.BlockSize = size
		name := fmt.Sprintf("%+v, window %d, blocks of %d, chunks %v", h, window, size, chunks)
		var near, far [][]float32
		last := -1
		for _, n := range chunks {
			last += n
			near = append(near, a.exact(last, rounded))
			far = append(far, a.exact(last, func(x []float32) []float32 { return x }))
		}
		for isa, dev := range devices {
			e, x := compile(t, dev, a.prog, a.c, o), newBatcher(o)
			last = 0
			for i, n := range chunks {
				x.add(0, counting(last, last+n), false)
				last += n
				logits, _ := x.step(t, e)
				got := a.attended(logits)
				if d := distance(got, near[i]); !(d <= 5e-4) {
					t.Errorf("%s %s: row %d is off by %.2g of rounded keys and values", isa, name,
						last-1, d)
				}
				if d := distance(got, far[i]); loud == 1 && !(d <= 1.5e-2) || d == 0 {
					t.Errorf("%s %s: row %d is off by %.2g", isa, name, last-1, d)
				}
			}
		}
	}
	for _, dim := range []int{64, 128, 37} {
		f(runtime.Heads{Query: 2, KV: 2, Dim: dim}, 0, 16, 1, 1, 1, 13, 2, 239, 1, 44)
		f(runtime.Heads{Query: 4, KV: 1, Dim: dim}, 0, 16, 1, 300, 1, 1)
		f(runtime.Heads{Query: 8, KV: 1, Dim: dim}, 0, 16, 1, 17, 514, 1)
		f(runtime.Heads{Query: 8, KV: 2, Dim: dim}, 100, 17, 1, 150, 1, 120)
		f(runtime.Heads{Query: 4, KV: 1, Dim: dim}, 0, 4, 4, 5, 290, 1)
	}
}

// TestAttentionOverBytesKeepsItsBits: a row behind a context of several splits has the same bits
// for any chunking, number of threads and neighbours, in blocks that others have filled before, and
// behind a prefix that another sequence wrote.
func TestAttentionOverBytesKeepsItsBits(t *testing.T) {
	const n = 401
	f := func(isa string, h runtime.Heads, window int) {
		t.Helper()
		a := newAttending(t, h, window, n, normal(77))
		o := byteOptions
		dev := open(t, Config{Threads: 1, ISA: isa})
		want := a.attended(whole(t, compile(t, dev, a.prog, a.c, o), counting(0, n), o))
		same := func(what string, got []float32) {
			t.Helper()
			sameBits(t, fmt.Sprintf("%s %+v, window %d: %s", isa, h, window, what), got, want)
		}
		for threads, chunk := range map[int]int{1: 250, 2: 7, 3: 1} {
			e := compile(t, open(t, Config{Threads: threads, ISA: isa}), a.prog, a.c, o)
			what := fmt.Sprintf("%d threads, chunks of %d", threads, chunk)
			same(what, a.attended(inChunks(t, e, counting(0, n), chunk, o)))
			same("after others, "+what, a.attended(afterOthers(t, e, n, o)))
			same("behind a prefix, "+what, a.attended(behindPrefix(t, e, n, o)))
		}
	}
	for _, isa := range isas(t) {
		f(isa, runtime.Heads{Query: 2, KV: 1, Dim: 64}, 0)
		f(isa, runtime.Heads{Query: 4, KV: 2, Dim: 23}, 300)
	}
}

// afterOthers fills every block with rows of other sequences, then computes the sequence in blocks
// of theirs, in another order, beside two of them: as a sequence that was preempted is computed
// again.
func afterOthers(t *testing.T, e runtime.Executable, n int, o runtime.CompileOptions) []float32 {
	t.Helper()
	x, rng := newBatcher(o), rand.New(rand.NewPCG(6, 6))
	for seq := range 4 {
		x.add(seq, randomIDs(rng, n, n), false)
		x.step(t, e)
	}
	x.lens[1] = 0
	slices.Reverse(x.tables[1])
	var all []float32
	for past, chunk := 0, 0; past < n; past += chunk {
		chunk = min(1+rng.IntN(90), n-past)
		x.add(0, randomIDs(rng, 1, n), false)
		x.add(1, counting(past, past+chunk), true)
		x.add(2, randomIDs(rng, 1, n), false)
		logits, out := x.step(t, e)
		vocab := len(logits) / len(out.IDs)
		all = append(all, logits[vocab:vocab*(1+chunk)]...)
	}
	return all
}

// behindPrefix lets two sequences share the blocks of the first 304 positions, and gives the rows
// of both halves.
func behindPrefix(t *testing.T, e runtime.Executable, n int, o runtime.CompileOptions) []float32 {
	t.Helper()
	const shared = 19 * blockSize
	x := newBatcher(o)
	x.add(0, counting(0, shared), true)
	first, _ := x.step(t, e)
	x.add(0, counting(3, 40), false) // goes on in another way
	x.step(t, e)
	x.add(1, counting(0, 1), false)
	x.step(t, e)
	copy(x.tables[1], x.tables[0][:shared/blockSize])
	x.lens[1] = shared
	x.add(1, counting(shared, n), true)
	second, _ := x.step(t, e)
	return append(first, second...)
}
