// Package load puts a server that speaks OpenAI's or Bedrock's API under load and measures tokens.
//
// workload.go, trace.go and words.go make sessions: requests that follow one another. arrivals.go
// says when sessions begin. openai.go and bedrock.go are the wire formats, over the scanners of
// json.go, sse.go and frames.go, which allocate nothing for an event. client.go sends one request
// and notes when each chunk arrives; run.go runs all sessions, in a closed loop (a limit of
// concurrency) or an open one (a rate). metrics.go sums up, as vLLM's serving benchmark defines the
// quantities; result.go names them as its result file does; print.go shows them.
//
// The clock of a request starts when it is sent, or in an open loop when it was due, so that a slow
// client cannot hide a slow server (coordinated omission).
package load
