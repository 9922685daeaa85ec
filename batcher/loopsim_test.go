package batcher

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// loopSimulation drives a whole loop, cycle by cycle, with clients of every kind: those that leave,
// and those that read late or in bursts. Nothing in it depends on time.
type loopSimulation struct {
	t       *testing.T
	rng     *rand.Rand
	l       *Loop
	clients []*client
	faults  int
	broken  bool
	full    int // refusals because the queue was full
	lag     int // most events that waited for a reader
}

// client reads a stream.
type client struct {
	s     *Stream
	req   *Request
	pace  int // of 100 turns, how many it reads in
	got   []int32
	final Event
}

func newLoopSimulation(t *testing.T, seed uint64, o Options) *loopSimulation {
	sim := &loopSimulation{t: t, rng: rand.New(rand.NewPCG(seed, 5)), faults: int(seed % 4)}
	cfg := simConfig(sim.rng)
	cfg.MaxWaiting = 1 + sim.rng.IntN(10)
	exec := &faulty{Executable: nullFor(cfg, 0, func(int) error { return sim.during() })}
	exec.fail = func(int) error { return sim.fault() }
	sim.l = newLoop(exec, cfg, o)
	return sim
}

// during is called while a step is started: others go on meanwhile.
func (sim *loopSimulation) during() error {
	switch sim.rng.IntN(20) {
	case 0:
		sim.submit()
	case 1:
		sim.abort()
	}
	return sim.fault()
}

func (sim *loopSimulation) fault() error {
	if sim.faults > 0 && sim.rng.IntN(200) == 0 {
		sim.faults--
		return errPlanted
	}
	return nil
}

func (sim *loopSimulation) submit() {
	r := randomRequest(sim.rng, sim.l.cfg)
	s, err := sim.l.Submit(r)
	switch {
	case err == nil:
		pace := []int{100, 30, 3, 0}[sim.rng.IntN(4)]
		sim.clients = append(sim.clients, &client{s: s, req: r, pace: pace})
	case errors.Is(err, ErrQueueFull):
		sim.full++
	case sim.broken && errors.Is(err, ErrDevice), errors.As(err, new(*TooLongError)):
	default:
		sim.t.Fatal(err)
	}
}

func (sim *loopSimulation) abort() {
	if len(sim.clients) > 0 {
		sim.clients[sim.rng.IntN(len(sim.clients))].s.Abort()
	}
}

func (c *client) read() bool {
	e, ok := c.s.TryNext()
	if !ok {
		return false
	}
	if e.Token >= 0 {
		c.got = append(c.got, e.Token)
	}
	c.final = e
	return true
}

// readAll gives every client its turn.
func (sim *loopSimulation) readAll() {
	for _, c := range sim.clients {
		c.s.mu.Lock()
		sim.lag = max(sim.lag, c.s.events.n)
		c.s.mu.Unlock()
		if sim.rng.IntN(100) < c.pace {
			for c.read() && sim.rng.IntN(4) > 0 {
			}
		}
	}
}

// cycle is one cycle of the loop, unless it would sleep.
func (sim *loopSimulation) cycle() {
	if sim.broken || sim.asleep() {
		return
	}
	if !sim.l.cycle() {
		sim.broken = true
		if err := sim.l.Health(); !errors.Is(err, errPlanted) {
			sim.t.Fatalf("the loop ended without a reason: %v", err)
		}
	}
	if err := sim.l.sched.Check(); err != nil {
		sim.t.Fatal(err)
	}
	if live := len(sim.l.sched.running) + len(sim.l.sched.waiting); len(sim.l.live) > live {
		sim.t.Fatalf("%d streams are open for %d sequences", len(sim.l.live), live)
	}
}

func (sim *loopSimulation) asleep() bool {
	in := sim.l.in
	in.mu.Lock()
	defer in.mu.Unlock()
	return sim.l.sched.Idle() && sim.l.flight.pending == nil && len(in.arrivals) == 0
}

func (sim *loopSimulation) run(events int) {
	for range events {
		switch n := sim.rng.IntN(100); {
		case n < 10:
			sim.submit()
		case n < 12:
			sim.abort()
		case n < 30:
			sim.readAll()
		default:
			sim.cycle()
		}
	}
	for !sim.broken && !sim.asleep() {
		sim.cycle()
	}
	if !sim.l.sched.atRest() {
		sim.t.Fatal("something is held though nothing waits or runs")
	}
}

// compare reads what is left. Every stream has ended, and has the tokens that its request gets
// alone, or as many of them as came before it was ended.
func (sim *loopSimulation) compare() (n int) {
	for _, c := range sim.clients {
		for c.read() {
		}
		want := alone(sim.t, sim.l.cfg, c.req)
		switch c.final.Finish {
		case FinishNone:
			sim.t.Fatal("a stream never ended")
		case FinishAborted, FinishError:
			want = want[:min(len(c.got), len(want))]
		case FinishStop, FinishLength, FinishContext:
			n++
		}
		if !slices.Equal(c.got, want) {
			sim.t.Fatalf("got %v, alone %v", c.got, want)
		}
		if errors.Is(c.final.Err, errPlanted) != (c.final.Finish == FinishError) {
			sim.t.Fatalf("the last event is %+v", c.final)
		}
		if limit := c.req.Params.MaxTokens; limit > 0 && len(c.got) > limit {
			sim.t.Fatalf("%d tokens, %d were asked for", len(c.got), limit)
		}
	}
	return n
}

// TestLoopSimulation: 100,000 random events, in both modes. Nobody's pace changes anybody's tokens.
func TestLoopSimulation(t *testing.T) {
	bothModes(t, func(t *testing.T, o Options) {
		const rounds, events = 100, 1000
		var compared, full, broken, lag int
		for seed := *simSeed; seed < *simSeed+rounds; seed++ {
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				sim := newLoopSimulation(t, seed, o)
				sim.run(events)
				compared += sim.compare()
				full += sim.full
				lag = max(lag, sim.lag)
				if sim.broken {
					broken++
				}
			})
		}
		t.Logf("seeds from %d: %d answers compared, %d refused by a full queue, %d loops broken, "+
			"a lag of up to %d events", *simSeed, compared, full, broken, lag)
		if compared == 0 || full == 0 || lag < 2*minRing {
			t.Error("the simulation misses a kind of event")
		}
	})
}
