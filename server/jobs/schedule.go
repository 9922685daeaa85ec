package jobs

import (
	"os"
	"time"
)

// sweepEvery is how often what is out of date is removed, and lookEvery how often jobs that wait
// are looked at for their deadline.
const (
	sweepEvery = 10 * time.Minute
	lookEvery  = time.Second
)

// schedule starts jobs as others end, until the store is closed.
func (s *Store) schedule() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	swept := time.Time{}
	for {
		if now := time.Now(); now.Sub(swept) >= sweepEvery {
			swept = now
			s.sweep()
		}
		s.startJobs()
		select {
		case <-s.wake:
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) ring() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// startJobs starts what may run. Jobs that are to end start at once, as they only give out what
// they have.
func (s *Store) startJobs() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	now := s.cfg.Now()
	for _, j := range s.jobs {
		if s.mayStart(j) && (!j.State().Stop.IsZero() || !now.Before(j.Expires)) {
			s.start(j)
		}
	}
	for s.num < s.cfg.MaxActive {
		j := s.next()
		if j == nil {
			return
		}
		s.start(j)
	}
}

func (s *Store) mayStart(j *Job) bool {
	return j.running == nil && !j.State().Status.Final() && time.Now().After(j.after)
}

// next is the job whose turn it is: of the tenant that has the fewest running, the oldest.
func (s *Store) next() *Job {
	var best *Job
	for _, j := range s.jobs {
		switch {
		case !s.mayStart(j):
		case best == nil, s.active[j.Tenant] < s.active[best.Tenant],
			s.active[j.Tenant] == s.active[best.Tenant] && byAge(j, best) < 0:
			best = j
		}
	}
	return best
}

func (s *Store) start(j *Job) {
	r := newRun(s, j)
	j.running = r
	s.active[j.Tenant]++
	s.num++
	s.wg.Go(func() {
		r.run()
		s.ended(j)
	})
}

func (s *Store) ended(j *Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.running = nil
	j.after = time.Now().Add(longestWait) // counts only if it ended before its end
	s.num--
	if s.active[j.Tenant]--; s.active[j.Tenant] == 0 {
		delete(s.active, j.Tenant)
	}
	s.ring()
}

// sweep forgets jobs and files whose time is over.
func (s *Store) sweep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for id, j := range s.jobs {
		st := j.State()
		if !st.Status.Final() || j.running != nil || now.Sub(st.Ended) < s.cfg.Keep {
			continue
		}
		if err := dropFolder(s.path(jobsFolder), id); err != nil && !os.IsNotExist(err) {
			s.cfg.Work.Report(j, "an old job is still there", err)
			continue
		}
		delete(s.jobs, id)
	}
	for id, f := range s.files {
		if f.Expires.IsZero() || now.Before(f.Expires) {
			continue
		}
		if err := s.removeFile(id); err != nil {
			s.cfg.Work.Report(nil, "an old file is still there", err)
		}
	}
}
