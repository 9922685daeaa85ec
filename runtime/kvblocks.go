package runtime

import "fmt"

// NumKVBlocks is how many cache blocks fit o.KVBytes, at most what MaxSeqs sequences of MaxContext
// can use. It fails when not even one sequence of MaxContext fits, and names the way out.
func NumKVBlocks(p *Program, o CompileOptions) (int, error) {
	perBlock := int64(p.KV.BytesPerToken(o.KVDType)) * int64(o.BlockSize)
	perSeq := int64((o.MaxContext + o.BlockSize - 1) / o.BlockSize)
	fit := o.KVBytes / perBlock
	if fit < perSeq {
		return 0, fmt.Errorf("a sequence of %d tokens needs %.1f MiB of KV cache, %.1f MiB are "+
			"given: give more memory, a shorter context or a smaller KV data type",
			o.MaxContext, float64(perSeq*perBlock)/(1<<20), float64(o.KVBytes)/(1<<20))
	}
	return int(min(fit, perSeq*int64(o.MaxSeqs))), nil
}

// ParseKVDType finds a format of the cache by its name, in any case: F32, BF16 or INT8.
func ParseKVDType(name string) (DType, error) {
	for _, d := range []DType{F32, BF16, INT8} {
		if equalFold(name, d.String()) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("the cache is kept in f32, bf16 or int8, not %q", name)
}
