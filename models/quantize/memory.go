package quantize

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"basalt/models"
	"basalt/models/gguf"
	"basalt/runtime"
)

// Encoded is a checkpoint whose matrices were quantised in memory. It is safe for concurrent use.
type Encoded struct {
	original runtime.Checkpoint
	mu       sync.Mutex
	tensors  map[string]runtime.Tensor
}

// Checkpoint quantises the matrices that a model's program reads, with the formats and bytes that
// File would write; what is stored in blocks already, and what is no matrix, stays as it is.
// progress, when not nil, is told the bytes of the original that are done.
func Checkpoint(ctx context.Context, m *models.Model, r Recipe,
	progress func(done, total int64),
) (*Encoded, error) {
	e := &Encoded{original: m.Checkpoint, tensors: make(map[string]runtime.Tensor)}
	p := newPlanner(m, r)
	var done, total int64
	for _, w := range m.Program.Weights {
		total += int64(w.NumValues())
	}
	for _, w := range m.Program.Weights {
		if err := e.encode(ctx, p, w); err != nil {
			return nil, fmt.Errorf("cannot quantise tensor %q: %w", w.Name, err)
		}
		if done += int64(w.NumValues()); progress != nil {
			progress(done, total)
		}
	}
	return e, nil
}

func (e *Encoded) encode(ctx context.Context, p *planner, w *runtime.Weight) error {
	name, ok := ggufName(w.Name)
	if !ok || !quantisable(name, len(w.Shape)) {
		return nil
	}
	for _, part := range w.Parts {
		x, _ := e.original.Tensor(part)
		if x.DType.Lossy() {
			continue
		}
		t := tensor{Spec: gguf.Spec{Name: name, Shape: x.Shape}, parts: []runtime.Tensor{x}}
		if err := p.setFormat(&t, x.DType); err != nil {
			return err
		}
		var b bytes.Buffer
		b.Grow(int(t.Bytes()))
		if _, err := t.write(ctx, &b); err != nil {
			return err
		}
		e.tensors[part] = runtime.Tensor{DType: t.DType, Shape: x.Shape, Data: b.Bytes()}
	}
	return nil
}

// Tensor implements runtime.Checkpoint.
func (e *Encoded) Tensor(name string) (runtime.Tensor, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t, ok := e.tensors[name]; ok {
		return t, true
	}
	return e.original.Tensor(name)
}

// Names implements runtime.Checkpoint.
func (e *Encoded) Names() []string { return e.original.Names() }

// Release lets the memory of a tensor go that a device has copied; its format and shape stay known.
func (e *Encoded) Release(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if t, ok := e.tensors[name]; ok {
		t.Data = nil
		e.tensors[name] = t
	}
}
