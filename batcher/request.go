package batcher

import (
	"errors"
	"fmt"

	"basalt/runtime"
)

// Config sizes a scheduler; it matches the executable's CompileOptions.
type Config struct {
	MaxTokens  int // token budget of a step
	MaxSeqs    int // sequences that run at the same time
	MaxContext int // greatest length of a sequence
	BlockSize  int // positions in a cache block
	NumBlocks  int // cache blocks
	MaxWaiting int // sequences that may wait
}

func (c Config) check() error {
	switch {
	case c.MaxSeqs < 1 || c.MaxTokens < c.MaxSeqs:
		return fmt.Errorf("BUG: a budget of %d tokens for %d sequences", c.MaxTokens, c.MaxSeqs)
	case c.BlockSize < 1 || c.NumBlocks < 1 || c.MaxContext < 2 || c.MaxWaiting < 1:
		return fmt.Errorf("BUG: impossible scheduler configuration %+v", c)
	}
	return nil
}

// Request is one sequence to generate.
type Request struct {
	ID     string
	Tenant string
	// Priority orders the waiting sequences: a lower number goes first, equal ones in order of
	// arrival.
	Priority int
	// Prompt has at least one id; it belongs to the batcher from Submit on.
	Prompt []int32
	Params runtime.SamplingParams
}

// FinishReason says why a sequence ended.
type FinishReason uint8

// The reasons. FinishNone marks an event that is not the last.
const (
	FinishNone    FinishReason = iota
	FinishStop                 // the last token is one of StopIDs
	FinishLength               // MaxTokens were generated
	FinishContext              // the context is full
	FinishAborted              // Abort was called
	FinishError                // Event.Err says why
)

// String is the reason's name.
func (r FinishReason) String() string {
	names := [...]string{"none", "stop", "length", "context", "aborted", "error"}
	if int(r) < len(names) {
		return names[r]
	}
	return fmt.Sprintf("FinishReason(%d)", uint8(r))
}

// TokenLogprob is an alternative with its log-probability.
type TokenLogprob struct {
	ID      int32
	Logprob float32
}

// Event is one generated token, the end of a sequence, or both. Token is -1 when an event carries
// no token.
type Event struct {
	Token   int32
	Logprob float32
	Top     []TokenLogprob
	Finish  FinishReason
	Err     error
}

// Errors of Submit and of events. ErrDevice is wrapped around what the device said; the request may
// be tried again.
var (
	ErrQueueFull = errors.New("the queue of waiting requests is full")
	ErrDraining  = errors.New("the server is shutting down")
	ErrDevice    = errors.New("the device failed")
)

// TooLongError refuses a request that can never fit.
type TooLongError struct {
	Tokens, Limit int
}

// Error implements error.
func (e *TooLongError) Error() string {
	return fmt.Sprintf("the prompt has %d tokens; with room for an answer at most %d fit", e.Tokens,
		e.Limit)
}
