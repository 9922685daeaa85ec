//go:build cuda

package cuda

import (
	"fmt"
	"os"
	"strings"

	"basalt/cuda/driver"
	"basalt/runtime"
)

// archKernels are the kernels of one architecture: those that may stand in for portable ones.
type archKernels struct {
	name      string // sm90a, sm100f, sm120f; "" where the GPU's has none
	linear    bool
	attention bool
	fp4       bool
}

// archOf names the kernels that belong to a compute capability (10*major + minor).
func archOf(capability int) string {
	switch capability {
	case 90:
		return "sm90a"
	case 100, 103:
		return "sm100f"
	case 120, 121:
		return "sm120f"
	}
	return ""
}

const (
	tileRows = 128 // of x in a tile; TILE_ROWS in kernels/linear/tiles.h
	wideRows = 128 // of a tile of prefill attention; PREFILL_ROWS in kernels/attention/prefill.h
	splitRow = 2 * splitPositions
)

// sharedOf is what a kernel takes of dynamic shared memory, in bytes.
func sharedOf(name string) int {
	const tile = tileRows * 64 * 2
	if strings.HasPrefix(name, "bs_linear_") && !strings.Contains(name, "nvfp4") {
		switch {
		case strings.HasSuffix(name, "_128"), strings.HasSuffix(name, "_sm90a"):
			return 4 * tile
		case strings.HasSuffix(name, "_sm100f"):
			return 3 * 2 * tile
		}
	}
	switch name {
	case "bs_attention_64_tile":
		return 64 * 3 * splitPositions
	case "bs_attention_128_tile":
		return 128 * 3 * splitPositions
	case "bs_attention_64_sm90a":
		return 64 * 2 * splitRow
	case "bs_attention_128_sm90a":
		return 128 * 2 * splitRow
	case "bs_attention_64_sm100f":
		return wideRows*splitRow + 64*(2*splitRow+2*wideRows)
	case "bs_attention_128_sm100f":
		return wideRows*splitRow + 128*(2*splitRow+2*wideRows)
	}
	return 0
}

// disable says why kernels of this architecture are not used.
func (d *Device) disable(what string, why error) {
	d.disabled = append(d.disabled, fmt.Sprintf("%s of %s: %v", what, d.arch.name, why))
	fmt.Fprintf(os.Stderr, "basalt: warning: %s of %s are off: %v\n", what, d.arch.name, why)
}

// Disabled lists the kernels of the GPU's architecture that failed their check at load, and why.
// Portable kernels do their work.
func (d *Device) Disabled() []string { return d.disabled }

// prefillKernel names the attention for prefill with heads of a size: the architecture's where it
// has passed its check, else the portable one.
func (d *Device) prefillKernel(dim int) string {
	if d.arch.attention {
		return fmt.Sprintf("bs_attention_%d_%s", dim, d.arch.name)
	}
	return fmt.Sprintf("bs_attention_%d_tile", dim)
}

// wideTokens is how many tokens a tile of prefill's attention takes; 0 where there is no such
// kernel for this program.
func (k *compiler) wideTokens(h runtime.Heads) int {
	if k.opt.KVDType != runtime.BF16 || k.opt.BlockSize%8 != 0 ||
		h.Dim != 64 && h.Dim != 128 {
		return 0
	}
	return wideRows / perToken(h, k.opt.KVDType)
}

// tiledBytes is the room for rows of x in tiles, over all products of the program.
func (k *compiler) tiledBytes() int {
	widest := 0
	for i := range k.nodes {
		op := &k.nodes[i].op
		switch op.Kind {
		case runtime.OpLinear, runtime.OpLogits, runtime.OpMoE:
			widest = max(widest, (k.width(op.In[0])+63)/64*64)
		}
	}
	return (k.opt.MaxTokens + tileRows - 1) / tileRows * tileRows * widest * 2
}

// tiledInput is what x.tiled holds when the products of an operation run.
type tiledInput struct {
	x    driver.Ptr
	half bool
}

// tileKernel names the kernel for many rows of a kind of weights: the architecture's where it has
// passed its check, else the portable one.
func (d *Device) tileKernel(kind string) string {
	if d.arch.linear {
		return fmt.Sprintf("bs_linear_%s_%s", kind, d.arch.name)
	}
	return fmt.Sprintf("bs_linear_%s_128", kind)
}

// tileProduct appends the variant of a product for more rows than above; false where the kind of
// weights has none.
func (k *compiler) tileProduct(p *product, above int) bool {
	if p.w.kind == "f32" || p.tiles != 0 {
		return false
	}
	x, groups := k.x, (p.w.k+63)/64
	if input := (tiledInput{p.x, p.w.kind == "f16"}); k.tiledNow != input {
		k.tiledNow = input
		k.put(func(d *dims, l *driver.Launch) bool {
			l.Grid = [3]uint32{uint32(groups), blocks(p.numRows(d), tileRows), 1}
			return p.numRows(d) > above
		}, "bs_tile_rows", x.tiled, p.x, x.in, p.m, p.w.k, input.half)
	}
	k.put(func(d *dims, l *driver.Launch) bool {
		l.Grid = [3]uint32{blocks(p.w.n, 128), blocks(p.numRows(d), tileRows), 1}
		return p.numRows(d) > above
	}, k.dev.tileKernel(p.w.kind), p.y+driver.Ptr(4*p.at), x.tiled, p.w.data, p.w.scales, p.bias,
		x.in, p.m, p.w.n, p.w.k, p.stride, p.w.shift)
	return true
}
