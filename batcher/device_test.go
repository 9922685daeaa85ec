package batcher

import (
	"fmt"
	"slices"
	"testing"

	"basalt/internal/testmodel"
	"basalt/runtime"
)

// TestAnswersOfARealModel: on a device that computes and counts tokens for penalties, every answer
// has the bits that its request gets alone, though others share its steps, its prompt is cut into
// chunks, it is preempted, and steps are prepared ahead.
func TestAnswersOfARealModel(t *testing.T) {
	p, weights, err := testmodel.New("llama", 5, runtime.F32)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		MaxTokens: 12, MaxSeqs: 4, MaxContext: 48, BlockSize: 4, NumBlocks: 16, MaxWaiting: 100,
		Vocab: p.Vocab,
	}
	requests := sampledRequests(p.Vocab)
	serve := func(o Options, together bool) (answers []string, preempted int64) {
		exec, err := runtime.NewReference().Compile(t.Context(), p, weights, runtime.CompileOptions{
			KVBytes: 1 << 30, KVDType: runtime.F32, BlockSize: c.BlockSize, MaxTokens: c.MaxTokens,
			MaxSeqs: c.MaxSeqs, MaxContext: c.MaxContext,
		})
		if err != nil {
			t.Fatal(err)
		}
		l := NewLoop(exec, c, o)
		defer stopNow(l)
		var streams []*Stream
		for _, r := range requests {
			streams = append(streams, submit(t, l, r))
			if !together {
				answers = append(answers, transcript(t, streams[len(streams)-1]))
			}
		}
		for _, s := range streams {
			if together {
				answers = append(answers, transcript(t, s))
			}
		}
		return answers, l.Stats().Preemptions
	}
	want, _ := serve(Options{}, false)
	if n := len(slices.Compact(slices.Sorted(slices.Values(want)))); n != len(want) {
		t.Fatalf("%d requests have %d different answers", len(want), n)
	}
	bothModes(t, func(t *testing.T, o Options) {
		got, preempted := serve(o, true)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("request %d:\n%s\nalone:\n%s", i, got[i], want[i])
			}
		}
		if preempted == 0 {
			t.Error("nothing was preempted")
		}
	})
}

// sampledRequests use every part of the sampling chain.
func sampledRequests(vocab int) []*Request {
	var requests []*Request
	for i := range 10 {
		r := request(3+2*i, 20)
		for j := range r.Prompt {
			r.Prompt[j] = int32((7*i + 3*j*j) % vocab)
		}
		p := &r.Params
		p.Seed, p.Choice, p.Logprobs = uint64(i), uint32(i%2), 2
		if i%2 == 0 {
			p.RepetitionPenalty, p.FrequencyPenalty, p.PresencePenalty = 1.5, 0.3, 0.2
		}
		if i%3 == 0 {
			p.LogitBias = []runtime.LogitBias{{ID: int32(i), Bias: 2}, {ID: 5, Bias: -3}}
			p.TopK = 20
		}
		if i%4 == 1 {
			p.Temperature = 0
		}
		requests = append(requests, r)
	}
	return requests
}

// transcript is everything that a stream says.
func transcript(t *testing.T, s *Stream) string {
	t.Helper()
	text := ""
	for {
		e, err := s.Next(t.Context())
		if err != nil || e.Err != nil {
			t.Fatal(err, e.Err)
		}
		text += fmt.Sprintf("%d %x %x; ", e.Token, e.Logprob, e.Top)
		if e.Finish != FinishNone {
			return text + e.Finish.String()
		}
	}
}
