package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pump keeps a job's records in flight. It belongs to the run's goroutine.
type pump struct {
	*run
	next    int   // the first record that was not looked at
	again   []int // records to try again
	tries   map[int]int
	flying  int
	landed  chan landing
	paused  time.Time // nothing begins before it
	misses  int       // attempts without a result since the last one with
	waiting <-chan time.Time
}

// landing is the end of an attempt.
type landing struct {
	record int
	res    Result
	err    error
}

// ErrBusy is the error of Work.Do for a record that is to come again later, and that nobody needs
// to know of.
var ErrBusy = errors.New("there is no room for the record now")

// busyWait is how long a record waits that may not begin yet.
const busyWait = 5 * time.Millisecond

// process does all records that have no result, and returns when none is in flight. What ends in
// time is kept even when the job is to end.
func (r *run) process(ctx context.Context) error {
	p := &pump{run: r, tries: map[int]int{}, landed: make(chan landing, r.s.cfg.MaxInFlight)}
	within, cancel := context.WithCancelCause(ctx)
	err := p.loop(within)
	cancel(err)
	return errors.Join(err, p.drain())
}

func (p *pump) loop(ctx context.Context) error {
	for {
		record, left := p.peek()
		if !left && p.flying == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case p.slot(left) <- struct{}{}:
			p.begin(ctx, record)
		case l := <-p.landed:
			if err := p.land(ctx, l); err != nil {
				return err
			}
		case <-p.waiting:
		}
	}
}

// peek gives the record whose turn it is.
func (p *pump) peek() (int, bool) {
	if len(p.again) > 0 {
		return p.again[0], true
	}
	for p.next < len(p.in.lines) && p.rs.done(p.next) {
		p.next++
	}
	return p.next, p.next < len(p.in.lines)
}

// slot is where a record's slot is asked for, nil while none may begin.
func (p *pump) slot(left bool) chan<- struct{} {
	p.waiting = nil
	if !left {
		return nil
	}
	if wait := time.Until(p.paused); wait > 0 {
		p.waiting = time.After(wait)
		return nil
	}
	return p.s.slots
}

// begin starts a record, whose slot is taken, if there is room for it.
func (p *pump) begin(ctx context.Context, record int) {
	end, ok := p.s.cfg.Work.Begin(p.j)
	if !ok {
		<-p.s.slots
		p.paused = time.Now().Add(busyWait)
		return
	}
	if len(p.again) > 0 {
		p.again = p.again[1:]
	} else {
		p.next++
	}
	p.flying++
	p.tries[record]++
	attempt := p.tries[record]
	go func() {
		l := landing{record: record}
		l.err = p.guard(func() error {
			line, err := p.in.read(record)
			if err != nil {
				return err
			}
			l.res, err = p.s.cfg.Work.Do(ctx, p.j, record, attempt, line)
			return err
		})
		l.res.Record, l.res.Body = record, oneLine(l.res.Body)
		end()
		<-p.s.slots
		p.landed <- l
	}()
}

// land keeps a result, and all others that are there, in one write.
func (p *pump) land(ctx context.Context, l landing) error {
	var list []Result
	for more := true; more; {
		p.flying--
		if err := p.sort(l, &list); err != nil {
			return errors.Join(err, p.keep(ctx, list))
		}
		select {
		case l = <-p.landed:
		default:
			more = false
		}
	}
	return p.keep(ctx, list)
}

// sort tells results from attempts that come again.
func (p *pump) sort(l landing, list *[]Result) error {
	var failed *Failure
	switch {
	case l.err == nil:
		delete(p.tries, l.record)
		p.misses = 0
		*list = append(*list, l.res)
		return nil
	case errors.As(l.err, &failed):
		return l.err
	}
	if !errors.Is(l.err, ErrBusy) {
		p.report("a record has to be done again", l.err)
	}
	const most = 5 * time.Second
	p.again = append(p.again, l.record)
	p.paused = time.Now().Add(min(most, 20*time.Millisecond<<min(p.misses, 8)))
	p.misses++
	return nil
}

// keep makes results durable. While that cannot be, as on a full disk, nothing else happens.
func (p *pump) keep(ctx context.Context, list []Result) error {
	if len(list) == 0 {
		return nil
	}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, longestWait) {
		err := p.rs.append(list)
		if err == nil {
			p.s.tally(p.j.Tenant, list)
			p.j.count(p.rs.counts)
			return nil
		}
		p.report("results cannot be kept", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d results were lost and will be made again: %w", len(list),
				context.Cause(ctx))
		case <-time.After(wait):
		}
	}
}

// drain waits for what is in flight and keeps what ended well.
func (p *pump) drain() error {
	var list []Result
	for ; p.flying > 0; p.flying-- {
		if l := <-p.landed; l.err == nil {
			list = append(list, l.res)
		}
	}
	if len(list) == 0 {
		return nil
	}
	if err := p.rs.append(list); err != nil {
		p.report("results cannot be kept", err)
		return nil
	}
	p.s.tally(p.j.Tenant, list)
	p.j.count(p.rs.counts)
	return nil
}
