package batcher

import "testing"

// restart is how many steps a benchmark runs before its sequences grow too long.
const restart = 2000

// BenchmarkStep is Schedule and Commit with sequences of 512 tokens and more that generate.
func BenchmarkStep(b *testing.B) {
	forSizes(b, func(b *testing.B, n int) {
		d, steps := newSteady(b, n, 512, false), 0
		b.ReportAllocs()
		for b.Loop() {
			if steps++; steps%restart == 0 {
				b.StopTimer()
				d = newSteady(b, n, 512, false)
				b.StartTimer()
			}
			d.step()
		}
		perSequence(b, n)
	})
}

// BenchmarkLoop is all that a loop does for a step besides the device: admission, scheduling,
// output, events into streams; and the reading of the streams.
func BenchmarkLoop(b *testing.B) {
	forSizes(b, func(b *testing.B, n int) {
		d, steps := newSteadyLoop(b, n, Options{}), 0
		b.ReportAllocs()
		for b.Loop() {
			if steps++; steps%restart == 0 {
				b.StopTimer()
				d = newSteadyLoop(b, n, Options{})
				b.StartTimer()
			}
			d.cycles()
		}
		perSequence(b, n)
	})
}

// BenchmarkPrefill is a step of one chunk of 512 prompt tokens.
func BenchmarkPrefill(b *testing.B) {
	c := steadyConfig(64)
	c.MaxTokens = 512
	s := NewScheduler(c)
	d := &steady{s: s, out: newInstant(1).all}
	b.ReportAllocs()
	for b.Loop() {
		if s.Idle() {
			b.StopTimer()
			if _, err := s.Add(request(60*512, 1)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		s.Schedule(&d.batch)
		s.Commit(&d.out)
	}
}
