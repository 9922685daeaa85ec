package batcher

import "sync/atomic"

// Stats is a snapshot of a loop. Totals count from its start.
type Stats struct {
	Running, Waiting        int
	BlocksUsed, BlocksTotal int
	PromptTokens            int64 // of admitted requests
	GeneratedTokens         int64 // given to streams
	StepTokens              int64 // tokens computed, prompts and recomputation included
	Steps                   int64
	FailedSteps             int64
	Preemptions             int64
	Finished                int64 // sequences that ended, for whatever reason
}

type counters struct {
	running, waiting, blocksUsed, blocksTotal atomic.Int64
	promptTokens, generated, stepTokens       atomic.Int64
	steps, failures, preemptions, finished    atomic.Int64
}

// Stats takes a snapshot; it never waits for a step.
func (l *Loop) Stats() Stats {
	c := &l.stats
	return Stats{
		Running: int(c.running.Load()), Waiting: int(c.waiting.Load()),
		BlocksUsed: int(c.blocksUsed.Load()), BlocksTotal: int(c.blocksTotal.Load()),
		PromptTokens: c.promptTokens.Load(), GeneratedTokens: c.generated.Load(),
		StepTokens: c.stepTokens.Load(), Steps: c.steps.Load(), FailedSteps: c.failures.Load(),
		Preemptions: c.preemptions.Load(), Finished: c.finished.Load(),
	}
}
