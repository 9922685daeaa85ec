package batcher

import (
	"fmt"
	"testing"
)

// BenchmarkStep is Schedule and Commit with n sequences that generate.
func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("sequences=%d", n), func(b *testing.B) {
			c := Config{
				MaxTokens: n, MaxSeqs: n, MaxContext: 1 << 20, BlockSize: 16, NumBlocks: 1 << 20,
				MaxWaiting: n,
			}
			s, batch, out := steadyState(b, c, n)
			b.ReportAllocs()
			for b.Loop() {
				s.Schedule(batch)
				s.Commit(out)
				if len(s.running[0].tokens) > 2000 {
					b.StopTimer()
					s, batch, out = steadyState(b, c, n)
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/sequence")
		})
	}
}
