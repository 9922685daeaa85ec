package cpu

import (
	"context"
	"fmt"
	"testing"

	scheduling "basalt/batcher"
	"basalt/runtime"
)

// TestServedFromBytes: with the cache in bytes, an answer has the bits that its request gets alone,
// though prompts share a prefix in the cache, others share its steps, prompts are cut into chunks,
// and sequences are preempted and computed again.
func TestServedFromBytes(t *testing.T) {
	p, weights := newModel(t, "qwen3", runtime.F32)
	dev := open(t, Config{Threads: 2})
	serve := func(blocks int, together bool) (answers []string, stats scheduling.Stats) {
		c := scheduling.Config{
			MaxTokens: 24, MaxSeqs: 4, MaxContext: 96, BlockSize: 4, NumBlocks: blocks,
			MaxWaiting: 100, Vocab: p.Vocab,
		}
		exec := compile(t, dev, p, weights, runtime.CompileOptions{
			KVBytes: int64(blocks * c.BlockSize * p.KV.BytesPerToken(runtime.INT8)),
			KVDType: runtime.INT8, BlockSize: c.BlockSize, MaxTokens: c.MaxTokens,
			MaxSeqs: c.MaxSeqs, MaxContext: c.MaxContext,
		})
		if n := exec.NumBlocks(); n != blocks {
			t.Fatalf("the pool has %d blocks, not %d", n, blocks)
		}
		l := scheduling.NewLoop(exec, c, scheduling.Options{})
		defer func() {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = l.Stop(ctx)
		}()
		streams := make([]*scheduling.Stream, 12)
		for i := range streams {
			s, err := l.Submit(sharing(i, p.Vocab))
			if err != nil {
				t.Fatal(err)
			}
			streams[i] = s
			if !together {
				answers = append(answers, said(t, s))
			}
		}
		for _, s := range streams {
			if together {
				answers = append(answers, said(t, s))
			}
		}
		return answers, l.Stats()
	}
	want, alone := serve(96, false)
	got, stats := serve(25, true)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("request %d:\n%s\nalone:\n%s", i, got[i], want[i])
		}
	}
	if stats.Preemptions == 0 || alone.Preemptions != 0 {
		t.Errorf("%d preemptions of many, %d of one at a time", stats.Preemptions,
			alone.Preemptions)
	}
	t.Logf("%d tokens computed one by one, %d together with %d preemptions", alone.StepTokens,
		stats.StepTokens, stats.Preemptions)
}

// sharing is the i-th request: every third begins with the same 37 tokens.
func sharing(i, vocab int) *scheduling.Request {
	r := &scheduling.Request{Params: runtime.DefaultSampling()}
	r.Params.Seed, r.Params.MaxTokens, r.Params.Logprobs = uint64(i), 30, 2
	if i%2 == 0 {
		r.Params.Temperature = 0
	}
	for j := range 41 + i {
		k := i
		if j < 37 {
			k = i % 3
		}
		r.Prompt = append(r.Prompt, int32((11*k+3*j*j+j)%vocab))
	}
	return r
}

// said is everything that a stream says, to the bit.
func said(t *testing.T, s *scheduling.Stream) string {
	t.Helper()
	text := ""
	for {
		e, err := s.Next(t.Context())
		if err != nil || e.Err != nil {
			t.Fatal(err, e.Err)
		}
		text += fmt.Sprintf("%d %x %x; ", e.Token, e.Logprob, e.Top)
		if e.Finish != scheduling.FinishNone {
			return text + e.Finish.String()
		}
	}
}
