package runtime

import (
	"errors"
	"fmt"
)

// Builder records a Program. Shapes are checked as operations are recorded; the first mistake is
// kept and returned by Build, so that a model's code reads without error handling.
type Builder struct {
	p       Program
	layer   int
	weights map[string]*Weight
	err     error
}

// NewBuilder starts a program with the given vocabulary and cache.
func NewBuilder(name string, vocab int, kv KVSpec) *Builder {
	b := &Builder{layer: -1, weights: make(map[string]*Weight)}
	b.p = Program{Name: name, Layers: kv.Layers, Vocab: vocab, KV: kv}
	return b
}

// Layer says which decoder layer the operations that follow belong to; -1 is none.
func (b *Builder) Layer(i int) { b.layer = i }

// Build ends the recording.
func (b *Builder) Build() (*Program, error) {
	if b.err != nil {
		return nil, fmt.Errorf("cannot build program %q: %w", b.p.Name, b.err)
	}
	if n := len(b.p.Ops); n == 0 || b.p.Ops[n-1].Kind != OpLogits {
		return nil, fmt.Errorf("cannot build program %q: its last operation is not Logits",
			b.p.Name)
	}
	p := b.p
	return &p, nil
}

// Weight declares a tensor of one part. Declaring a name twice gives the same Weight, so a tied
// head is the embedding table itself.
func (b *Builder) Weight(name string, shape ...int) *Weight {
	return b.declare(&Weight{Name: name, Shape: shape, Parts: []string{name}})
}

// Experts declares a stack [len(parts), out, in] of one matrix for each expert.
func (b *Builder) Experts(name string, parts []string, out, in int) *Weight {
	return b.declare(&Weight{Name: name, Shape: []int{len(parts), out, in}, Parts: parts})
}

func (b *Builder) declare(w *Weight) *Weight {
	for _, d := range w.Shape {
		if d <= 0 {
			b.fail("weight %q has shape %v; every axis must be positive", w.Name, w.Shape)
			break
		}
	}
	old, ok := b.weights[w.Name]
	if !ok {
		b.weights[w.Name] = w
		b.p.Weights = append(b.p.Weights, w)
		return w
	}
	if fmt.Sprint(old.Shape) != fmt.Sprint(w.Shape) {
		b.fail("weight %q is declared as %v and as %v", w.Name, old.Shape, w.Shape)
	}
	return old
}

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

func (b *Builder) value(rows RowKind, width int) Reg {
	if width <= 0 {
		b.fail("a value has width %d", width)
	}
	b.p.Values = append(b.p.Values, Value{Rows: rows, Width: width})
	return Reg(len(b.p.Values) - 1)
}

func (b *Builder) op(op Op) {
	op.Layer = b.layer
	b.p.Ops = append(b.p.Ops, op)
}

// in looks a register up; an unknown one is a mistake and reads as a value of width 1.
func (b *Builder) in(r Reg) Value {
	if r < 0 || int(r) >= len(b.p.Values) {
		b.fail("register %d was never assigned", r)
		return Value{Width: 1}
	}
	return b.p.Values[r]
}

func (b *Builder) wantWidth(op OpKind, r Reg, width int) {
	if v := b.in(r); v.Width != width {
		b.fail("%s takes rows of %d numbers, register %d has %d", op, width, r, v.Width)
	}
}

func (b *Builder) wantShape(op OpKind, w *Weight, shape ...int) {
	if fmt.Sprint(w.Shape) != fmt.Sprint(shape) {
		b.fail("%s needs weight %q of shape %v, it is declared as %v", op, w.Name, shape, w.Shape)
	}
}

// ErrHeads reports an impossible head layout.
var ErrHeads = errors.New("query heads must be a positive multiple of key-value heads")

func (b *Builder) wantHeads(op OpKind, x Reg, h Heads) {
	if h.Query <= 0 || h.KV <= 0 || h.Dim <= 0 || h.Query%h.KV != 0 {
		b.fail("%s: %w: %d and %d, dimension %d", op, ErrHeads, h.Query, h.KV, h.Dim)
		return
	}
	b.wantWidth(op, x, h.Width())
	if b.in(x).Rows != TokenRows {
		b.fail("%s takes token rows", op)
	}
}
