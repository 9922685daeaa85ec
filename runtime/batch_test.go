package runtime

import (
	"strings"
	"testing"
)

func TestBatchCheck(t *testing.T) {
	limits := Limits{
		NumBlocks: 12, BlockSize: 4, Vocab: fixVocab, MaxTokens: 64, MaxSeqs: 4,
		MaxSlots: 4,
	}
	f := func(want string, change func(b *Batch)) {
		t.Helper()
		b := newBatch()
		addSeq(b, 4, tableA, idsA, 0, true)
		addSeq(b, 4, tableB, idsB[:1], 5, true)
		change(b)
		err := b.Check(limits)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(),
			want)) {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
	f("", func(*Batch) {})
	f("", func(b *Batch) { b.CountSlots, b.CountIDs = []int32{0}, []int32{-fixVocab} })
	f("tokens; it must", func(b *Batch) { b.Reset() })
	f("query starts", func(b *Batch) { b.QueryStart[2]++ })
	f("block tables", func(b *Batch) { b.MaxBlocks++ })
	f("sequence 0 of the batch: block 12 of 12", func(b *Batch) { b.BlockTables[1] = 12 })
	f("position 3 and slot", func(b *Batch) { b.Positions[4] = 3 })
	f("want 4 and 36", func(b *Batch) { b.SlotMapping[4]++ })
	f("token id 37", func(b *Batch) { b.TokenIDs[0] = fixVocab })
	f("token id -1", func(b *Batch) { b.TokenIDs[0] = -1 })
	f("needs 5 blocks", func(b *Batch) { b.SeqLens[0] = 17 })
	f("sampling entries", func(b *Batch) { b.Sampling = b.Sampling[:1] })
	f("sample row 1 is 2 after 10", func(b *Batch) { b.SampleRows[1] = 2 })
	f("slot 4 of 4", func(b *Batch) { b.Sampling[0].Slot = 4 })
	f("bias [0, 1) of 0", func(b *Batch) { b.Sampling[0].BiasEnd = 1 })
	f("temperature NaN", func(b *Batch) { b.Sampling[0].Temperature = nan() })
	f("logit bias of token 99", func(b *Batch) { b.Bias = []LogitBias{{99, 1}} })
	f("count slot 4", func(b *Batch) { b.ResetCounts = []int32{4} })
	f("count of token -38", func(b *Batch) { b.CountSlots, b.CountIDs = []int32{0}, []int32{-38} })
}

func nan() float32 {
	zero := float32(0)
	return zero / zero
}
