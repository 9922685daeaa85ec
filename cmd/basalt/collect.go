package main

import (
	goruntime "runtime"
	"runtime/debug"
	"sync"
)

// leastHeap is the size below which Go's collector does not run at its usual setting.
const leastHeap = 4 << 20

// delayCollection puts the first collection of garbage off until the heap has about that many
// bytes: what a start allocates mostly stays. After it, or once resume is called, collections are
// as usual.
func delayCollection(bytes int) (resume func()) {
	usual := debug.SetGCPercent(bytes / leastHeap * 100)
	resume = sync.OnceFunc(func() { debug.SetGCPercent(usual) })
	if usual < 0 {
		resume()
		return resume
	}
	first := new([64]byte)
	goruntime.SetFinalizer(first, func(*[64]byte) { resume() })
	return resume
}
