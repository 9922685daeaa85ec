package batcher

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"basalt/runtime"
)

// simulation drives a scheduler and a null executable with random events.
type simulation struct {
	t      *testing.T
	rng    *rand.Rand
	cfg    Config
	s      *Scheduler
	null   *runtime.Null
	batch  runtime.Batch
	live   []*sequence
	output map[*sequence][]int32
	final  map[*sequence]FinishReason
	faults int
}

const simVocab = 50

var errPlanted = errors.New("planted fault")

func newSimulation(t *testing.T, seed uint64) *simulation {
	rng := rand.New(rand.NewPCG(seed, 3))
	sim := &simulation{
		t: t, rng: rng, output: map[*sequence][]int32{}, final: map[*sequence]FinishReason{},
		cfg: Config{
			MaxTokens: 8 + rng.IntN(40), MaxSeqs: 1 + rng.IntN(8), MaxContext: 20 + rng.IntN(80),
			BlockSize: 1 + rng.IntN(8), NumBlocks: 6 + rng.IntN(40), MaxWaiting: 1000,
		},
	}
	sim.s = newScheduler(sim.cfg, sim.event)
	sim.null = sim.newNull(func(int) error {
		if sim.faults > 0 && rng.IntN(50) == 0 {
			sim.faults--
			return errPlanted
		}
		return nil
	})
	return sim
}

func (sim *simulation) newNull(fail func(int) error) *runtime.Null {
	return runtime.NewNull(runtime.NullConfig{
		NumBlocks: sim.cfg.NumBlocks, BlockSize: sim.cfg.BlockSize, Vocab: simVocab,
		MaxTokens: sim.cfg.MaxTokens, MaxSeqs: sim.cfg.MaxSeqs, Fail: fail,
	})
}

func (sim *simulation) event(q *sequence, e Event) {
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

func (sim *simulation) submit() {
	r := &Request{Params: runtime.DefaultSampling(), Priority: sim.rng.IntN(2)}
	r.Params.MaxTokens = sim.rng.IntN(30)
	r.Params.Seed = sim.rng.Uint64()
	if sim.rng.IntN(3) == 0 {
		r.Params.StopIDs = []int32{int32(sim.rng.IntN(simVocab))}
	}
	if sim.rng.IntN(4) == 0 {
		r.Params.PresencePenalty = 1
	}
	for range 1 + sim.rng.IntN(sim.cfg.maxPrompt()+2) {
		r.Prompt = append(r.Prompt, int32(sim.rng.IntN(simVocab)))
	}
	q, err := sim.s.add(r, nil)
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
		sim.s.abort(sim.live[sim.rng.IntN(len(sim.live))])
	}
}

// step schedules and commits; aborts may come while the step is in flight.
func (sim *simulation) step() {
	if !sim.s.Schedule(&sim.batch) {
		if !sim.s.idle() {
			sim.t.Fatal("nothing is scheduled though sequences wait or run")
		}
		return
	}
	pending, err := sim.null.Step(&sim.batch)
	if sim.rng.IntN(20) == 0 {
		sim.abort()
	}
	if errors.Is(err, errPlanted) {
		sim.s.Fail(err)
		return
	}
	if err != nil {
		sim.t.Fatal(err)
	}
	out, err := pending.Wait()
	if err != nil {
		sim.t.Fatal(err)
	}
	sim.s.Commit(out)
}

func (sim *simulation) check() {
	if err := sim.s.check(); err != nil {
		sim.t.Fatal(err)
	}
	if n := len(sim.s.slots) + len(sim.s.running); n != sim.cfg.MaxSeqs {
		sim.t.Fatalf("%d slots are free and %d used, of %d", len(sim.s.slots), len(sim.s.running),
			sim.cfg.MaxSeqs)
	}
	if !slices.IsSortedFunc(sim.s.waiting, func(a, b *sequence) int {
		if before(a, b) {
			return -1
		}
		return 1
	}) {
		sim.t.Fatal("the waiting are out of order")
	}
}

// alone generates the request on a scheduler of its own: what any batching must give.
func (sim *simulation) alone(r *Request) []int32 {
	var got []int32
	s := newScheduler(sim.cfg, func(_ *sequence, e Event) {
		if e.Token >= 0 {
			got = append(got, e.Token)
		}
	})
	if _, err := s.add(r, nil); err != nil {
		sim.t.Fatal(err)
	}
	null, b := sim.newNull(nil), runtime.Batch{}
	for s.Schedule(&b) {
		pending, err := null.Step(&b)
		if err != nil {
			sim.t.Fatal(err)
		}
		out, _ := pending.Wait()
		s.Commit(out)
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
	for !sim.s.idle() {
		sim.step()
		sim.check()
	}
	if sim.s.pool.numFree() != sim.cfg.NumBlocks {
		sim.t.Fatalf("%d of %d blocks are free at the end", sim.s.pool.numFree(), sim.cfg.NumBlocks)
	}
}

// TestSimulation: 100,000 random events over many configurations. Every sequence ends exactly once,
// every block is accounted for after every event, and every answer is the one that the request gets
// alone, whatever was batched, chunked, preempted or aborted around it.
func TestSimulation(t *testing.T) {
	const rounds, events = 100, 1000
	var preempted, compared uint64
	for seed := range uint64(rounds) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			sim := newSimulation(t, seed)
			sim.faults = int(seed % 3)
			sim.run(events)
			for q, got := range sim.output {
				switch sim.final[q] {
				case FinishNone:
					t.Fatal("a sequence never ended")
				case FinishStop, FinishLength, FinishContext:
					compared++
					if want := sim.alone(q.req); !slices.Equal(got, want) {
						t.Fatalf("got %v, alone %v", got, want)
					}
				case FinishAborted, FinishError:
				}
			}
			preempted += sim.s.preempts
		})
	}
	t.Logf("%d answers compared, %d preemptions", compared, preempted)
	if preempted == 0 || compared == 0 {
		t.Error("the simulation never preempted or never compared")
	}
}
