package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Record is everything that a run saw.
type Record struct {
	Outcomes  []Outcome // in the order of sessions and turns
	Duration  time.Duration
	Processor time.Duration // that this process used meanwhile
}

// runner plays sessions.
type runner struct {
	*client
	sessions []Session
	open     bool  // sessions are due at their time, whatever has become of others
	offsets  []int // of each session's first outcome
	outcomes []Outcome
}

// Run plays all sessions. Requests that fail are recorded, not fatal; an error is of the options,
// or the context's.
func Run(ctx context.Context, o *Options, sessions []Session) (*Record, error) {
	if len(sessions) == 0 {
		return nil, errors.New("there are no sessions to play")
	}
	if !(o.Rate > 0) || !(o.Burstiness > 0) || o.Clients < 0 || o.Retry < 0 {
		return nil, fmt.Errorf("rate %g, burstiness %g, %d clients, %d retries: the first two "+
			"must "+
			"be positive, the others not negative", o.Rate, o.Burstiness, o.Clients, o.Retry)
	}
	c, err := newClient(o)
	if err != nil {
		return nil, err
	}
	defer c.http.CloseIdleConnections()
	r := &runner{client: c, sessions: sessions}
	for i := range sessions {
		r.offsets = append(r.offsets, len(r.outcomes))
		for k := range sessions[i].Requests {
			r.outcomes = append(r.outcomes, Outcome{
				Session: i, Turn: k,
				Err: "not sent: what came before it failed",
			})
		}
	}
	var due []time.Duration
	due, r.open = schedule(o, sessions)
	before := processorTime()
	c.began = time.Now()
	stop := c.showProgress(len(r.outcomes))
	if r.open {
		r.openLoop(ctx, due)
	} else {
		r.closedLoop(ctx)
	}
	took := time.Since(c.began)
	stop()
	return &Record{r.outcomes, took, processorTime() - before}, ctx.Err()
}

// schedule gives the times at which sessions are due, and whether they are due at any time at all
// (an open loop) or as soon as a client is free (a closed one).
func schedule(o *Options, sessions []Session) ([]time.Duration, bool) {
	due := Arrivals(len(sessions), o.Rate, o.Burstiness, o.Seed)
	open := !math.IsInf(o.Rate, 1)
	for i := range sessions {
		if sessions[i].At >= 0 {
			due[i], open = sessions[i].At, true
		}
	}
	return due, open
}

// closedLoop has Clients goroutines that take the next session as soon as one has ended.
func (r *runner) closedLoop(ctx context.Context) {
	clients := r.opts.Clients
	if clients == 0 || clients > len(r.sessions) {
		clients = len(r.sessions)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(r.sessions) {
					return
				}
				r.play(ctx, i, time.Since(r.began), 0)
			}
		})
	}
	wg.Wait()
}

// openLoop starts each session when it is due, whatever has become of those before.
func (r *runner) openLoop(ctx context.Context, due []time.Duration) {
	var free chan struct{}
	if r.opts.Clients > 0 {
		free = make(chan struct{}, r.opts.Clients)
	}
	var wg sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range r.sessions {
		timer.Reset(time.Until(r.began.Add(due[i])))
		select {
		case <-timer.C:
		case <-ctx.Done():
			wg.Wait()
			return
		}
		wg.Go(func() {
			var queue time.Duration
			if free != nil {
				select {
				case free <- struct{}{}:
				default:
					free <- struct{}{}
					queue = time.Since(r.began) - due[i]
				}
				defer func() { <-free }()
			}
			r.play(ctx, i, due[i], queue)
		})
	}
	wg.Wait()
}

// play sends a session's requests one after the other; the first is due at a certain time, and has
// waited so long for a client.
func (r *runner) play(ctx context.Context, i int, due, queue time.Duration) {
	s := &r.sessions[i]
	var past []Message
	for k := range s.Requests {
		if ctx.Err() != nil {
			return
		}
		out := &r.outcomes[r.offsets[i]+k]
		out.Due, out.Queue = due, queue
		q := &s.Requests[k]
		text := r.request(ctx, q, past, out, len(s.Requests) > 1)
		if out.Err != "" {
			return
		}
		past = append(q.conversation(past), Message{Role: "assistant", Content: text})
		due, queue = time.Since(r.began), 0
	}
}

// request sends one request until it is answered or its retries are used up. It gives the answer's
// text where that is asked for.
func (r *runner) request(ctx context.Context, q *Request, past []Message, out *Outcome,
	keep bool,
) string {
	r.live.running.Add(1)
	defer r.live.running.Add(-1)
	body, err := r.dialect.body(r.opts, q, past)
	if err != nil {
		out.Err = err.Error()
		return ""
	}
	if out.Start = out.Due + out.Queue; !r.open || out.Turn > 0 {
		out.Start = time.Since(r.began)
	}
	for {
		out.Chunks = make([]int64, 0, q.OutputLen+1)
		out.Input, out.Output, out.Err = q.InputLen, 0, ""
		text, err := r.send(ctx, body, out, keep || r.opts.Texts)
		if err == nil {
			if out.Output == 0 {
				out.Output = len(out.Chunks)
			}
			if r.opts.Texts {
				out.Text = text
			}
			r.live.done.Add(1)
			return text
		}
		out.Failures++
		out.Err = err.Error()
		if out.Failures > r.opts.Retry || ctx.Err() != nil {
			r.live.failed.Add(1)
			return ""
		}
		out.Start = time.Since(r.began)
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
