package batcher

import (
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestRing holds the ring against a slice.
func TestRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r ring
		var want []int32
		next := int32(0)
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				r.push(Event{Token: next, Err: errPlanted})
				want = append(want, next)
				next++
			},
			"pop": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("it is empty")
				}
				if e := r.pop(); e.Token != want[0] {
					t.Fatalf("got %d, want %d", e.Token, want[0])
				}
				want = want[1:]
			},
			"": func(t *rapid.T) {
				held := 0
				for _, e := range r.events {
					if e.Err != nil {
						held++
					}
				}
				if held != len(want) || r.n != held || len(r.events) > max(minRing, 2*int(next)) {
					t.Fatalf("%d of %d events in %d places", r.n, len(want), len(r.events))
				}
			},
		})
	})
}

// TestRingStaysSmall: a reader that keeps up costs no more than the first places.
func TestRingStaysSmall(t *testing.T) {
	var r ring
	for i := range 1000 {
		r.push(Event{Token: int32(i)})
		r.push(Event{Token: int32(i)})
		r.pop()
		r.pop()
	}
	if len(r.events) != minRing {
		t.Errorf("%d places", len(r.events))
	}
}

// TestStreamIsInOrder: one writer and one reader that waits; no event is lost or late.
func TestStreamIsInOrder(t *testing.T) {
	s := newStream(nil, request(1, 1))
	const n = 20000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range int32(n) {
			s.push(Event{Token: i})
		}
		s.push(Event{Token: n, Finish: FinishLength})
	})
	for want := range int32(n + 1) {
		if e, err := s.Next(t.Context()); err != nil || e.Token != want {
			t.Fatalf("got %+v and %v, want %d", e, err, want)
		}
	}
	if e, ok := s.TryNext(); ok {
		t.Errorf("after the last event: %+v", e)
	}
	wg.Wait()
}
