//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"time"
	"unsafe"

	goruntime "runtime"

	"basalt/cuda/driver"
	"basalt/runtime"
)

// maxBucket is the greatest number of decode rows that a graph serves.
const maxBucket = 256

// executable implements runtime.Executable and runtime.Pending.
type executable struct {
	dev                                  *Device
	opt                                  runtime.CompileOptions
	vocab, blocks, maxBlocks, maxSamples int
	perTile, units, partBytes, inBytes   int
	wideTile                             int // tokens of a tile of prefill's attention
	in, out, queries, parts, tiled       driver.Ptr
	narrow, workspace                    driver.Ptr // of a library's products
	plans                                []*libraryProduct
	eager                                bool // the step's kernels are launched one by one
	scratch, counts, logits              driver.Ptr
	cache                                []cacheLayer
	moe                                  moeScratch
	moeSized                             bool
	held                                 []driver.Ptr
	stream                               *driver.Stream
	done                                 *driver.Event
	host, results, rows                  *driver.Pinned // batch, output, logits
	list                                 []launch
	launches                             []driver.Launch
	graphs                               map[dims]*driver.Graph
	tiles                                []tile
	topStart                             []int32
	output                               runtime.Output
	prev                                 int // sample rows of the step before
	busy                                 bool
}

// NumBlocks implements runtime.Executable.
func (x *executable) NumBlocks() int { return x.blocks }

// openHost takes the pinned memory of a step; err is that of what went before.
func (x *executable) openHost(err error) error {
	if err != nil {
		return err
	}
	if x.host, err = x.dev.gpu.AllocPinned(x.inBytes); err != nil {
		return err
	}
	x.tiles = make([]tile, 0, x.opt.MaxTokens)
	x.topStart = make([]int32, 0, x.maxSamples+1)
	x.results, err = x.dev.gpu.AllocPinned(4 * x.maxSamples * (2 + 2*runtime.MaxLogprobs))
	return err
}

// Close implements runtime.Executable. A step in flight is waited for.
func (x *executable) Close() error {
	if x.busy {
		_, _ = x.Wait()
	}
	if err := x.dev.gpu.Enter(); err != nil {
		return err
	}
	defer x.dev.gpu.Leave()
	x.release()
	return nil
}

// release gives everything back; a lost GPU takes nothing.
func (x *executable) release() {
	if x.dev.lost == nil {
		x.dropGraphs()
		for _, l := range x.plans {
			l.close()
		}
		for _, p := range x.held {
			_ = x.dev.gpu.Free(p)
		}
		if x.done != nil {
			_ = x.done.Close()
		}
		if x.stream != nil {
			_ = x.stream.Close()
		}
		x.host.Free()
		x.results.Free()
		x.rows.Free()
	}
	x.held, x.done, x.stream, x.host, x.results, x.rows = nil, nil, nil, nil, nil, nil
}

func (x *executable) dropGraphs() {
	for d, g := range x.graphs {
		g.Close()
		delete(x.graphs, d)
	}
}

// Step implements runtime.Executable.
func (x *executable) Step(b *runtime.Batch) (runtime.Pending, error) {
	if x.busy {
		return nil, runtime.ErrStepInFlight
	}
	if err := x.dev.usable(); err != nil {
		return nil, err
	}
	if err := x.check(b); err != nil {
		return nil, fmt.Errorf("BUG: inconsistent batch: %w", err)
	}
	if err := x.dev.gpu.Enter(); err != nil {
		return nil, x.dev.fail(err)
	}
	defer x.dev.gpu.Leave()
	if err := x.post(b); err != nil {
		return nil, fmt.Errorf("cannot run a step: %w", x.dev.fail(err))
	}
	x.busy = true
	return x, nil
}

func (x *executable) check(b *runtime.Batch) error {
	err := b.Check(runtime.Limits{
		NumBlocks: x.blocks, BlockSize: x.opt.BlockSize, Vocab: x.vocab,
		MaxTokens: x.opt.MaxTokens, MaxSeqs: x.opt.MaxSeqs, MaxSlots: x.opt.MaxSeqs,
		PrevRows: x.prev,
	})
	if err != nil {
		return err
	}
	for s, n := range b.SeqLens {
		if int(n) > x.opt.MaxContext {
			return fmt.Errorf("sequence %d has %d tokens; the context has %d", s, n,
				x.opt.MaxContext)
		}
	}
	if n := len(b.SampleRows); n > x.maxSamples {
		return fmt.Errorf("%d sample rows; at most %d", n, x.maxSamples)
	}
	return nil
}

// post enqueues the copy of the batch, the kernels and the copies back.
func (x *executable) post(b *runtime.Batch) error {
	x.cutTiles(b)
	x.countTop(b)
	n := x.pack(b)
	if n > x.inBytes {
		if err := x.grow(2 * n); err != nil {
			return err
		}
		x.pack(b)
	}
	if err := x.stream.Upload(x.in, x.host, 0, n); err != nil {
		return err
	}
	d, decode := x.shape(b)
	if err := x.run(&d, decode); err != nil {
		return err
	}
	if err := x.fetch(b); err != nil {
		return err
	}
	return x.done.Record(x.stream)
}

// countTop lays out the alternatives that rows ask for.
func (x *executable) countTop(b *runtime.Batch) {
	top := int32(0)
	x.topStart = append(x.topStart[:0], 0)
	for i := range b.Sampling {
		top += max(0, min(b.Sampling[i].Logprobs, int32(x.vocab)))
		x.topStart = append(x.topStart, top)
	}
}

// grow makes room for a longer batch: graphs hold the old address and are dropped.
func (x *executable) grow(n int) error {
	host, err := x.dev.gpu.AllocPinned(n)
	if err != nil {
		return err
	}
	in, err := x.alloc(int64(n))
	if err != nil {
		host.Free()
		return err
	}
	for i := range x.list {
		for j, a := range x.list[i].args {
			if a == uint64(x.in) {
				x.list[i].args[j] = uint64(in)
			}
		}
	}
	x.dropGraphs()
	x.host.Free()
	x.host, x.in, x.inBytes = host, in, n
	return nil
}

// run enqueues the kernels: by the bucket's graph for decode rows, else one by one.
func (x *executable) run(d *dims, decode bool) error {
	if g := x.graphs[*d]; decode && g != nil {
		return x.stream.Replay(g)
	}
	x.eager = !decode
	n := 0
	for i := range x.list {
		if l := x.list[i].library; l != nil {
			if !l.wanted(d) {
				continue
			}
			if err := errors.Join(x.launchNow(n), l.run(d)); err != nil {
				return err
			}
			n = 0
			continue
		}
		if x.list[i].fill(d, &x.launches[n]) {
			n++
		}
	}
	if !decode {
		return x.launchNow(n)
	}
	g, err := x.stream.Capture(x.launches[:n])
	if err != nil {
		return x.named(err, n)
	}
	x.graphs[*d] = g
	return x.stream.Replay(g)
}

// launchNow enqueues the first n launches.
func (x *executable) launchNow(n int) error {
	if n == 0 {
		return nil
	}
	return x.named(x.stream.Launch(x.launches[:n]), n)
}

// named says which kernel of the launches failed.
func (x *executable) named(err error, n int) error {
	var at *driver.LaunchError
	if !errors.As(err, &at) || at.Index >= n {
		return err
	}
	for i := range x.list {
		if x.list[i].k != nil && x.list[i].k.fn == x.launches[at.Index].Fn {
			return fmt.Errorf("kernel %s: %w", x.list[i].k.name, err)
		}
	}
	return err
}

// view takes n numbers of pinned memory from an offset.
func view[T int32 | float32](p *driver.Pinned, at, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&p.Bytes[at])), n)
}

// fetch enqueues the copies back and lays the output over them; Wait makes it valid.
func (x *executable) fetch(b *runtime.Batch) error {
	n, max4 := len(b.SampleRows), 4*x.maxSamples
	top := int(x.topStart[n])
	x.output = runtime.Output{
		IDs: view[int32](x.results, 0, n), Logprobs: view[float32](x.results, max4, n),
		TopIDs:      view[int32](x.results, 2*max4, top),
		TopLogprobs: view[float32](x.results, 2*max4+max4*runtime.MaxLogprobs, top),
		TopStart:    x.topStart[:n+1],
	}
	x.prev = n
	if n == 0 {
		return nil
	}
	if err := x.stream.Download(x.results, 0, x.out, max4+4*n); err != nil {
		return err
	}
	if top > 0 {
		at := 2 * max4
		for range 2 {
			if err := x.stream.Download(x.results, at, x.out+driver.Ptr(at), 4*top); err != nil {
				return err
			}
			at += max4 * runtime.MaxLogprobs
		}
	}
	if !b.WantLogits {
		return nil
	}
	return x.fetchLogits(n)
}

func (x *executable) fetchLogits(n int) error {
	if x.rows == nil {
		var err error
		if x.rows, err = x.dev.gpu.AllocPinned(4 * x.maxSamples * x.vocab); err != nil {
			return err
		}
	}
	x.output.Logits = view[float32](x.rows, 0, n*x.vocab)
	return x.stream.Download(x.rows, 0, x.logits, 4*n*x.vocab)
}

// Wait implements runtime.Pending. It spins for a moment, then sleeps between looks; a step that
// never ends counts the GPU as lost.
func (x *executable) Wait() (*runtime.Output, error) {
	if !x.busy {
		return nil, errors.New("BUG: no step is in flight")
	}
	x.busy = false
	if err := x.dev.gpu.Enter(); err != nil {
		return nil, x.dev.fail(err)
	}
	defer x.dev.gpu.Leave()
	start := time.Now()
	for {
		done, err := x.done.Done()
		if err != nil {
			return nil, fmt.Errorf("a step failed: %w", x.dev.fail(err))
		}
		if done {
			return &x.output, nil
		}
		switch passed := time.Since(start); {
		case x.dev.monitor.dead() != nil:
			return nil, x.dev.usable()
		case passed > x.dev.cfg.StepTimeout:
			x.dev.lost = &lostError{fmt.Errorf("the GPU is lost: a step has not ended after %s: "+
				"restart this process; if it happens again, look for Xid in dmesg",
				x.dev.cfg.StepTimeout)}
			return nil, x.dev.lost
		case passed > 2*time.Millisecond:
			time.Sleep(50 * time.Microsecond)
		default:
			goruntime.Gosched()
		}
	}
}
