package batcher

import (
	"slices"
	"testing"

	"basalt/runtime"
)

// shaped is an executable that says what it wants of steps.
type shaped struct {
	runtime.Executable
	shape runtime.StepShape
}

func (s shaped) StepShape() runtime.StepShape { return s.shape }

// TestLoopAsksForTheShape: a loop schedules as its executable wants.
func TestLoopAsksForTheShape(t *testing.T) {
	cfg := Config{
		MaxTokens: 16, MaxSeqs: 4, MaxContext: 64, BlockSize: 4, NumBlocks: 40, MaxWaiting: 9,
		Vocab: simVocab,
	}
	want := runtime.StepShape{NoMixedBatch: true, PrefillBuckets: []int{4, 16}}
	l := newLoop(shaped{nullFor(cfg, 0, nil), want}, cfg, Options{})
	got := l.Config().Steps
	if got.NoMixedBatch != want.NoMixedBatch ||
		!slices.Equal(got.PrefillBuckets, want.PrefillBuckets) {
		t.Errorf("the loop schedules for %+v", got)
	}
	chunks := []int32{}
	if _, err := l.Submit(request(9, 2)); err != nil {
		t.Fatal(err)
	}
	l.admit()
	for len(chunks) < 3 && l.sched.Schedule(&l.batch) {
		chunks = append(chunks, l.batch.QueryStart[1])
		if err := l.launch(); err != nil {
			t.Fatal(err)
		}
		done := l.flight
		out, err := l.wait(false)
		if err != nil {
			t.Fatal(err)
		}
		l.commit(out, done)
	}
	if !slices.Equal(chunks, []int32{4, 4, 1}) {
		t.Errorf("chunks of %v", chunks)
	}
}
