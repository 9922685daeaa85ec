// Package batcher decides what a device computes next.
//
// Scheduler (scheduler.go, schedule.go, commit.go) is a pure state machine: Add, Abort, Schedule
// and Commit, without clock, randomness, goroutine or I/O. Sequences wait, run, and end; every step
// gives each of them some tokens within one budget, with no phases for prompts and answers. Their
// keys and values lie in blocks (blocks.go); when blocks run out, the sequence that came last is
// preempted and computed again later.
//
// Loop (loop.go) is the one goroutine that owns a Scheduler and an Executable: it admits requests,
// steps the device and puts events into streams (stream.go).
package batcher
