//go:build cuda

package cuda

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"basalt/cuda/driver"
	"basalt/runtime"
)

// dims are the counts that a list of launches is made for: of the step, or of its graph's bucket.
type dims struct {
	tokens, samples, tiles int
	splits                 int  // of attention; 1 where a block walks them all
	wide                   bool // tiles are those of prefill's attention
}

// launch is one kernel of the list. set gives its grid, and what else depends on the counts; it
// says whether the kernel runs at all.
type launch struct {
	k    *kernel
	args []uint64
	set  func(d *dims, l *driver.Launch) bool

	library *libraryProduct // in place of a kernel
}

// compiler turns one program into launches.
type compiler struct {
	ctx   context.Context
	dev   *Device
	x     *executable
	nodes []node
	prog  *runtime.Program // after fusion
	opt   runtime.CompileOptions
	w     *weights
	regs  []driver.Ptr // by Reg
	rope  []driver.Ptr // angles, by kind
	ropes []runtime.RoPEAttr

	tiledNow tiledInput
}

// Compile implements runtime.Device. The checkpoint is not needed afterwards. Where KVBytes is 0,
// the cache gets what the weights leave of the GPU's memory.
func (d *Device) Compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (runtime.Executable, error) {
	x, err := d.compile(ctx, p, c, o)
	if err != nil {
		return nil, fmt.Errorf("cannot compile %q for %s: %w", p.Name, d.gpu.Name, d.fail(err))
	}
	return x, nil
}

func (d *Device) compile(ctx context.Context, p *runtime.Program, c runtime.Checkpoint,
	o runtime.CompileOptions,
) (*executable, error) {
	if d.lost != nil {
		return nil, d.lost
	}
	if err := errors.Join(runtime.CheckWeights(p, c), checkOptions(p, o)); err != nil {
		return nil, err
	}
	if err := d.gpu.Enter(); err != nil {
		return nil, err
	}
	defer d.gpu.Leave()
	x := &executable{dev: d, opt: o, vocab: p.Vocab, graphs: make(map[dims]*driver.Graph)}
	k := &compiler{ctx: ctx, dev: d, x: x, opt: o}
	if err := k.run(p, c); err != nil {
		x.release()
		return nil, err
	}
	return x, nil
}

func checkOptions(p *runtime.Program, o runtime.CompileOptions) error {
	switch {
	case o.KVDType != runtime.F32 && o.KVDType != runtime.BF16:
		return fmt.Errorf("the cache cannot be %s: choose F32 or BF16", o.KVDType)
	case o.Quantize != 0:
		return fmt.Errorf("the CUDA device cannot quantise to %s while it loads: write a "+
			"quantised file by `basalt quantize` and load that", o.Quantize)
	case o.BlockSize < 2 || o.BlockSize > 256 || o.BlockSize&(o.BlockSize-1) != 0:
		return fmt.Errorf("the block size is %d; it must be a power of two from 2 to 256",
			o.BlockSize)
	case o.MaxTokens < 1 || o.MaxTokens > 1<<16 || o.MaxSeqs < 1 || o.MaxSeqs > 1<<12:
		return fmt.Errorf("%d tokens and %d sequences a step; at most %d and %d", o.MaxTokens,
			o.MaxSeqs, 1<<16, 1<<12)
	case o.MaxContext < 1 || o.MaxContext > 1<<24:
		return fmt.Errorf("the greatest context is %d; it must be 1 to %d", o.MaxContext, 1<<24)
	case p.KV.Dim > 256 || p.KV.Dim%2 != 0:
		return fmt.Errorf("heads of %d numbers; even sizes up to 256 are supported", p.KV.Dim)
	}
	return nil
}

func (k *compiler) run(p *runtime.Program, c runtime.Checkpoint) error {
	var err error
	if k.nodes, k.prog, err = fuse(p); err != nil {
		return err
	}
	x := k.x
	if x.stream, err = k.dev.gpu.NewStream(); err != nil {
		return err
	}
	if x.done, err = k.dev.gpu.NewEvent(); err != nil {
		return err
	}
	k.w = newWeights(k, p, c)
	if err := k.tryLibrary(); err != nil {
		return err
	}
	if err := k.sizeCache(p); err != nil {
		return err
	}
	if err := k.w.open(); err != nil {
		return err
	}
	defer k.w.close()
	if err := k.layout(); err != nil {
		return err
	}
	return k.build()
}

// build makes the list of launches.
func (k *compiler) build() error {
	k.count()
	for i := range k.nodes {
		if err := k.ctx.Err(); err != nil {
			return fmt.Errorf("loading was cancelled: %w", err)
		}
		if err := k.node(&k.nodes[i]); err != nil {
			return fmt.Errorf("operation %d (%s): %w", i, k.nodes[i].op.Kind, err)
		}
	}
	k.sample()
	k.x.launches = make([]driver.Launch, len(k.x.list))
	return k.w.finish()
}

// cell is anything that travels as an argument.
func cell(v any) (value uint64, pointer bool) {
	switch v := v.(type) {
	case driver.Ptr:
		return uint64(v), true
	case int:
		if int(int32(v)) != v {
			panic(fmt.Sprintf("BUG: argument %d does not fit 32 bits", v))
		}
		return uint64(uint32(int32(v))), false
	case float32:
		return uint64(math.Float32bits(v)), false
	case bool:
		if v {
			return 1, false
		}
		return 0, false
	}
	panic(fmt.Sprintf("BUG: an argument is a %T", v))
}

// cells checks arguments against the kernel's declaration.
func (k *kernel) cells(args []any) []uint64 {
	if len(args) != len(k.params) || len(args) > driver.MaxArgs {
		panic(fmt.Sprintf("BUG: kernel %s takes %d arguments, %d are given", k.name,
			len(k.params), len(args)))
	}
	cells := make([]uint64, len(args))
	for i, a := range args {
		value, pointer := cell(a)
		if pointer != k.params[i] {
			panic(fmt.Sprintf("BUG: kernel %s, argument %d is a %T", k.name, i, a))
		}
		cells[i] = value
	}
	return cells
}

// put appends a launch.
func (k *compiler) put(set func(d *dims, l *driver.Launch) bool, name string, args ...any) {
	fn := k.dev.kernel(name)
	k.x.list = append(k.x.list, launch{k: fn, args: fn.cells(args), set: set})
}

// fill makes the launch of a list's entry; false when it does not run.
func (l *launch) fill(d *dims, to *driver.Launch) bool {
	to.Fn, to.Threads, to.Shared = l.k.fn, uint32(l.k.threads), uint32(l.k.shared)
	to.NumArgs = uint32(len(l.args))
	to.Grid = [3]uint32{1, 1, 1}
	copy(to.Args[:], l.args)
	return l.set == nil || l.set(d, to)
}

func (k *compiler) width(r runtime.Reg) int { return k.prog.Values[r].Width }

func (k *compiler) sampled(r runtime.Reg) bool {
	return k.prog.Values[r].Rows == runtime.SampleRows
}

// rows gives how many rows a register has under d.
func (d *dims) rows(sampled bool) int {
	if sampled {
		return d.samples
	}
	return d.tokens
}

// perRow launches one block for each row.
func perRow(sampled bool) func(d *dims, l *driver.Launch) bool {
	return func(d *dims, l *driver.Launch) bool {
		l.Grid[0] = uint32(d.rows(sampled))
		return l.Grid[0] > 0
	}
}

// sameRope finds a kind of rotary embedding among those that have angles.
func (k *compiler) sameRope(a *runtime.RoPEAttr) int {
	return slices.IndexFunc(k.ropes, func(b runtime.RoPEAttr) bool {
		same := a.NTK == b.NTK || a.NTK != nil && b.NTK != nil && *a.NTK == *b.NTK
		return same && a.Scale == b.Scale && slices.Equal(a.InvFreq, b.InvFreq)
	})
}
