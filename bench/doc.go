// Package bench measures tokens per second.
//
// offline.go drives an executable directly: prefill of one prompt and decoding of 1, 8, 32 ...
// sequences, without scheduler and server; report.go relates the rates to what the machine can do
// at most. Package load puts a server under load over HTTP; package peers runs the same work in
// turn with llama.cpp's programs.
package bench
