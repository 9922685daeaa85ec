package api

import "time"

// EventKind says what an Event reports.
type EventKind uint8

// The kinds, in the order in which a choice reports them. Deltas of text, reasoning and tools may
// alternate; a tool's deltas lie between its ToolStart and ToolStop. End is the request's last
// event and belongs to no choice.
const (
	Start EventKind = iota
	TextDelta
	ReasoningDelta
	ToolStart
	ToolDelta
	ToolStop
	Finish
	End
)

// FinishReason says why a choice ended.
type FinishReason uint8

// The reasons.
const (
	FinishNone FinishReason = iota
	FinishStop
	FinishStopString
	FinishToolUse
	FinishBadTool // a tool call whose arguments are not JSON
	FinishLength  // the request's token limit
	FinishContext // the model's context is full
	FinishGuard   // a guardrail stepped in
)

// Event is one step of a generation. It and what it refers to are valid until the next event: an
// encoder copies what it keeps.
type Event struct {
	Kind   EventKind
	Choice int
	// Text is UTF-8, whole runes: the delta of text, reasoning or of a tool's JSON arguments.
	Text     []byte
	ToolID   string
	ToolName string
	// Logprobs belong to the tokens of Text.
	Logprobs   []TokenLogprob
	Reason     FinishReason // Finish
	StopString string       // Finish with FinishStopString
	Usage      Usage        // so far, over all choices
	Timing     Timing       // Finish and End
	Seed       uint64       // Finish: repeats the answer
	Trace      *GuardTrace  // End: of the request's guardrail, nil without one
}

// Usage counts tokens. Input counts each prompt once, whatever the number of choices; Output counts
// what was generated up to the end of each choice, the token that ended it included.
type Usage struct {
	Input, Output         int
	CacheRead, CacheWrite int
	Reasoning             int // of Output, spent on thinking
}

// Total is the sum that dialects report.
func (u Usage) Total() int { return u.Input + u.Output }

// Timing is measured by the server from the arrival of the request.
type Timing struct {
	Latency   time.Duration
	FirstByte time.Duration // until the first generated token
}

// TokenLogprob is a token with its log-probability and the most likely alternatives, best first.
type TokenLogprob struct {
	Token   string // text, with U+FFFD for bytes that are no character
	Bytes   []byte
	Logprob float32
	Top     []TokenLogprob
	// Offset is the position of the token in the choice's text, in bytes.
	Offset int
}

// Answer is a whole generation, for dialects' bodies that are not streamed.
type Answer struct {
	Choices []Choice
	Usage   Usage
	Timing  Timing
	Seed    uint64
	Trace   *GuardTrace
}

// Choice is one generated continuation. Content holds text, reasoning and tool-use blocks in order.
type Choice struct {
	Content    []Block
	Logprobs   []TokenLogprob
	Reason     FinishReason
	StopString string
}

// Text joins the text blocks.
func (c *Choice) Text() string {
	s := ""
	for i := range c.Content {
		if c.Content[i].Kind == BlockText {
			s += c.Content[i].Text
		}
	}
	return s
}
