package eval

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"basalt/runtime"
)

// table is an executable whose logits at position p after token t are rows of a table; it checks
// every batch.
type table struct {
	t      *testing.T
	logits func(position, token int) []float32
	vocab  int
	out    runtime.Output
	failed error
}

func (x *table) NumBlocks() int { return 16 }
func (x *table) Close() error   { return nil }

func (x *table) Step(b *runtime.Batch) (runtime.Pending, error) {
	err := b.Check(runtime.Limits{
		NumBlocks: 16, BlockSize: 4, Vocab: x.vocab, MaxTokens: 5, MaxSeqs: 1, MaxSlots: 1,
	})
	if err != nil {
		x.t.Error(err)
	}
	x.out.Logits = x.out.Logits[:0]
	for _, row := range b.SampleRows {
		x.out.Logits = append(x.out.Logits,
			x.logits(int(b.Positions[row]), int(b.TokenIDs[row]))...)
	}
	return x, x.failed
}

func (x *table) Wait() (*runtime.Output, error) { return &x.out, nil }

// TestEvaluateFollowsTheDefinition: 2 chunks of 8 ids, of which 4 to 6 predict 5 to 7, by a model
// that gives the id that follows t the probability that a bigram table has.
func TestEvaluateFollowsTheDefinition(t *testing.T) {
	ids := []int32{0, 1, 2, 0, 1, 2, 2, 1, 2, 1, 0, 0, 2, 1, 1, 0, 2, 2}
	probs := [][]float64{{0.2, 0.3, 0.5}, {0.6, 0.1, 0.3}, {0.25, 0.5, 0.25}}
	other := [][]float64{{0.1, 0.3, 0.6}, {0.6, 0.1, 0.3}, {0.5, 0.25, 0.25}}
	model := &table{t: t, vocab: 3, logits: logsOf(probs, 7)}
	against := &table{t: t, vocab: 3, logits: logsOf(other, -2)}
	cfg := Config{Vocab: 3, BlockSize: 4, StepTokens: 5, Context: 8, BOS: -1}
	r, err := Evaluate(context.Background(), model, against, ids, cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Tokens that predict: 1 2 2, then 2 1 1; what follows them: 2 2 1, then 1 1 0.
	nll := -(math.Log(0.3) + math.Log(0.25) + math.Log(0.5) + math.Log(0.5) + math.Log(0.1) +
		math.Log(0.6)) / 6
	near(t, "perplexity", r.Perplexity.Value, math.Exp(nll))
	nll = -(math.Log(0.3) + math.Log(0.25) + math.Log(0.25) + math.Log(0.25) + math.Log(0.1) +
		math.Log(0.6)) / 6
	near(t, "perplexity of the other", r.Against.Perplexity.Value, math.Exp(nll))
	kl := 0.5*math.Log(0.5/0.25) + 0.25*math.Log(0.25/0.5)
	near(t, "divergence", r.Against.KL.Value, 3*kl/6)
	near(t, "greatest divergence", r.Against.KLMax, kl)
	near(t, "same most likely", r.Against.SameTop.Value, 0.5)
	near(t, "change", r.Against.RMSProb, math.Sqrt(2*0.25*0.25/6))
	if r.Chunks != 2 || r.Tokens != 6 {
		t.Errorf("%d chunks, %d tokens", r.Chunks, r.Tokens)
	}
	var text bytes.Buffer
	if err := r.Write(&text); err != nil || !strings.Contains(text.String(), "2 chunks, 6 tokens") {
		t.Errorf("%q, %v", text.String(), err)
	}
}

// logsOf gives logits that differ from the logarithms by a constant.
func logsOf(probs [][]float64, shift float64) func(position, token int) []float32 {
	return func(_, token int) []float32 {
		var row []float32
		for _, p := range probs[token] {
			row = append(row, float32(math.Log(p)+shift))
		}
		return row
	}
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6*math.Abs(want) {
		t.Errorf("%s is %.9f, want %.9f", what, got, want)
	}
}

// TestBOSBeginsEachChunk: the first id of a chunk is replaced, the others are fed as they are.
func TestBOSBeginsEachChunk(t *testing.T) {
	var fed []int
	x := &table{t: t, vocab: 9, logits: func(position, token int) []float32 {
		fed = append(fed, position*10+token)
		return make([]float32, 9)
	}}
	ids := []int32{1, 2, 3, 4, 5, 6, 7, 8}
	cfg := Config{Vocab: 9, BlockSize: 4, StepTokens: 1, Context: 4, BOS: 0, Chunks: 1}
	var seen []float64
	cfg.Progress = func(_, _ int, perplexity float64) { seen = append(seen, perplexity) }
	r, err := Evaluate(context.Background(), x, nil, ids, cfg)
	if err != nil || r.Against != nil || len(fed) != 1 || fed[0] != 23 || len(seen) != 1 {
		t.Errorf("fed %v, progress %v, result %+v, error %v", fed, seen, r, err)
	}
	near(t, "perplexity of a flat model", r.Perplexity.Value, 9)
	near(t, "its error", r.Perplexity.Error, 0)
}

func TestEvaluateRefuses(t *testing.T) {
	x := &table{t: t, vocab: 9, logits: func(int, int) []float32 { return make([]float32, 9) }}
	f := func(ctx context.Context, n, context int, failed error, want string) {
		t.Helper()
		x.failed = failed
		cfg := Config{Vocab: 9, BlockSize: 4, StepTokens: 4, Context: context, BOS: -1}
		_, err := Evaluate(ctx, x, nil, make([]int32, n), cfg)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
	}
	live := context.Background()
	ended, cancel := context.WithCancel(live)
	cancel()
	f(live, 7, 8, nil, "the text has 7 tokens, too few for a chunk of 8")
	f(live, 0, 8, nil, "the text has 0 tokens")
	f(live, 9, 1, nil, "too few for a chunk of 1")
	f(ended, 8, 8, nil, "context canceled")
	f(live, 8, 8, errors.New("out of order"), "cannot evaluate chunk 1: out of order")
}
