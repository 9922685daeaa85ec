// Package bench measures tokens per second.
//
// offline.go drives an executable directly: prefill of one prompt and decoding of 1, 8, 32 ...
// sequences, without scheduler and server. serve.go is a load generator for an OpenAI-speaking
// server over HTTP: a closed loop of clients that stream completions. report.go prints both as
// tables. Quantities are medians over repetitions; TTFT, TPOT and gaps are defined as vLLM's
// benchmark defines them (time to first token; (end - first token) / (tokens - 1); time between
// successive tokens).
package bench
