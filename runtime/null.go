package runtime

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// NullConfig shapes a null device.
type NullConfig struct {
	NumBlocks, BlockSize, Vocab int
	MaxTokens, MaxSeqs          int
	// StepTime is how long a step takes; Wait sleeps for what is left of it.
	StepTime time.Duration
	// Tokens are the ids that it samples; none: all of the vocabulary.
	Tokens []int32
	// Fail, when set, is asked before each step (counted from 0); an error it returns fails the
	// step.
	Fail func(step int) error
}

// Null is an executable without arithmetic: it checks every batch, keeps the token ids in a paged
// cache as a real device keeps keys and values, and samples ids that depend on all tokens of their
// own sequence and on nothing else. A scheduler that mixes up blocks, positions or sequences
// therefore changes the tokens.
type Null struct {
	cfg   NullConfig
	cache []int32 // token id in each slot, -1 when never written
	out   Output
	steps int
	due   time.Time
	busy  bool
}

// ErrStepInFlight reports a Step before the previous one was waited for.
var ErrStepInFlight = errors.New("a step is already in flight")

// NewNull makes a null executable.
func NewNull(cfg NullConfig) *Null {
	n := &Null{cfg: cfg, cache: make([]int32, cfg.NumBlocks*cfg.BlockSize)}
	for i := range n.cache {
		n.cache[i] = -1
	}
	return n
}

// NumBlocks implements Executable.
func (n *Null) NumBlocks() int { return n.cfg.NumBlocks }

// Close implements Executable.
func (n *Null) Close() error { return nil }

// Step implements Executable.
func (n *Null) Step(b *Batch) (Pending, error) {
	if n.busy {
		return nil, ErrStepInFlight
	}
	step := n.steps
	n.steps++
	if n.cfg.Fail != nil {
		if err := n.cfg.Fail(step); err != nil {
			return nil, err
		}
	}
	err := b.Check(Limits{
		NumBlocks: n.cfg.NumBlocks, BlockSize: n.cfg.BlockSize, Vocab: n.cfg.Vocab,
		MaxTokens: n.cfg.MaxTokens, MaxSeqs: n.cfg.MaxSeqs, MaxSlots: n.cfg.MaxSeqs,
		PrevRows: len(n.out.IDs),
	})
	if err != nil {
		return nil, fmt.Errorf("BUG: inconsistent batch: %w", err)
	}
	n.write(b)
	if err := n.sample(b); err != nil {
		return nil, err
	}
	n.busy = true
	if n.cfg.StepTime > 0 {
		n.due = time.Now().Add(n.cfg.StepTime)
	}
	return n, nil
}

// Wait implements Pending.
func (n *Null) Wait() (*Output, error) {
	n.busy = false
	if n.cfg.StepTime > 0 {
		time.Sleep(time.Until(n.due))
	}
	return &n.out, nil
}

func (n *Null) write(b *Batch) {
	for i, slot := range b.SlotMapping {
		id := b.TokenIDs[i]
		if id < 0 {
			id = n.out.IDs[-1-id]
		}
		n.cache[slot] = id
	}
}

func (n *Null) sample(b *Batch) error {
	n.out.IDs, n.out.Logprobs, n.out.TopStart = n.out.IDs[:0], n.out.Logprobs[:0],
		append(n.out.TopStart[:0], 0)
	seq := 0
	for i, row := range b.SampleRows {
		for b.QueryStart[seq+1] <= row {
			seq++
		}
		hash, err := n.hash(b, seq, int(b.Positions[row])+1)
		if err != nil {
			return err
		}
		r := &b.Sampling[i]
		x := Philox([4]uint32{uint32(hash), uint32(hash >> 32), r.Position, r.Choice},
			[2]uint32{uint32(r.Seed), uint32(r.Seed >> 32)})
		n.out.IDs = append(n.out.IDs, n.token(x[0]))
		n.out.Logprobs = append(n.out.Logprobs, 0)
		n.out.TopStart = append(n.out.TopStart, 0)
	}
	return nil
}

func (n *Null) token(x uint32) int32 {
	if t := n.cfg.Tokens; len(t) > 0 {
		return t[x%uint32(len(t))]
	}
	return int32(x % uint32(n.cfg.Vocab))
}

// hash folds the first length cached tokens of a sequence (FNV-1a over ids).
func (n *Null) hash(b *Batch, seq, length int) (uint64, error) {
	h := uint64(14695981039346656037)
	table := b.BlockTables[seq*b.MaxBlocks:]
	for pos := range length {
		id := n.cache[int(table[pos/n.cfg.BlockSize])*n.cfg.BlockSize+pos%n.cfg.BlockSize]
		if id < 0 {
			return 0, fmt.Errorf("BUG: sequence %d reads position %d, never written", seq, pos)
		}
		h = (h ^ uint64(uint32(id))) * 1099511628211
	}
	return h, nil
}

// NullDevice is the Device around Null: it compiles any program to a null executable.
type NullDevice struct {
	StepTime time.Duration // see NullConfig
	Tokens   []int32
}

// Info implements Device.
func (NullDevice) Info() DeviceInfo { return DeviceInfo{Kind: "null", Name: "no arithmetic"} }

// Close implements Device.
func (NullDevice) Close() error { return nil }

// Compile implements Device; weights are not read.
func (d NullDevice) Compile(_ context.Context, p *Program, _ Checkpoint,
	o CompileOptions,
) (Executable, error) {
	blocks, err := NumKVBlocks(p, o)
	if err != nil {
		return nil, err
	}
	return NewNull(NullConfig{
		NumBlocks: blocks, BlockSize: o.BlockSize, Vocab: p.Vocab, MaxTokens: o.MaxTokens,
		MaxSeqs: o.MaxSeqs, StepTime: d.StepTime, Tokens: d.Tokens,
	}), nil
}
