package main

import (
	goruntime "runtime"
	"runtime/debug"
	"testing"
	"time"
)

func gcPercent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}

func TestDelayCollection(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(50))
	resume := delayCollection(64 << 20)
	if p := gcPercent(); p != 1600 {
		t.Errorf("%d %% during the start", p)
	}
	resume()
	if p := gcPercent(); p != 50 {
		t.Errorf("%d %% after it", p)
	}
	delayCollection(64 << 20)
	goruntime.GC() // finalizers run some time after it
	for began := time.Now(); gcPercent() != 50; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("%d %% after a collection", gcPercent())
		}
	}
	debug.SetGCPercent(-1)
	delayCollection(64 << 20)
	if p := gcPercent(); p != -1 {
		t.Errorf("%d %% where collections were off", p)
	}
}
