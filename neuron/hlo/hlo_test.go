package hlo

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	for _, portable := range []bool{false, true} {
		data := Encode(sink(t, portable))
		if !bytes.Equal(data, Encode(sink(t, portable))) {
			t.Fatal("the same module gives other bytes")
		}
		m, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(Encode(m), data) {
			t.Error("the decoded module gives other bytes")
		}
		outs := m.Outputs()
		if len(m.Inputs()) != 4 || len(outs) != 6 || outs[1].Alias != "cache"+MustAlias {
			t.Errorf("inputs %v, outputs %v", m.Inputs(), outs)
		}
	}
}

// TestPortableTwin: the two forms of a graph differ in the instruction that selects, and in the
// computations that its portable form calls.
func TestPortableTwin(t *testing.T) {
	native, twin := sink(t, false), sink(t, true)
	if len(native.Entry.Instrs) != len(twin.Entry.Instrs) {
		t.Fatal("the entries have different lengths")
	}
	differ := 0
	for i, a := range native.Entry.Instrs {
		b := twin.Entry.Instrs[i]
		if a.Op != b.Op {
			differ++
			if a.Op != OpCustomCall || b.Op != OpCall || !a.Shape.Equal(b.Shape) {
				t.Errorf("%s %s became %s %s", a.Op, a.Shape, b.Op, b.Shape)
			}
		}
	}
	if differ != 1 {
		t.Errorf("%d instructions differ, want 1", differ)
	}
}

func TestVerifyRefuses(t *testing.T) {
	f := func(want string, change func(m *Module)) {
		t.Helper()
		m := sink(t, false)
		change(m)
		if err := Verify(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	find := func(m *Module, op Opcode) *Instruction {
		for _, in := range m.Entry.Instrs {
			if in.Op == op {
				return in
			}
		}
		t.Fatalf("no %s", op)
		return nil
	}
	f("must be", func(m *Module) { find(m, OpDot).Shape.Dims[0]++ })
	f("dot of", func(m *Module) { find(m, OpDot).Dot.LHSContract[0] = 0 })
	f("gather from", func(m *Module) { find(m, OpGather).Gather.Sizes[1] = 7 })
	f("cannot index", func(m *Module) { find(m, OpGather).Gather.StartMap[0] = 9 })
	f("scatter of", func(m *Module) { find(m, OpScatter).Scatter.UpdateWindow[0] = 0 })
	f("slice", func(m *Module) { find(m, OpSlice).Slices[1].Limit = 9 })
	f("reshape", func(m *Module) { find(m, OpReshape).Shape.Dims[0] = 8 })
	f("transpose", func(m *Module) { find(m, OpTranspose).Dims[0] = 0 })
	f("direction", func(m *Module) { find(m, OpCompare).Direction = "ABOUT" })
	f("k = ", func(m *Module) { find(m, OpCustomCall).Config = "9" })
	f("groups", func(m *Module) { find(m, OpAllReduce).Groups = [][]int{{0, 0}} })
	f("unknown", func(m *Module) { find(m, OpNegate).Op = "cosine" })
	f("does not come before", func(m *Module) {
		in := m.Entry.Instrs
		in[4], in[5] = in[5], in[4]
	})
	f("is taken", func(m *Module) { find(m, OpDot).ID = find(m, OpIota).ID })
	f("no output", func(m *Module) {
		m.Aliases, m.Entry.Root.OutputNames[1] = nil, "elsewhere"
	})
	f("agree", func(m *Module) { m.Aliases = nil })
	f("alias", func(m *Module) { m.Aliases[0].Param = 77 })
	f("comma", func(m *Module) { m.Entry.Instrs[0].InputName = "a,b" })
	f("two tensors", func(m *Module) { m.Entry.Instrs[0].InputName = "table" })
	f("names", func(m *Module) { m.Entry.Root.OutputNames = nil })
	f("not the last", func(m *Module) { m.Entry = m.Computations[0] })
	f("values", func(m *Module) { find(m, OpConstant).Literal.F = nil })
}

func TestTensorsOfFourGiBAreRefused(t *testing.T) {
	b := NewBuilder("large")
	x := b.Param("x", Of(F32, 1<<15, 1<<15))
	if _, err := b.Build(Output{Name: "y", Value: x}); err == nil ||
		!strings.Contains(err.Error(), "runtime takes less than 4294967296") {
		t.Errorf("error %v", err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	data := Encode(sink(t, false))
	f := func(data []byte) {
		t.Helper()
		if _, err := Decode(data); !errors.Is(err, ErrFormat) {
			t.Errorf("error %v, want ErrFormat", err)
		}
	}
	f(nil)
	f(data[:len(data)-1])
	f(append(bytes.Clone(data), 0x78, 1))                                   // an unknown field
	f(append(bytes.Clone(data), 0x0a, 1, 'x'))                              // the name twice
	f(bytes.Replace(data, []byte("\x12\x03dot"), []byte("\x12\x03rot"), 1)) // an unknown opcode
	f(bytes.Replace(data, []byte("cache"), []byte("cacha"), 1))             // an alias alone
}

func TestF8RoundsToTheNearest(t *testing.T) {
	for b := range 256 {
		v := FromF8(uint8(b))
		if v != v {
			if b&0x7f != 0x7f {
				t.Errorf("%#x is NaN", b)
			}
			continue
		}
		if got := ToF8(v); got != uint8(b) {
			t.Errorf("%#x is %g, which becomes %#x", b, v, got)
		}
	}
	for i := range 126 { // between neighbours
		lo, hi := float64(FromF8(uint8(i))), float64(FromF8(uint8(i+1)))
		mid := float32((lo + hi) / 2)
		f := func(x float32, want int) {
			t.Helper()
			if got := ToF8(x); int(got) != want || int(ToF8(-x)) != want|0x80 {
				t.Errorf("%g becomes %#x, want %#x", x, got, want)
			}
		}
		f(math.Nextafter32(mid, 0), i)
		f(math.Nextafter32(mid, 1000), i+1)
		f(mid, i+i&1)
	}
	if ToF8(464) != 0x7e || ToF8(465)&0x7f != 0x7f || ToF8(float32(math.Inf(1))) != 0x7f {
		t.Error("the greatest numbers are wrong")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Encode(sink(f, false)))
	f.Add(Encode(sink(f, true)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := Decode(data); err == nil && !bytes.Equal(Encode(m), data) {
			t.Error("accepted, but encoded otherwise")
		}
	})
}
