package batcher

import (
	"testing"
	"time"

	"basalt/runtime"
)

// paced drives a scheduler in virtual time on a device whose step takes a + b*tokens.
type paced struct {
	t          *testing.T
	s          *Scheduler
	batch      runtime.Batch
	out        runtime.Output
	a, b       time.Duration
	now        time.Duration
	last       map[*Sequence]time.Duration // of its newest token
	born       map[*Sequence]time.Duration
	gap, first time.Duration // greatest since they were cleared
	over       float64       // greatest ratio of a step with answers to its time
	ended      int
}

const pacedPrompt, pacedAnswer = 128, 64

func newPaced(t *testing.T, target, a, b time.Duration) *paced {
	cfg := Config{
		MaxTokens: 256, MaxSeqs: 32, MaxContext: 1024, BlockSize: 16, NumBlocks: 2048,
		MaxWaiting: 64, Vocab: simVocab, StepTime: target,
	}
	return &paced{
		t: t, s: NewScheduler(cfg), out: newInstant(cfg.MaxSeqs).all, a: a, b: b,
		last: map[*Sequence]time.Duration{}, born: map[*Sequence]time.Duration{},
	}
}

func (p *paced) add(prompt, answer int) {
	q, err := p.s.Add(request(prompt, answer))
	if err != nil {
		p.t.Fatal(err)
	}
	p.born[q] = p.now
}

// step runs one step; for each sequence that ends, another like it comes at once.
func (p *paced) step() {
	if !p.s.Schedule(&p.batch) {
		p.t.Fatal("nothing is scheduled though sequences wait or run")
	}
	took := p.a + p.b*time.Duration(p.batch.NumTokens())
	p.now += took
	p.measure(took)
	p.s.Took(took)
	again := []*Request{}
	for _, u := range p.s.Commit(&p.out) {
		if last, ok := p.last[u.Seq]; ok {
			p.gap = max(p.gap, p.now-last)
		} else {
			p.first = max(p.first, p.now-p.born[u.Seq])
		}
		p.last[u.Seq] = p.now
		if u.Event.Finish != FinishNone {
			delete(p.last, u.Seq)
			delete(p.born, u.Seq)
			again, p.ended = append(again, u.Seq.req), p.ended+1
		}
	}
	for _, r := range again {
		p.add(len(r.Prompt), r.Params.MaxTokens)
	}
}

// measure compares a step with what it should take, unless it has no more than the least.
func (p *paced) measure(took time.Duration) {
	answers, prompts := 0, 0
	for _, part := range p.s.steps[0].parts {
		if part.tokens == 1 {
			answers++
		} else {
			prompts += part.tokens
		}
	}
	if answers > 0 && prompts > max(leastChunk, answers) {
		all := float64(len(p.s.running)+len(p.s.waiting)) / float64(answers)
		p.over = max(p.over, took.Seconds()/(p.s.pace.target*all))
	}
}

func (p *paced) steps(n int) {
	p.gap, p.first, p.over, p.ended = 0, 0, 0, 0
	for range n {
		p.step()
	}
}

// TestGapsStayNearTheTarget: with clients that come again at once, steps take what they should, so
// that no token waits for its predecessor much longer than the target where few prompts come
// between, and first tokens come in time where many do.
func TestGapsStayNearTheTarget(t *testing.T) {
	f := func(clients int, target, a, b, gap, first time.Duration) {
		t.Helper()
		p := newPaced(t, target, a, b)
		for i := range clients {
			p.add(pacedPrompt, pacedAnswer+i)
		}
		p.steps(500)
		p.steps(4000)
		if p.over > 1.2 || p.gap > gap || p.first > first {
			t.Errorf("%d clients: %.2f times the target, a gap of %v (at most %v is due), a first "+
				"token after %v (at most %v)", clients, p.over, p.gap, gap, p.first, first)
		}
		if p.ended < 4000/pacedAnswer {
			t.Errorf("%d clients: only %d answers in 4000 steps", clients, p.ended)
		}
	}
	const ms = time.Millisecond
	f(1, 250*ms, 60*ms, 5*ms, 250*ms, 700*ms)
	f(8, 250*ms, 60*ms, 5*ms, 700*ms, 5000*ms)
	f(32, 500*ms, 60*ms, 5*ms, 800*ms, 12000*ms)
	f(8, 250*ms, 0, 5*ms, 600*ms, 4000*ms)
	f(32, 25*ms, 10*ms, ms/20, 30*ms, 100*ms)
	f(8, ms, 10*ms, 5*ms, 10*ms+(8+leastChunk)*5*ms, 2000*ms) // out of reach: the least
}

// TestWithoutATargetGapsAreFullSteps: what the target is for.
func TestWithoutATargetGapsAreFullSteps(t *testing.T) {
	p := newPaced(t, 0, 60*time.Millisecond, 5*time.Millisecond)
	for range 8 {
		p.add(pacedPrompt, pacedAnswer)
	}
	p.add(pacedPrompt, pacedAnswer/2) // not all in one beat
	p.steps(1000)
	if p.gap < 700*time.Millisecond {
		t.Errorf("the greatest gap is %v; a whole prompt takes longer", p.gap)
	}
}

// TestPaceFollowsTheDevice: steps take what they should again soon after the device has become
// slower or faster, and chunks are as large as the device allows.
func TestPaceFollowsTheDevice(t *testing.T) {
	const ms = time.Millisecond
	p := newPaced(t, 250*ms, 20*ms, 2*ms)
	for i := range 8 {
		p.add(pacedPrompt, pacedAnswer/2+i*8)
	}
	p.steps(500)
	f := func(a, b time.Duration) {
		t.Helper()
		p.a, p.b = a, b
		p.steps(100)
		p.steps(1000)
		if p.over > 1.3 {
			t.Errorf("a step takes %v and %v a token: %.2f times the target", a, b, p.over)
		}
		if c := p.s.pace.chunk(8, 0); time.Duration(c)*b < 50*ms {
			t.Errorf("a step takes %v and %v a token: chunks of only %d", a, b, c)
		}
	}
	f(60*ms, 6*ms)
	f(20*ms, 2*ms)
	f(100*ms, 4*ms)
	f(5*ms, ms)
}

// TestWhoWaitsCounts: the more wait for a first token, the more prompts get of a step.
func TestWhoWaitsCounts(t *testing.T) {
	p := newPace(time.Second)
	for range 20 {
		p.took(0, 0.2)
		p.took(40, 0.2+0.4) // 10 ms a token
	}
	f := func(answers, others, want int) {
		t.Helper()
		if got := p.chunk(answers, others); got < want-2 || got > want+2 {
			t.Errorf("%d answers, %d others: %d tokens, want %d", answers, others, got, want)
		}
	}
	f(8, 0, 80)
	f(8, 8, 180)
	f(1, 9, 980)
	f(100, 0, 100)
}

// TestNothingDecodesChunksAreWhole: prompts alone get the whole budget, whatever the target.
func TestNothingDecodesChunksAreWhole(t *testing.T) {
	p := newPaced(t, time.Millisecond, time.Second, time.Second)
	p.add(600, 1)
	for _, want := range []int{256, 256, 88} {
		p.step()
		if got := p.batch.NumTokens(); got != want {
			t.Errorf("a step of %d tokens, want %d", got, want)
		}
	}
}

// TestBucketsStayWhole: a device with buckets gets them beside answers too.
func TestBucketsStayWhole(t *testing.T) {
	p := newPaced(t, time.Millisecond, time.Second, time.Second)
	p.s.cfg.Steps.PrefillBuckets = []int{64}
	p.add(64, 100)
	p.step()
	p.add(64, 100)
	if p.step(); p.batch.NumTokens() != 65 {
		t.Errorf("a step of %d tokens, want 65", p.batch.NumTokens())
	}
}

func TestPaceAllocatesNothing(t *testing.T) {
	d := newSteady(t, 64, 10, false)
	d.s.pace = newPace(time.Millisecond)
	n := testing.AllocsPerRun(500, func() {
		d.s.Schedule(&d.batch)
		d.s.Took(time.Millisecond)
		d.s.Commit(&d.out)
	})
	if n > 0 {
		t.Errorf("%.1f allocations for each step", n)
	}
}

func TestConfigRefusesANegativeStepTime(t *testing.T) {
	cfg := loopConfig
	if cfg.StepTime = -1; cfg.Check() == nil {
		t.Error("a step may take less than nothing")
	}
}
