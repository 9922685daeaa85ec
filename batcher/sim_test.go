package batcher

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"basalt/runtime"
)

var simSeed = flag.Uint64("sim.seed", 0, "first seed of the simulations")

// simulation drives a scheduler and a null executable with random events.
type simulation struct {
	t      *testing.T
	rng    *rand.Rand
	cfg    Config
	ahead  bool
	s      *Scheduler
	null   *runtime.Null
	batch  runtime.Batch
	flying bool
	faults int // steps that may still fail
	live   []*Sequence
	output map[*Sequence][]int32
	final  map[*Sequence]FinishReason
	counts map[int32][]int32 // for each slot what its penalty counts were told, in order
	seen   struct{ discarded, takenBack, ahead, bubbles int }
}

const simVocab = 50

var errPlanted = errors.New("planted fault")

func simConfig(rng *rand.Rand) Config {
	return Config{
		MaxTokens: 8 + rng.IntN(40), MaxSeqs: 1 + rng.IntN(8), MaxContext: 20 + rng.IntN(80),
		BlockSize: 1 + rng.IntN(8), NumBlocks: 6 + rng.IntN(40), MaxWaiting: 1000, Vocab: simVocab,
		Steps: simShape(rng.IntN(8)), StepTime: time.Duration(rng.IntN(2)) * time.Millisecond,
	}
}

// simShape is one of eight shapes of steps; the first has no wishes.
func simShape(i int) (s runtime.StepShape) {
	s.NoMixedBatch, s.MaxPrefills = i&1 != 0, i>>1&1
	if i&4 != 0 {
		s.PrefillBuckets = []int{4, 10, 30}
	}
	return s
}

// checkShape holds a step to what its device wants.
func (s *Scheduler) checkShape(b *runtime.Batch) error {
	prefills, answers := 0, 0
	for i := range b.NumSeqs() {
		n := int(b.QueryStart[i+1] - b.QueryStart[i])
		if n > 1 {
			prefills++
		} else if b.SeqLens[i] > 1 && s.steps[s.numSteps-1].parts[i].sampled {
			answers++
		}
		if s.cfg.Steps.Chunk(n) != n {
			return fmt.Errorf("a chunk of %d tokens for buckets of %v", n,
				s.cfg.Steps.PrefillBuckets)
		}
	}
	if most := s.cfg.Steps.MaxPrefills; most > 0 && prefills > most {
		return fmt.Errorf("%d prompts in a step, at most %d are wanted", prefills, most)
	}
	if s.cfg.Steps.NoMixedBatch && prefills > 0 && answers > 0 {
		return fmt.Errorf("%d prompts and %d answers share a step", prefills, answers)
	}
	return nil
}

func newSimulation(t *testing.T, seed uint64, ahead bool) *simulation {
	sim := &simulation{
		t: t, rng: rand.New(rand.NewPCG(seed, 3)), ahead: ahead,
		output: map[*Sequence][]int32{}, final: map[*Sequence]FinishReason{},
		counts: map[int32][]int32{},
	}
	sim.cfg = simConfig(sim.rng)
	sim.faults = int(seed % 3)
	sim.s = NewScheduler(sim.cfg)
	sim.null = nullFor(sim.cfg, 0, nil)
	return sim
}

func (sim *simulation) fault() bool {
	if sim.faults > 0 && sim.rng.IntN(50) == 0 {
		sim.faults--
		return true
	}
	return false
}

func (sim *simulation) take(updates []Update) {
	for _, u := range updates {
		q, e := u.Seq, u.Event
		if sim.final[q] != FinishNone {
			sim.t.Fatalf("an event after the last one: %+v", e)
		}
		if e.Token >= 0 {
			sim.output[q] = append(sim.output[q], e.Token)
		}
		if sim.final[q] = e.Finish; e.Finish != FinishNone {
			sim.live = without(sim.live, q)
		}
	}
	sim.check()
}

// randomRequest may be too long for cfg.
func randomRequest(rng *rand.Rand, cfg Config) *Request {
	r := &Request{Params: runtime.DefaultSampling(), Priority: rng.IntN(2)}
	r.Params.MaxTokens = rng.IntN(30)
	r.Params.Seed = rng.Uint64()
	if rng.IntN(3) == 0 {
		r.Params.StopIDs = []int32{rng.Int32N(simVocab), rng.Int32N(simVocab)}
	}
	if rng.IntN(4) == 0 {
		r.Params.PresencePenalty = 1
	}
	if rng.IntN(8) == 0 {
		r.Params.LogitBias = []runtime.LogitBias{{ID: rng.Int32N(simVocab), Bias: 1}}
	}
	for range 1 + rng.IntN(cfg.maxPrompt()+2) {
		r.Prompt = append(r.Prompt, rng.Int32N(simVocab))
	}
	return r
}

func (sim *simulation) submit() {
	r := randomRequest(sim.rng, sim.cfg)
	q, err := sim.s.Add(r)
	var long *TooLongError
	if tooLong := len(r.Prompt) > sim.cfg.maxPrompt(); errors.As(err, &long) != tooLong {
		sim.t.Fatalf("a prompt of %d with limit %d: %v", len(r.Prompt), sim.cfg.maxPrompt(), err)
	}
	if err == nil {
		sim.live = append(sim.live, q)
	}
}

func (sim *simulation) abort() {
	if len(sim.live) > 0 {
		sim.take(sim.s.Abort(sim.live[sim.rng.IntN(len(sim.live))]))
	}
}

// meanwhile is what may happen between any two calls.
func (sim *simulation) meanwhile() {
	switch sim.rng.IntN(60) {
	case 0:
		sim.abort()
	case 1:
		sim.submit()
	}
	sim.check()
}

// schedule may be ahead of the step in flight.
func (sim *simulation) schedule() bool {
	ok := sim.s.Schedule(&sim.batch)
	if !ok && !sim.flying && !sim.s.Idle() {
		sim.t.Fatal("nothing is scheduled though sequences wait or run")
	}
	if ok {
		if err := sim.s.checkShape(&sim.batch); err != nil {
			sim.t.Fatal(err)
		}
	}
	sim.meanwhile()
	return ok
}

// launch starts the scheduled step; false when it failed.
func (sim *simulation) launch() bool {
	if sim.flying = !sim.fault(); !sim.flying {
		return false
	}
	if _, err := sim.null.Step(&sim.batch); err != nil {
		sim.t.Fatal(err)
	}
	sim.count()
	sim.meanwhile()
	return true
}

// count keeps penalty counts as a device does, and proves that each row finds the tokens before it.
func (sim *simulation) count() {
	b := &sim.batch
	for _, slot := range b.ResetCounts {
		sim.counts[slot] = nil
	}
	for i, slot := range b.CountSlots {
		sim.counts[slot] = append(sim.counts[slot], b.CountIDs[i])
	}
	out, _ := sim.null.Wait()
	row := 0
	for _, p := range sim.s.steps[sim.s.numSteps-1].parts {
		if !p.sampled {
			continue
		}
		r := &b.Sampling[row]
		if q := p.seq; r.Slot >= 0 {
			got := sim.counts[r.Slot]
			want := slices.Clone(q.tokens)
			for i := range want[:q.prompt] {
				want[i] = -1 - want[i]
			}
			if len(got) != int(r.Position) || !slices.Equal(got[:len(want)], want) {
				sim.t.Fatalf("position %d: counted %v, the tokens are %v", r.Position, got, want)
			}
			sim.counts[r.Slot] = append(got, out.IDs[row])
		}
		row++
	}
}

// wait ends the step in flight; false when it failed.
func (sim *simulation) wait() (*runtime.Output, bool) {
	out, err := sim.null.Wait()
	sim.flying = false
	if err != nil {
		sim.t.Fatal(err)
	}
	kept := *out
	kept.IDs, kept.Logprobs = slices.Clone(out.IDs), slices.Clone(out.Logprobs)
	kept.TopStart = slices.Clone(out.TopStart)
	if err := sim.s.checkOutput(&kept); err != nil {
		sim.t.Fatal(err)
	}
	return &kept, !sim.fault()
}

// step brings one step to its end, in ahead mode with the next one on its way.
func (sim *simulation) step() {
	if !sim.flying && (!sim.schedule() || !sim.launch()) {
		sim.fail()
		return
	}
	prepared := sim.ahead && sim.schedule()
	sim.note(prepared)
	out, ok := sim.wait()
	if !ok {
		sim.seen.takenBack += sim.s.numSteps - 1
		sim.fail()
		return
	}
	sim.s.Took(time.Duration(sim.rng.IntN(int(2 * time.Millisecond))))
	ok = !prepared || sim.launch()
	sim.take(sim.s.Commit(out))
	if !ok {
		sim.fail()
	}
}

func (sim *simulation) note(prepared bool) {
	switch {
	case prepared:
		sim.seen.ahead++
	case sim.ahead:
		sim.seen.bubbles++
	}
	for _, q := range sim.s.running {
		if q.ended {
			sim.seen.discarded++
		}
	}
}

func (sim *simulation) fail() {
	if sim.s.numSteps > 0 {
		sim.take(sim.s.Fail(errPlanted))
	}
}

func (sim *simulation) check() {
	if err := sim.s.Check(); err != nil {
		sim.t.Fatal(err)
	}
}

// fataler is a testing.T, or one of rapid.
type fataler interface{ Fatal(args ...any) }

// alone generates the request on a scheduler of its own: what any batching must give.
func alone(t fataler, cfg Config, r *Request) []int32 {
	var got []int32
	s, null, b := NewScheduler(cfg), nullFor(cfg, 0, nil), runtime.Batch{}
	if _, err := s.Add(r); err != nil {
		t.Fatal(err)
	}
	for s.Schedule(&b) {
		pending, err := null.Step(&b)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := pending.Wait()
		for _, u := range s.Commit(out) {
			got = append(got, u.Event.Token)
		}
	}
	return got
}

func (sim *simulation) run(events int) {
	for range events {
		switch n := sim.rng.IntN(100); {
		case n < 12:
			sim.submit()
		case n < 14:
			sim.abort()
		default:
			sim.step()
		}
		sim.check()
	}
	for !sim.s.Idle() {
		sim.step()
	}
	if !sim.s.atRest() {
		sim.t.Fatalf("%d of %d blocks are free at the end", sim.s.pool.numFree(), sim.cfg.NumBlocks)
	}
}

// compare holds every answer against the one that its request gets alone, and says how many it
// held.
func (sim *simulation) compare() (n int) {
	for q, got := range sim.output {
		switch sim.final[q] {
		case FinishNone:
			sim.t.Fatal("a sequence never ended")
		case FinishStop, FinishLength, FinishContext:
			n++
			if want := alone(sim.t, sim.cfg, q.req); !slices.Equal(got, want) {
				sim.t.Fatalf("got %v, alone %v", got, want)
			}
		case FinishAborted, FinishError:
		}
	}
	return n
}

// TestSimulation: 100,000 random events over many configurations, in both modes. Every sequence
// ends exactly once, every block and slot is accounted for after every event, penalty counts are
// those of the sequence, and every answer is the one that the request gets alone, whatever was
// batched, chunked, preempted, aborted, discarded or taken back around it.
func TestSimulation(t *testing.T) {
	for _, ahead := range []bool{false, true} {
		t.Run(fmt.Sprintf("ahead=%v", ahead), func(t *testing.T) { simulate(t, ahead) })
	}
}

func simulate(t *testing.T, ahead bool) {
	const rounds, events = 100, 1000
	var preempted, compared, discarded, takenBack, steps, bubbles int
	for seed := *simSeed; seed < *simSeed+rounds; seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			sim := newSimulation(t, seed, ahead)
			sim.run(events)
			compared += sim.compare()
			preempted += int(sim.s.preempts)
			discarded += sim.seen.discarded
			takenBack += sim.seen.takenBack
			steps += sim.seen.ahead
			bubbles += sim.seen.bubbles
		})
	}
	t.Logf("seeds from %d: %d answers compared, %d preemptions, %d discarded rows", *simSeed,
		compared, preempted, discarded)
	t.Logf("%d steps ahead, %d not possible, %d taken back", steps, bubbles, takenBack)
	if preempted == 0 || compared == 0 || discarded == 0 ||
		ahead && (steps == 0 || bubbles == 0 || takenBack == 0) {
		t.Error("the simulation misses a kind of event")
	}
}
