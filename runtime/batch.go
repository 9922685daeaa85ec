package runtime

import "fmt"

// Batch is the ragged batch of one step: the new tokens of S sequences laid end to end, T tokens in
// all. Its slices are reused from step to step; a device reads them during Step only.
type Batch struct {
	// TokenIDs has T ids. An id below zero stands for the id sampled in row -1-id of the previous
	// step.
	TokenIDs []int32
	// Positions has the T absolute positions; within a sequence they are consecutive.
	Positions []int32
	// SlotMapping has T cache slots, block id * block size + offset: where each token's key and
	// value go.
	SlotMapping []int32
	// QueryStart has S+1 offsets into the tokens: sequence s owns [QueryStart[s], QueryStart[s+1]).
	QueryStart []int32
	// SeqLens has the S context lengths after this step, new tokens included.
	SeqLens []int32
	// BlockTables has S rows of MaxBlocks block ids; row s is valid for its first
	// ceil(SeqLens[s] / block size) entries; what the others hold is not specified.
	BlockTables []int32
	MaxBlocks   int

	// SampleRows are the token rows whose next token is sampled, ascending; Sampling has one row
	// each.
	SampleRows []int32
	Sampling   []SamplingRow
	// Bias is the list that SamplingRow.BiasStart and BiasEnd cut.
	Bias []LogitBias

	// ResetCounts are slots whose penalty counts are cleared before anything else; CountSlots and
	// CountIDs then replay a sequence's tokens into its slot: an id >= 0 was generated, -1-id is of
	// the prompt. Ids that a step samples for a row with a slot are counted by the device itself.
	ResetCounts []int32
	CountSlots  []int32
	CountIDs    []int32

	// WantLogits asks for Output.Logits.
	WantLogits bool
}

// LogitBias is added to the logit of one token.
type LogitBias struct {
	ID   int32
	Bias float32
}

// NumTokens is T.
func (b *Batch) NumTokens() int { return len(b.TokenIDs) }

// NumSeqs is S, the number of sequences.
func (b *Batch) NumSeqs() int { return len(b.SeqLens) }

// Reset empties the batch, keeping its memory.
func (b *Batch) Reset() {
	b.TokenIDs, b.Positions, b.SlotMapping = b.TokenIDs[:0], b.Positions[:0], b.SlotMapping[:0]
	b.QueryStart, b.SeqLens = append(b.QueryStart[:0], 0), b.SeqLens[:0]
	b.BlockTables, b.MaxBlocks = b.BlockTables[:0], 0
	b.SampleRows, b.Sampling, b.Bias = b.SampleRows[:0], b.Sampling[:0], b.Bias[:0]
	b.ResetCounts, b.CountSlots, b.CountIDs = b.ResetCounts[:0], b.CountSlots[:0], b.CountIDs[:0]
	b.WantLogits = false
}

// Output is the result of one step. It belongs to the executable and is valid until its next Step.
type Output struct {
	// IDs has the sampled id of each sample row.
	IDs []int32
	// Logprobs has the natural log-probability of each sampled id under the raw logits (before
	// bias, penalties and temperature); rows that asked for none hold 0.
	Logprobs []float32
	// TopIDs and TopLogprobs have, for each row that asked for n > 0 alternatives, its n best ids
	// in descending order; row i's lie at [TopStart[i], TopStart[i+1]).
	TopIDs      []int32
	TopLogprobs []float32
	TopStart    []int32
	// Logits has the raw logits [len(IDs), vocab] when the batch asked for them.
	Logits []float32
}

// Limits is what a batch is checked against.
type Limits struct {
	NumBlocks, BlockSize, Vocab  int
	MaxTokens, MaxSeqs, MaxSlots int
	PrevRows                     int // sample rows of the previous step
}

// Check proves that a batch is consistent, so that a device may use it without further checks. A
// failure is a defect of the scheduler.
func (b *Batch) Check(l Limits) error {
	t, s := b.NumTokens(), b.NumSeqs()
	switch {
	case t == 0 || t > l.MaxTokens:
		return fmt.Errorf("batch has %d tokens; it must have 1 to %d", t, l.MaxTokens)
	case s == 0 || s > l.MaxSeqs:
		return fmt.Errorf("batch has %d sequences; it must have 1 to %d", s, l.MaxSeqs)
	case len(b.Positions) != t || len(b.SlotMapping) != t:
		return fmt.Errorf("batch has %d tokens, %d positions, %d slots", t, len(b.Positions),
			len(b.SlotMapping))
	case len(b.QueryStart) != s+1 || b.QueryStart[0] != 0 || int(b.QueryStart[s]) != t:
		return fmt.Errorf("query starts %v do not cut %d tokens into %d sequences", b.QueryStart,
			t, s)
	case len(b.BlockTables) != s*b.MaxBlocks:
		return fmt.Errorf("block tables have %d entries; %d x %d are needed", len(b.BlockTables),
			s, b.MaxBlocks)
	case len(b.Sampling) != len(b.SampleRows) || len(b.CountSlots) != len(b.CountIDs):
		return fmt.Errorf("batch has %d sample rows and %d sampling entries", len(b.SampleRows),
			len(b.Sampling))
	}
	for i := range s {
		if err := b.checkSeq(i, l); err != nil {
			return fmt.Errorf("sequence %d of the batch: %w", i, err)
		}
	}
	if err := b.checkSampling(l); err != nil {
		return err
	}
	return b.checkCounts(l)
}

func (b *Batch) checkSeq(s int, l Limits) error {
	lo, hi, n := int(b.QueryStart[s]), int(b.QueryStart[s+1]), int(b.SeqLens[s])
	if hi <= lo || hi-lo > n {
		return fmt.Errorf("%d new tokens of %d", hi-lo, n)
	}
	blocks := (n + l.BlockSize - 1) / l.BlockSize
	if blocks > b.MaxBlocks {
		return fmt.Errorf("length %d needs %d blocks; its table has %d", n, blocks, b.MaxBlocks)
	}
	table := b.BlockTables[s*b.MaxBlocks:][:blocks]
	for _, id := range table {
		if id < 0 || int(id) >= l.NumBlocks {
			return fmt.Errorf("block %d of %d", id, l.NumBlocks)
		}
	}
	for i := lo; i < hi; i++ {
		pos := n - (hi - i)
		want := int(table[pos/l.BlockSize])*l.BlockSize + pos%l.BlockSize
		if int(b.Positions[i]) != pos || int(b.SlotMapping[i]) != want {
			return fmt.Errorf("token %d has position %d and slot %d, want %d and %d",
				i, b.Positions[i], b.SlotMapping[i], pos, want)
		}
		if id := int(b.TokenIDs[i]); id >= l.Vocab || -1-id >= l.PrevRows {
			return fmt.Errorf("token id %d; vocabulary %d, previous rows %d", id, l.Vocab,
				l.PrevRows)
		}
	}
	return nil
}

func (b *Batch) checkSampling(l Limits) error {
	last := int32(-1)
	for i, row := range b.SampleRows {
		if row <= last || int(row) >= b.NumTokens() {
			return fmt.Errorf("sample row %d is %d after %d, of %d tokens", i, row, last,
				b.NumTokens())
		}
		last = row
		if err := b.Sampling[i].check(len(b.Bias), l); err != nil {
			return fmt.Errorf("sample row %d: %w", i, err)
		}
	}
	for _, x := range b.Bias {
		if x.ID < 0 || int(x.ID) >= l.Vocab {
			return fmt.Errorf("logit bias of token %d; the vocabulary has %d", x.ID, l.Vocab)
		}
	}
	return nil
}

func (b *Batch) checkCounts(l Limits) error {
	for _, slot := range b.ResetCounts {
		if slot < 0 || int(slot) >= l.MaxSlots {
			return fmt.Errorf("count slot %d of %d", slot, l.MaxSlots)
		}
	}
	for i, slot := range b.CountSlots {
		id := b.CountIDs[i]
		if id < 0 {
			id = -1 - id
		}
		if slot < 0 || int(slot) >= l.MaxSlots || int(id) >= l.Vocab {
			return fmt.Errorf("count of token %d in slot %d; vocabulary %d, slots %d",
				b.CountIDs[i], slot, l.Vocab, l.MaxSlots)
		}
	}
	return nil
}
