package neuron

import (
	"errors"
	"sync"
	"time"

	"basalt/neuron/lower"
	"basalt/neuron/nrt"
)

// usage counts what runs did. The goroutine of an executable writes it, scrapes read it.
type usage struct {
	mu       sync.Mutex
	kinds    [2]runs // prefill, decode
	mixed    int64   // steps with both
	failures map[nrt.Status]int64
	others   int64 // failures without a status of the library
	lost     error // what ended the device
}

// runs are the runs of one kind of bucket.
type runs struct {
	count, tokens, padding int64
	time                   time.Duration
}

// step counts a step that mixes kinds; prompts' runs come first.
func (u *usage) step(list []run) {
	if n := len(list); n == 0 || !list[0].isPrefill() || list[n-1].isPrefill() {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mixed++
}

// ran counts a run of some tokens in a bucket.
func (u *usage) ran(b lower.Bucket, tokens int, d time.Duration, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &u.kinds[0]
	if b.Kind == lower.Decode {
		r = &u.kinds[1]
	}
	r.count++
	r.tokens += int64(tokens)
	r.padding += int64(b.Tokens - tokens)
	r.time += d
	var status *nrt.Error
	switch {
	case err == nil:
	case !errors.As(err, &status):
		u.others++
	default:
		if u.failures == nil {
			u.failures = make(map[nrt.Status]int64)
		}
		u.failures[status.Status]++
		if u.lost == nil && status.Broken() {
			u.lost = err
		}
	}
}

// why is what ended the device, nil while it lives.
func (u *usage) why() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.lost
}
