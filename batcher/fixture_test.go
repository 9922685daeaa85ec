package batcher

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"basalt/runtime"
)

var loopConfig = Config{
	MaxTokens: 32, MaxSeqs: 8, MaxContext: 128, BlockSize: 4, NumBlocks: 64, MaxWaiting: 4,
	Vocab: simVocab,
}

func nullFor(c Config, stepTime time.Duration, fail func(int) error) *runtime.Null {
	return runtime.NewNull(runtime.NullConfig{
		NumBlocks: c.NumBlocks, BlockSize: c.BlockSize, Vocab: simVocab, MaxTokens: c.MaxTokens,
		MaxSeqs: c.MaxSeqs, StepTime: stepTime, Fail: fail,
	})
}

// startLoop serves on a null device until the test ends.
func startLoop(t *testing.T, c Config, o Options, fail func(int) error) *Loop {
	l := NewLoop(nullFor(c, 0, fail), c, o)
	t.Cleanup(func() { stopNow(l) })
	return l
}

// stopNow ends a loop and what runs on it.
func stopNow(l *Loop) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.Stop(ctx)
}

func request(prompt, maxTokens int) *Request {
	r := &Request{Params: runtime.DefaultSampling(), Prompt: make([]int32, prompt)}
	r.Params.MaxTokens = maxTokens
	return r
}

func submit(t *testing.T, l *Loop, r *Request) *Stream {
	t.Helper()
	s, err := l.Submit(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// collect reads a stream to its end.
func collect(t *testing.T, s *Stream) ([]int32, Event) {
	t.Helper()
	var ids []int32
	for {
		e, err := s.Next(t.Context())
		if err != nil {
			t.Error(err)
			return ids, e
		}
		if e.Token >= 0 {
			ids = append(ids, e.Token)
		}
		if e.Finish != FinishNone {
			if _, err := s.Next(t.Context()); !errors.Is(err, io.EOF) {
				t.Errorf("after the last event: %v", err)
			}
			return ids, e
		}
	}
}

// waitIdle waits until all blocks are free.
func waitIdle(t *testing.T, l *Loop) {
	t.Helper()
	var s Stats
	for range 1000 {
		if s = l.Stats(); s.BlocksUsed == 0 && s.Running == 0 && s.Waiting == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("not idle: %+v", s)
}

// bothModes runs f for steps one after the other and for steps prepared ahead.
func bothModes(t *testing.T, f func(t *testing.T, o Options)) {
	t.Run("one after the other", func(t *testing.T) { f(t, Options{}) })
	t.Run("ahead", func(t *testing.T) { f(t, Options{Ahead: true}) })
}
