package batcher

import (
	"fmt"
	"testing"

	"basalt/runtime"
)

func steadyConfig(n int) Config {
	return Config{
		MaxTokens: n + 4096, MaxSeqs: n, MaxContext: 1 << 16, BlockSize: 16, NumBlocks: n * 256,
		MaxWaiting: n, Vocab: simVocab,
	}
}

// steady is a scheduler with n sequences that generate.
type steady struct {
	s     *Scheduler
	batch runtime.Batch
	out   runtime.Output
}

func newSteady(t testing.TB, n, context int, ahead bool) *steady {
	d := &steady{s: NewScheduler(steadyConfig(n)), out: newInstant(n).all}
	for range n {
		if _, err := d.s.Add(request(context, 0)); err != nil {
			t.Fatal(err)
		}
	}
	for d.s.todoAll() || len(d.s.waiting) > 0 {
		d.s.Schedule(&d.batch)
		d.s.Commit(&d.out)
	}
	if ahead {
		d.s.Schedule(&d.batch)
	}
	for range 20 {
		d.step()
	}
	return d
}

// todoAll says whether a prompt is still computed.
func (s *Scheduler) todoAll() bool {
	for _, q := range s.running {
		if s.todo(q) > 1 {
			return true
		}
	}
	return false
}

func (d *steady) step() {
	if !d.s.Schedule(&d.batch) || d.batch.NumSeqs() != d.s.cfg.MaxSeqs {
		panic("not every sequence is in the step")
	}
	d.s.Commit(&d.out)
}

// TestStepsAllocateNothing: in the steady state Schedule and Commit use what they have, whether a
// step is committed before the next one is scheduled or after.
func TestStepsAllocateNothing(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		d := newSteady(t, 64, 10, ahead)
		if n := testing.AllocsPerRun(500, d.step); n > 0 {
			t.Errorf("ahead=%v: %.1f allocations for each step", ahead, n)
		}
	}
}

// steadyLoop is a loop without its goroutine, and streams that are read as they fill.
type steadyLoop struct {
	l       *Loop
	streams []*Stream
}

func newSteadyLoop(t testing.TB, n int, o Options) *steadyLoop {
	c := steadyConfig(n)
	d := &steadyLoop{l: newLoop(newInstant(n), c, o)}
	for range n {
		s, err := d.l.Submit(request(10, 0))
		if err != nil {
			t.Fatal(err)
		}
		d.streams = append(d.streams, s)
	}
	for len(d.l.sched.running) < n || d.l.sched.todoAll() {
		d.l.cycle()
	}
	for range 20 {
		d.cycles()
	}
	return d
}

// cycles brings one step to its end: two cycles without Ahead.
func (d *steadyLoop) cycles() {
	d.l.cycle()
	if !d.l.opts.Ahead {
		d.l.cycle()
	}
	for _, s := range d.streams {
		for {
			if _, ok := s.TryNext(); !ok {
				break
			}
		}
	}
}

// instant is an executable whose every sample is token 0, and which therefore costs nothing.
type instant struct{ all, out runtime.Output }

func newInstant(rows int) *instant {
	return &instant{all: runtime.Output{
		IDs: make([]int32, rows), Logprobs: make([]float32, rows), TopStart: make([]int32, rows+1),
	}}
}

func (x *instant) NumBlocks() int                 { return 0 }
func (x *instant) Close() error                   { return nil }
func (x *instant) Wait() (*runtime.Output, error) { return &x.out, nil }

func (x *instant) Step(b *runtime.Batch) (runtime.Pending, error) {
	n := len(b.SampleRows)
	x.out.IDs, x.out.Logprobs = x.all.IDs[:n], x.all.Logprobs[:n]
	x.out.TopStart = x.all.TopStart[:n+1]
	return x, nil
}

// TestTheLoopAllocatesNothing: nor do the loop and its streams, as long as readers keep up.
func TestTheLoopAllocatesNothing(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		d := newSteadyLoop(t, 64, o)
		before := d.l.Stats()
		if n := testing.AllocsPerRun(500, d.cycles); n > 0 {
			t.Errorf("%.1f allocations for each step", n)
		}
		after := d.l.Stats()
		if got := after.GeneratedTokens - before.GeneratedTokens; got < 500*64 {
			t.Errorf("%d tokens were generated: %+v", got, after)
		}
	})
}

func perSequence(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/sequence")
}

func forSizes(b *testing.B, f func(b *testing.B, n int)) {
	for _, n := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("sequences=%d", n), func(b *testing.B) { f(b, n) })
	}
}
