package cpu

/*
#include "pack.h"
*/
import "C"

import (
	"fmt"

	goruntime "runtime"

	"basalt/runtime"
)

// groupBytes is how much of packed matrices make one job of the pool: threads meet at its end only,
// and the originals are let go soon after. A task has up to 2 MiB.
func groupBytes(threads int) int64 { return max(256<<20, int64(threads)*(16<<20)) }

// packGroup is the matrices of one job.
type packGroup struct {
	list    []C.packing
	parts   []string
	tensors []runtime.Tensor
	bytes   int64
	job     C.pack_job
	ticket  C.uint32_t
	pins    goruntime.Pinner
}

func (g *packGroup) add(part string, t runtime.Tensor, p C.packing) {
	g.list = append(g.list, p)
	g.parts, g.tensors = append(g.parts, part), append(g.tensors, t)
	g.bytes += int64(C.matrix_bytes(p.m))
}

// start hands the group to the pool, which reads it until the job has ended.
func (g *packGroup) start(d *Device) {
	g.pins.Pin(&g.list[0])
	for i := range g.list {
		g.pins.Pin(g.list[i].data)
	}
	g.job = C.pack_job{
		pool: d.pool, k: d.kern, list: &g.list[0], count: C.int32_t(len(g.list)),
	}
	g.pins.Pin(&g.job)
	g.ticket = C.bs_pack(&g.job)
}

// pack starts the group that waits, once the one before has ended; the originals of that one are
// let go while the threads work.
func (w *weights) pack() error {
	if err := w.ctx.Err(); err != nil {
		return fmt.Errorf("loading was cancelled: %w", err)
	}
	before := w.end()
	if len(w.waiting.list) > 0 {
		w.waiting.start(w.dev)
		w.running, w.waiting = w.waiting, new(packGroup)
	}
	if before != nil {
		for i, part := range before.parts {
			w.loaded(part, before.tensors[i])
		}
	}
	return nil
}

// end waits for the group that runs, and gives it; nil when there is none.
func (w *weights) end() *packGroup {
	g := w.running
	if g == nil {
		return nil
	}
	C.bs_pool_wait(w.dev.pool, g.ticket)
	g.pins.Unpin()
	w.running = nil
	return g
}

// finish packs what waits. After an error too, no thread reads the checkpoint any more.
func (w *weights) finish() error {
	for len(w.waiting.list) > 0 || w.running != nil {
		if err := w.pack(); err != nil {
			w.end()
			return err
		}
	}
	return nil
}
