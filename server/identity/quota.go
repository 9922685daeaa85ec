package identity

import (
	"cmp"
	"math"
	"sync"
	"time"

	"basalt/server/api"
)

// Meter counts what principals use, by name. It outlives readings of the policy. Its methods may be
// called from any goroutine.
type Meter struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*account
}

// NewMeter makes a Meter that takes its time from now; nil stands for time.Now.
func NewMeter(now func() time.Time) *Meter {
	if now == nil {
		now = time.Now
	}
	return &Meter{now: now, by: make(map[string]*account)}
}

// account is one principal's.
type account struct {
	mu               sync.Mutex
	requests, tokens bucket
	running          int
}

// bucket fills at so much a minute, up to a minute's worth. It may be owed.
type bucket struct {
	level float64
	limit int // of the last look; 0: not looked at yet
	at    time.Time
}

// fill brings the bucket up to now. A new limit keeps the share that was left.
func (b *bucket) fill(limit int, now time.Time) {
	full := float64(limit)
	switch {
	case b.limit == 0:
		b.level = full
	case b.limit != limit:
		b.level *= full / float64(b.limit)
	}
	if gone := now.Sub(b.at); b.limit != 0 && gone > 0 {
		b.level = min(full, b.level+full*gone.Minutes())
	}
	b.limit, b.at = limit, now
}

// wait is how long it takes until the bucket has n.
func (b *bucket) wait(n float64) time.Duration {
	missing := n - b.level
	if missing <= 0 {
		return 0
	}
	seconds := math.Ceil(missing / float64(b.limit) * 60)
	return time.Duration(max(seconds, 1)) * time.Second
}

func (m *Meter) of(name string) *account {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.by[name]
	if a == nil {
		a = &account{}
		m.by[name] = a
	}
	return a
}

// Lease is one request's share of its principal's limits, from Begin to End. The zero value is no
// share of anything.
type Lease struct {
	account  *account
	who      *Principal
	now      func() time.Time
	reserved int
	ended    bool
}

// Begin counts a request in, or says which limit it would exceed.
func (m *Meter) Begin(who *Principal) (*Lease, *api.Error) {
	a := m.of(cmp.Or(who.Account, who.Name))
	a.mu.Lock()
	defer a.mu.Unlock()
	g := who.Grant
	if g.ConcurrentRequests > 0 && a.running >= g.ConcurrentRequests {
		return nil, throttled(time.Second, "%s has %d requests running; at most %d may at once",
			who.Name, a.running, g.ConcurrentRequests)
	}
	if g.RequestsPerMinute > 0 {
		a.requests.fill(g.RequestsPerMinute, m.now())
		if wait := a.requests.wait(1); wait > 0 {
			return nil, throttled(wait, "%s may send %d requests a minute", who.Name,
				g.RequestsPerMinute)
		}
		a.requests.level--
	}
	a.running++
	return &Lease{account: a, who: who, now: m.now}, nil
}

// Reserve takes the most tokens that a request can use, of prompt and answers together. What is
// left of them comes back at the end. A request that may use more than a minute has waits for a
// whole minute's worth and owes the rest.
func (l *Lease) Reserve(tokens int) *api.Error {
	limit := l.who.Grant.TokensPerMinute
	if limit == 0 {
		return nil
	}
	l.account.mu.Lock()
	defer l.account.mu.Unlock()
	b := &l.account.tokens
	b.fill(limit, l.now())
	if wait := b.wait(float64(min(tokens, limit))); wait > 0 {
		return throttled(wait, "%s may use %d tokens a minute; this request may need %d, with "+
			"its prompt and the greatest number of tokens to generate", l.who.Name, limit, tokens)
	}
	b.level -= float64(tokens)
	l.reserved = tokens
	return nil
}

// End counts a request out that used so many tokens. It may be called more than once; the first
// call counts.
func (l *Lease) End(used int) {
	if l.account == nil {
		return
	}
	l.account.mu.Lock()
	defer l.account.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	l.account.running--
	if l.reserved > 0 {
		l.account.tokens.level += float64(l.reserved - used)
	}
}

func throttled(wait time.Duration, format string, args ...any) *api.Error {
	err := api.Errorf(api.Throttled, format, args...)
	err.Retry = wait
	return err
}
