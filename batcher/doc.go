// Package batcher decides what a device computes next.
//
// Scheduler is a pure state machine: Add, Abort, Schedule, Commit and Fail, without clock,
// randomness, goroutine or I/O (scheduler.go: queues; schedule.go: who gets tokens; rows.go: the
// batch; commit.go: what came back; check.go: its invariants). Every step gives sequences tokens
// within one budget, with no phases for prompts and answers. Keys and values lie in counted blocks
// (blocks.go); when they run out, the sequence that came last is computed again later. Prompts that
// share a step with answers get what keeps it near a target time (pace.go): the loop measures each
// step and tells the scheduler.
//
// Loop is the one goroutine that owns a Scheduler and an Executable (loop.go, deliver.go,
// stats.go). Requests (request.go) come to it through a bounded queue (intake.go); events
// (event.go) leave it through streams (stream.go, ring.go).
package batcher
