package hloeval

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"basalt/neuron/hlo"
)

// run builds a module of one output and computes it.
func run(t *testing.T, args []Value, comm *Comm,
	body func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction,
) (Value, error) {
	t.Helper()
	b := hlo.NewBuilder("test")
	var in []*hlo.Instruction
	for i, a := range args {
		in = append(in, b.Param("in"+string(rune('0'+i)), a.Shape))
	}
	m, err := b.Build(hlo.Output{Name: "out", Value: body(b, in)})
	if err != nil {
		t.Fatal(err)
	}
	if m, err = hlo.Decode(hlo.Encode(m)); err != nil {
		t.Fatal(err)
	}
	out, err := New(m).Run(args, comm)
	if err != nil {
		return Value{}, err
	}
	return out[0], nil
}

func wantFloats(t *testing.T, args []Value, want []float32,
	body func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction,
) {
	t.Helper()
	got, err := run(t, args, nil, body)
	if err != nil || !slices.Equal(got.F, want) {
		t.Errorf("got %v (%v), want %v", got.F, err, want)
	}
}

func TestSmallGraphs(t *testing.T) {
	x := Floats(hlo.F32, []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	at := Ints([]int32{1, 0, 1}, 3)
	wantFloats(t, []Value{x}, []float32{1, 4, 2, 5, 3, 6},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return b.Transpose(in[0], 1, 0)
		})
	wantFloats(t, []Value{x}, []float32{2, 3, 5, 6},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return b.Slice(in[0], 1, 1, 3)
		})
	wantFloats(t, []Value{x}, []float32{6, 15},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return b.ReduceSum(in[0], 1)
		})
	wantFloats(t, []Value{x}, []float32{4, 5, 6},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return b.ReduceMax(in[0], 0)
		})
	wantFloats(t, []Value{x, at}, []float32{4, 5, 6, 1, 2, 3, 4, 5, 6},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return b.Rows(in[0], in[1])
		})
	wantFloats(t, []Value{x, at}, []float32{4, 5, 6, 7, 8, 9},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			y := b.Fill(hlo.Of(hlo.F32, 3, 3), 3)
			y = b.Add(y, b.Convert(b.Iota(hlo.Of(hlo.S32, 3, 3), 1), hlo.F32))
			rows := b.Convert(b.Iota(hlo.Of(hlo.S32, 3, 3), 0), hlo.F32)
			y = b.Add(y, b.Mul(rows, b.Fill(y.Shape, 2))) // rows 3 4 5, 5 6 7, 7 8 9
			y = b.Select(b.Compare("EQ", rows, b.Fill(y.Shape, 1)), b.Fill(y.Shape, 4), y)
			y = b.Add(y, b.Fill(y.Shape, 0))
			y = b.Select(b.Compare("EQ", y, b.Fill(y.Shape, 4)),
				b.Add(b.Convert(b.Iota(hlo.Of(hlo.S32, 3, 3), 1), hlo.F32), b.Fill(y.Shape, 4)), y)
			return b.SetRows(in[0], in[1], y)
		})
	wantFloats(t, []Value{x}, []float32{14, 32, 32, 77},
		func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			n := hlo.DotDims{LHSContract: []int{1}, RHSContract: []int{1}}
			return b.DotGeneral(in[0], in[0], n, hlo.F32)
		})
}

// TestDotsOfEveryLayout compares with sums over explicit indices.
func TestDotsOfEveryLayout(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	draw := func(dims ...int) Value {
		v := Make(hlo.Of(hlo.F32, dims...))
		for i := range v.F {
			v.F[i] = float32(rng.NormFloat64())
		}
		return v
	}
	a, b := draw(3, 2, 5, 4), draw(4, 2, 6, 3) // batch 2 and 3, contract 4
	got, err := run(t, []Value{a, b}, nil,
		func(bl *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
			return bl.DotGeneral(in[0], in[1], hlo.DotDims{
				LHSBatch: []int{1, 0}, RHSBatch: []int{1, 3}, LHSContract: []int{3},
				RHSContract: []int{0},
			}, hlo.F32)
		})
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.F {
		l, m, p, q := i%6, i/6%5, i/30%3, i/90
		want := 0.0
		for k := range 4 {
			want += float64(a.F[((p*2+q)*5+m)*4+k]) * float64(b.F[((k*2+q)*6+l)*3+p])
		}
		if math.Abs(want-float64(got.F[i])) > 1e-6 {
			t.Fatalf("element %d is %g, want %g", i, got.F[i], want)
		}
	}
}

func TestIndicesOutOfRangeAreErrors(t *testing.T) {
	x := Floats(hlo.F32, make([]float32, 6), 2, 3)
	for _, at := range []int32{-1, 2} {
		args := []Value{x, Ints([]int32{0, at}, 2)}
		_, err := run(t, args, nil,
			func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
				return b.Rows(in[0], in[1])
			})
		if !errors.Is(err, ErrRange) {
			t.Errorf("a gather of row %d gives %v", at, err)
		}
		_, err = run(t, args, nil,
			func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
				return b.SetRows(in[0], in[1], b.Fill(hlo.Of(hlo.F32, 2, 3), 1))
			})
		if !errors.Is(err, ErrRange) {
			t.Errorf("a scatter to row %d gives %v", at, err)
		}
	}
}

func TestTopKAndItsPortableTwinAgree(t *testing.T) {
	x := Floats(hlo.F32, []float32{3, 1, 3, 2, -1, 0, 5, 5}, 2, 4)
	for _, portable := range []bool{false, true} {
		got, err := run(t, []Value{x}, nil,
			func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
				_, at := b.TopK(in[0], 3, portable)
				return at
			})
		if err != nil || !slices.Equal(got.I, []int32{0, 2, 3, 2, 3, 1}) {
			t.Errorf("portable %v: %v (%v)", portable, got.I, err)
		}
	}
}

func TestBytesRoundTrip(t *testing.T) {
	for _, v := range []Value{
		Floats(hlo.BF16, []float32{1, -2.5}, 2), Ints([]int32{-1, 7}, 2),
		{Shape: hlo.Of(hlo.Pred, 2), I: []int32{0, 1}},
		Floats(hlo.F8E4M3FN, []float32{448, -0.25}, 2),
	} {
		data := make([]byte, v.Shape.Bytes())
		v.PutBytes(data)
		got, err := FromBytes(v.Shape, data)
		if err != nil || !slices.Equal(got.F, v.F) || !slices.Equal(got.I, v.I) {
			t.Errorf("%v became %v (%v)", v, got, err)
		}
	}
	if _, err := FromBytes(hlo.Of(hlo.F32, 3), make([]byte, 11)); err == nil {
		t.Error("11 bytes hold f32[3]")
	}
}

// ranks runs one body on n ranks at once and gives their errors.
func ranks(t *testing.T, comms []*Comm, body func(rank int, b *hlo.Builder,
	x *hlo.Instruction) *hlo.Instruction, check func(rank int, v Value, err error),
) {
	var wg sync.WaitGroup
	for i, c := range comms {
		wg.Go(func() {
			x := Floats(hlo.F32, []float32{float32(i), 1}, 2)
			v, err := run(t, []Value{x}, c,
				func(b *hlo.Builder, in []*hlo.Instruction) *hlo.Instruction {
					return body(i, b, in[0])
				})
			check(i, v, err)
		})
	}
	wg.Wait()
}

func TestCollectives(t *testing.T) {
	all := [][]int{{0, 1, 2, 3}}
	ranks(t, NewComms(4, time.Minute), func(_ int, b *hlo.Builder,
		x *hlo.Instruction,
	) *hlo.Instruction {
		return b.AllGather(b.AllReduceSum(x, all), 0, [][]int{{0, 1}, {3, 2}})
	}, func(rank int, v Value, err error) {
		if err != nil || !slices.Equal(v.F, []float32{6, 4, 6, 4}) {
			t.Errorf("rank %d: %v (%v)", rank, v.F, err)
		}
	})
	ranks(t, NewComms(2, time.Minute), func(_ int, b *hlo.Builder,
		x *hlo.Instruction,
	) *hlo.Instruction {
		return b.AllGather(x, 0, [][]int{{1, 0}})
	}, func(rank int, v Value, err error) {
		if err != nil || !slices.Equal(v.F, []float32{1, 1, 0, 1}) {
			t.Errorf("rank %d: %v (%v)", rank, v.F, err)
		}
	})
}

func TestRanksThatDoNotMeet(t *testing.T) {
	want := func(text string) func(int, Value, error) {
		return func(rank int, _ Value, err error) {
			if !errors.Is(err, ErrCollective) || !strings.Contains(err.Error(), text) {
				t.Errorf("rank %d: %v, want %q", rank, err, text)
			}
		}
	}
	ranks(t, NewComms(2, time.Minute), func(rank int, b *hlo.Builder,
		x *hlo.Instruction,
	) *hlo.Instruction {
		if rank == 1 {
			x = b.Add(x, x)
		}
		return b.AllReduceSum(x, [][]int{{0, 1}})
	}, want("others at"))
	comms := NewComms(2, 10*time.Millisecond)
	ranks(t, comms[:1], func(_ int, b *hlo.Builder, x *hlo.Instruction) *hlo.Instruction {
		return b.AllReduceSum(x, [][]int{{0, 1}})
	}, want("waited"))
}
