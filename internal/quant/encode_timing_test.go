package quant

import "testing"

// BenchmarkEncode gives values per second, on one processor.
func BenchmarkEncode(b *testing.B) {
	x := normal(1<<16, 1)
	f := func(name string, f Format, encode func(dst []byte, src []float32)) {
		dst := make([]byte, len(x)/f.BlockSize()*f.BlockBytes())
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				encode(dst, x)
			}
			b.ReportMetric(float64(len(x)*b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
	f("Q8_0", Q8_0, Q8_0.Encode)
	f("Q4_0", Q4_0, Q4_0.Encode)
	f("Q4_0-search", Q4_0, Q4_0.EncodeBest)
	f("Q4_K", Q4_K, Q4_K.Encode)
	f("Q6_K", Q6_K, Q6_K.Encode)
}
