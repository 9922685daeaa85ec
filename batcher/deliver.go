package batcher

// admit takes over what others left: arrivals, then aborts, which may be of the same requests.
func (l *Loop) admit() {
	l.arrivals, l.aborts = l.in.drain(l.arrivals, l.aborts)
	for _, s := range l.arrivals {
		l.enlist(s)
	}
	for _, s := range l.arrivals {
		l.add(s)
	}
	for _, s := range l.aborts {
		if s.seq != nil {
			l.deliver(l.sched.Abort(s.seq))
		}
	}
	clear(l.arrivals)
	clear(l.aborts)
}

// add puts a stream's request in the scheduler's queue. Submit has found it admissible.
func (l *Loop) add(s *Stream) {
	q, err := l.sched.Add(s.req)
	if err != nil {
		panic("BUG: an inadmissible request was queued: " + err.Error())
	}
	q.stream, s.seq = s, q
	l.stats.promptTokens.Add(int64(len(s.req.Prompt)))
}

// greet tells requests that their first step has been filled.
func (l *Loop) greet() {
	for _, q := range l.sched.started {
		if q.req.Started != nil {
			q.req.Started()
		}
	}
	clear(l.sched.started)
	l.sched.started = l.sched.started[:0]
}

// deliver puts events into their streams, counted: who asks for Stats after its last event finds it
// there, and itself no more among those that run.
func (l *Loop) deliver(updates []Update) {
	generated := 0
	for i := range updates {
		u := &updates[i]
		if u.Event.Token >= 0 {
			generated++
		}
		if u.Event.Finish != FinishNone {
			l.delist(u.Seq.stream)
			l.stats.finished.Add(1)
		}
	}
	l.stats.generated.Add(int64(generated))
	l.publish()
	for i := range updates {
		updates[i].Seq.stream.push(updates[i].Event)
	}
}

// enlist remembers a stream until delist, so that it gets a last event whatever happens.
func (l *Loop) enlist(s *Stream) {
	s.at = len(l.live)
	l.live = append(l.live, s)
}

func (l *Loop) delist(s *Stream) {
	last := len(l.live) - 1
	moved := l.live[last]
	l.live[s.at], moved.at = moved, s.at
	l.live[last] = nil
	l.live = l.live[:last]
}

// publish makes the queue's length and the figures of Stats visible.
func (l *Loop) publish() {
	l.in.publish(len(l.sched.waiting))
	l.stats.running.Store(int64(len(l.sched.running)))
	l.stats.waiting.Store(int64(len(l.sched.waiting)))
	l.stats.blocksUsed.Store(int64(l.sched.pool.size() - l.sched.pool.numFree()))
	l.stats.preemptions.Store(int64(l.sched.preempts))
}
