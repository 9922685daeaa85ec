package batcher

import (
	"context"
	"runtime/pprof"

	"basalt/runtime"
)

// phases are what the loop's goroutine is labelled with in CPU profiles: made once, so that to
// change the label allocates nothing. A device's own threads have no labels.
type phases struct {
	schedule context.Context // admission and the next batch
	prefill  context.Context // steps with a part of a prompt, or recomputation
	decode   context.Context // steps with one new token for each sequence
	sample   context.Context // what has been sampled becomes tokens and events
}

func newPhases() phases {
	f := func(name string) context.Context {
		return pprof.WithLabels(context.Background(), pprof.Labels("phase", name))
	}
	return phases{f("schedule"), f("prefill"), f("decode"), f("sample")}
}

func (p *phases) of(b *runtime.Batch) context.Context {
	if b.NumTokens() > b.NumSeqs() {
		return p.prefill
	}
	return p.decode
}
