//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"basalt/cuda/fake"
	"basalt/runtime"
)

func capable(capability int) fake.State {
	s := fake.Healthy()
	s.Capability = capability
	return s
}

// TestArchKernelsAreChecked opens each architecture: its kernels are taken where they give the
// portable ones' bits.
func TestArchKernelsAreChecked(t *testing.T) {
	if os.Getenv(realGPU) != "" {
		d, _ := openFake(t, fake.Healthy(), Config{})
		start := time.Now()
		if err := errors.Join(d.gpu.Enter(), d.checkArch()); err != nil {
			t.Error(err)
		}
		d.gpu.Leave()
		passed := time.Since(start)
		t.Logf("%s: %+v in %s, disabled %q", d.gpu.Name, d.arch, passed, d.Disabled())
		if passed > 2*time.Second || len(d.Disabled()) > 0 {
			t.Error("the check is too slow, or kernels failed it")
		}
		return
	}
	f := func(capability int, want archKernels) {
		t.Run(fmt.Sprint(capability), func(t *testing.T) {
			d, _ := openFake(t, capable(capability), Config{})
			if d.arch != want || len(d.Disabled()) != 0 {
				t.Errorf("%+v, disabled %q", d.arch, d.Disabled())
			}
		})
	}
	f(80, archKernels{})
	f(90, archKernels{name: "sm90a", linear: true, attention: true})
	f(103, archKernels{name: "sm100f", linear: true, attention: true})
	f(121, archKernels{name: "sm120f", fp4: true})
}

// TestArchKernelsThatFailAreOff: wrong bits, or an error that ends the context, cost the kernels
// of the architecture and nothing else.
func TestArchKernelsThatFailAreOff(t *testing.T) {
	needFake(t)
	f := func(capability, fault int, want string) {
		t.Run(fmt.Sprintf("%d-%d", capability, fault), func(t *testing.T) {
			s := capable(capability)
			s.ArchFault = fault
			d, _ := openFake(t, s, Config{})
			if off := strings.Join(d.Disabled(), "\n"); !strings.Contains(off, want) {
				t.Errorf("disabled %q, want %q", off, want)
			}
			if d.arch.linear || d.arch.attention || d.arch.fp4 {
				t.Errorf("%+v are used", d.arch)
			}
			p, c := newModel(t, "qwen3", "narrow", runtime.BF16)
			o := testOptions
			o.KVDType = runtime.BF16
			if err := oneStep(compileFor(t, d, p, c, o)); err != nil {
				t.Error(err)
			}
		})
	}
	f(90, 1, "products of sm90a: ")
	f(100, 719, "LAUNCH_FAILED")
	f(120, 1, "NVFP4 of sm120f: ")
}

// TestArchKernelsGiveTheSameBits: a prefill by the kernels for many rows, the architecture's or the
// portable ones, one by those of small batches, and decode agree in every bit.
func TestArchKernelsGiveTheSameBits(t *testing.T) {
	f := func(capability int, size string, dtype runtime.DType) {
		t.Run(fmt.Sprintf("%d-%s-%s", capability, size, dtype), func(t *testing.T) {
			d, _ := openFake(t, capable(capability), Config{})
			if d.arch.name != archOf(capability) {
				t.Skip("the GPU is another")
			}
			p, c := newModel(t, "qwen3", size, dtype)
			o := testOptions
			o.KVDType, o.MaxTokens = runtime.BF16, 300
			ids := randomIDs(rand.New(rand.NewPCG(2, 2)), 262, p.Vocab)
			e := compileFor(t, d, p, c, o)
			ran := usesTiles(e.(*executable), 150)
			for _, want := range []string{"bs_linear", "bs_attention"} {
				if !strings.Contains(ran, want) {
					t.Errorf("a prefill ran %q", ran)
				}
			}
			want := inChunks(t, e, ids, []int{150}, o)
			if got := inChunks(t, e, ids, []int{40, 200}, o); !slices.Equal(got, want) {
				t.Error("in other chunks: the bits differ")
			}
			if got := inChunks(t, e, ids, []int{260, 1}, o); !slices.Equal(got, want) {
				t.Error("decoded: the bits differ")
			}
		})
	}
	f(80, "wide", runtime.Q4_0)
	f(90, "many", runtime.BF16)
	f(100, "wide", runtime.Q4_0)
}

// usesTiles lists the kernels for many rows that a prefill of n tokens runs.
func usesTiles(x *executable, n int) string {
	var names []string
	d := dims{tokens: n, samples: 1, tiles: 1, splits: 1, wide: x.wideTile > 0}
	for i := range x.list {
		name := x.list[i].k.name
		if x.list[i].fill(&d, &x.launches[0]) && (strings.Contains(name, "_sm") ||
			strings.HasSuffix(name, "_tile") || strings.HasSuffix(name, "_128")) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}
