package jobs

// Tally is how many jobs of a tenant there are, and how many of their records were done since the
// store was opened.
type Tally struct {
	States            map[Status]int
	Succeeded, Failed int64
}

// Statuses are all that a job may be in, in the order in which it comes to them.
func Statuses() []Status {
	return []Status{
		Submitted, Validating, InProgress, Stopping, Finalizing, Completed, Failed, Stopped,
		Expired, Partial,
	}
}

// Tallies counts by tenant.
func (s *Store) Tallies() map[string]Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Tally, len(s.done))
	of := func(tenant string) Tally {
		t, ok := out[tenant]
		if !ok {
			t.States = make(map[Status]int)
		}
		return t
	}
	for _, j := range s.jobs {
		t := of(j.Tenant)
		t.States[j.State().Status]++
		out[j.Tenant] = t
	}
	for tenant, n := range s.done {
		t := of(tenant)
		t.Succeeded, t.Failed = n[0], n[1]
		out[tenant] = t
	}
	return out
}

// tally counts results that are kept.
func (s *Store) tally(tenant string, list []Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.done[tenant]
	for i := range list {
		if list[i].OK {
			n[0]++
		} else {
			n[1]++
		}
	}
	s.done[tenant] = n
}
