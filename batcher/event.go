package batcher

import (
	"errors"
	"fmt"
)

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

// TokenLogprob is an alternative with its natural log-probability.
type TokenLogprob struct {
	ID      int32
	Logprob float32
}

// Event is one generated token, the end of a sequence, or both.
type Event struct {
	Token   int32   // -1 when the event carries no token
	Logprob float32 // of Token, when the request asked
	// Top are the most likely tokens in descending order, as many as the request asked for. They
	// belong to the reader.
	Top          []TokenLogprob
	Err          error // with FinishError
	PromptTokens int32 // length of the request's prompt
	Finish       FinishReason
}

// Errors of Submit and of events. ErrDevice is wrapped around what the device said.
var (
	ErrQueueFull = errors.New("the queue of waiting requests is full")
	ErrDraining  = errors.New("the server is shutting down")
	ErrDevice    = errors.New("the device failed")
)

// IsRetryable says whether the same request may succeed later.
func IsRetryable(err error) bool {
	return errors.Is(err, ErrQueueFull) || errors.Is(err, ErrDraining) || errors.Is(err, ErrDevice)
}
