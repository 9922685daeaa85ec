package batcher

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"basalt/runtime"
)

// TestBlockPool holds the pool against a model: what each owner holds.
func TestBlockPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 40).Draw(t, "size")
		p := newBlockPool(size)
		var tables [][]int32
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				n, free := rapid.IntRange(0, 12).Draw(t, "n"), p.numFree()
				table, ok := p.take([]int32{}, n)
				if ok != (n <= free) || ok && len(table) != n || !ok && len(table) != 0 {
					t.Fatalf("%d of %d free blocks: %v %v", n, free, table, ok)
				}
				if ok {
					tables = append(tables, table)
				}
			},
			"release": func(t *rapid.T) {
				if len(tables) == 0 {
					t.Skip("nobody owns a block")
				}
				i := rapid.IntRange(0, len(tables)-1).Draw(t, "owner")
				p.release(tables[i])
				tables = slices.Delete(tables, i, i+1)
			},
			"": func(t *rapid.T) {
				if err := p.check(tables); err != nil {
					t.Fatal(err)
				}
				owned := slices.Sorted(slices.Values(slices.Concat(tables...)))
				if len(slices.Compact(owned))+p.numFree() != size {
					t.Fatalf("%d free, %v owned, of %d", p.numFree(), tables, size)
				}
			},
		})
	})
}

func TestBlockPoolCountsOwners(t *testing.T) {
	p := newBlockPool(3)
	table, _ := p.take(nil, 2)
	p.refs[table[0]]++ // as a second owner would
	p.release(table)
	if err := p.check([][]int32{table[:1]}); err != nil || p.numFree() != 2 {
		t.Errorf("%d free, %v", p.numFree(), err)
	}
	f := func(tables ...[]int32) {
		t.Helper()
		if p.check(tables) == nil {
			t.Errorf("%v passes as the owners", tables)
		}
	}
	f()
	f(table)
	f(table[:1], table[:1])
	p.release(table[:1])
	defer func() {
		if recover() == nil {
			t.Error("a block was released twice")
		}
	}()
	p.release(table[:1])
}

// machine is a scheduler and a null device under random calls that rapid can shrink.
type machine struct {
	cfg     Config
	s       *Scheduler
	null    *runtime.Null
	batch   runtime.Batch
	flying  bool
	seqs    []*Sequence // in the order of arrival
	started []*Sequence // in the order in which they first ran
	output  map[*Sequence][]int32
	final   map[*Sequence]FinishReason
}

func newMachine(t *rapid.T) *machine {
	m := &machine{output: map[*Sequence][]int32{}, final: map[*Sequence]FinishReason{}}
	m.cfg = Config{
		MaxSeqs: rapid.IntRange(1, 5).Draw(t, "seqs"), MaxWaiting: 1000, Vocab: simVocab,
		MaxContext: rapid.IntRange(2, 40).Draw(t, "context"),
		BlockSize:  rapid.IntRange(1, 5).Draw(t, "block size"),
		NumBlocks:  rapid.IntRange(2, 20).Draw(t, "blocks"),
	}
	m.cfg.MaxTokens = m.cfg.MaxSeqs + rapid.IntRange(0, 10).Draw(t, "budget")
	m.cfg.Steps = simShape(rapid.IntRange(0, 7).Draw(t, "shape"))
	m.s, m.null = NewScheduler(m.cfg), nullFor(m.cfg, 0, nil)
	return m
}

func (m *machine) submit(t *rapid.T) {
	r := request(rapid.IntRange(1, m.cfg.maxPrompt()).Draw(t, "prompt"),
		rapid.IntRange(0, 20).Draw(t, "max"))
	r.Params.Seed = rapid.Uint64().Draw(t, "seed")
	q, err := m.s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	m.seqs = append(m.seqs, q)
}

func (m *machine) abort(t *rapid.T) {
	if len(m.seqs) > 0 {
		m.take(t, m.s.Abort(rapid.SampledFrom(m.seqs).Draw(t, "sequence")))
	}
}

// schedule fills a step, ahead of one in flight or not; starts must be in the order of arrival.
func (m *machine) schedule(t *rapid.T) {
	if m.s.numSteps == len(m.s.steps) {
		t.Skip("two steps are in flight")
	}
	if !m.s.Schedule(&m.batch) {
		if m.s.numSteps == 0 && !m.s.Idle() {
			t.Fatal("nothing is scheduled though sequences wait or run")
		}
		return
	}
	if err := m.s.checkShape(&m.batch); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.s.steps[m.s.numSteps-1].parts {
		if !slices.Contains(m.started, p.seq) {
			m.started = append(m.started, p.seq)
		}
	}
	if m.s.numSteps == 1 {
		m.launch(t)
	}
}

func (m *machine) launch(t *rapid.T) {
	if _, err := m.null.Step(&m.batch); err != nil {
		t.Fatal(err)
	}
	m.flying = true
}

// commit ends the oldest step and starts the prepared one.
func (m *machine) commit(t *rapid.T) {
	if m.s.numSteps == 0 {
		t.Skip("no step is in flight")
	}
	out, err := m.null.Wait()
	if err != nil {
		t.Fatal(err)
	}
	kept := runtime.Output{
		IDs: slices.Clone(out.IDs), Logprobs: slices.Clone(out.Logprobs),
		TopStart: slices.Clone(out.TopStart),
	}
	if m.s.numSteps == 2 {
		m.launch(t)
	}
	m.take(t, m.s.Commit(&kept))
}

// fail ends the oldest step with an error.
func (m *machine) fail(t *rapid.T) {
	if m.s.numSteps == 0 {
		t.Skip("no step is in flight")
	}
	if _, err := m.null.Wait(); err != nil {
		t.Fatal(err)
	}
	m.take(t, m.s.Fail(errPlanted))
}

func (m *machine) take(t *rapid.T, updates []Update) {
	for _, u := range updates {
		if m.final[u.Seq] != FinishNone {
			t.Fatalf("an event after the last one: %+v", u.Event)
		}
		m.final[u.Seq] = u.Event.Finish
		if u.Event.Token >= 0 {
			m.output[u.Seq] = append(m.output[u.Seq], u.Event.Token)
		}
		if (u.Event.Finish == FinishError) != errors.Is(u.Event.Err, errPlanted) {
			t.Fatalf("an error without a reason, or the reverse: %+v", u.Event)
		}
	}
}

func (m *machine) check(t *rapid.T) {
	if err := m.s.Check(); err != nil {
		t.Fatal(err)
	}
	if !inOrder(m.started) {
		t.Fatal("a sequence started before one that came earlier")
	}
}

// end lets everything run to its end; the answers must be those that each request gets alone.
func (m *machine) end(t *rapid.T) {
	for steps := 0; !m.s.Idle(); steps++ {
		if m.s.numSteps == 0 {
			m.schedule(t)
		}
		m.commit(t)
		if steps > 100*(len(m.seqs)+1) {
			t.Fatal("it never ends")
		}
	}
	if !m.s.atRest() {
		t.Fatal("something is held though nothing waits or runs")
	}
	for _, q := range m.seqs {
		switch want := alone(t, m.cfg, q.req); m.final[q] {
		case FinishNone:
			t.Fatal("a sequence never ended")
		case FinishAborted, FinishError:
			want = want[:min(len(m.output[q]), len(want))]
			fallthrough
		case FinishStop, FinishLength, FinishContext:
			if !slices.Equal(m.output[q], want) {
				t.Fatalf("got %v, alone %v", m.output[q], want)
			}
		}
	}
}

// TestSchedulerProperties: whatever is called in whatever order, no block has two owners, sequences
// start in the order of arrival, every one ends once, and its tokens are those that it gets alone,
// also after a preemption.
func TestSchedulerProperties(t *testing.T) {
	preempts := uint64(0)
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		t.Repeat(map[string]func(*rapid.T){
			"submit": m.submit, "abort": m.abort, "fail": m.fail, "": m.check,
			"schedule": m.schedule, "schedule again": m.schedule, "commit": m.commit,
			"commit again": m.commit,
		})
		m.end(t)
		preempts += m.s.preempts
	})
	if preempts == 0 {
		t.Error("nothing was preempted")
	}
}
