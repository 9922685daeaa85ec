//go:build cuda

package blas

import (
	"errors"
	"math"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"basalt/internal/half"
)

// build compiles a library of testdata/.
func build(t *testing.T, source, name string) string {
	t.Helper()
	lib := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("cc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", lib,
		"testdata/"+source).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return lib
}

func opened(t *testing.T) *Library {
	t.Helper()
	l, err := Open(build(t, "fake.c", "libcublasLt.so.13"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	if err := l.Start(); err != nil {
		t.Fatal(err)
	}
	return l
}

// address is where a slice lies; the fake computes on the host.
func address[T any](pin *runtime.Pinner, s []T) uint64 {
	pin.Pin(&s[0])
	return uint64(uintptr(unsafe.Pointer(&s[0])))
}

func TestProduct(t *testing.T) {
	l := opened(t)
	f := func(kind Type, narrow func(float32) uint16, m, n, k, stride int) {
		t.Helper()
		p, err := l.NewProduct(kind, m, n, k, stride)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		choices, err := p.Choices(1<<16, 4)
		if err != nil || len(choices) != 1 || choices[0].Workspace() != 4096 {
			t.Fatalf("choices %v, %v", choices, err)
		}
		x, w := make([]uint16, m*k), make([]uint16, n*k)
		y, work := make([]float32, m*stride), make([]byte, 1<<16)
		for i := range x {
			x[i] = narrow(float32(i%7) - 3)
		}
		for i := range w {
			w[i] = narrow(float32(i%5) - 1.5)
		}
		var pin runtime.Pinner
		defer pin.Unpin()
		if err := p.Run(&choices[0], address(&pin, y), address(&pin, x), address(&pin, w),
			address(&pin, work), len(work), unsafe.Pointer(&work[0])); err != nil {
			t.Fatal(err)
		}
		for row := range m {
			for col := range n {
				want := 0.0
				for i := range k {
					want += (float64((row*k+i)%7) - 3) * (float64((col*k+i)%5) - 1.5)
				}
				if got := y[row*stride+col]; math.Abs(float64(got)-want) > 1e-3 {
					t.Fatalf("row %d, column %d: %g, want %g", row, col, got, want)
				}
			}
		}
		if stride > n && y[n] != 0 {
			t.Error("it wrote between the rows")
		}
	}
	f(BF16, half.ToBF16, 3, 20, 64, 24)
	f(F16, half.ToF16, 5, 8, 16, 8)
}

func TestNoChoice(t *testing.T) {
	l := opened(t)
	f := func(workspace, k, stride int, mode string) {
		t.Helper()
		t.Setenv("BASALT_FAKE_BLAS", mode)
		p, err := l.NewProduct(BF16, 3, 16, k, stride)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if c, err := p.Choices(workspace, 4); err == nil ||
			!strings.Contains(err.Error(), "NOT_SUPPORTED (15)") {
			t.Errorf("%d, %d, %d, %q: %v, %v", workspace, k, stride, mode, c, err)
		}
	}
	f(1<<16, 64, 16, "none")
	f(100, 64, 16, "")
	f(1<<16, 63, 16, "")
	f(1<<16, 64, 18, "")
	if _, err := l.NewProduct(BF16, 3, 16, 64, 15); err == nil {
		t.Error("rows of 16 numbers in 15 were accepted")
	}
}

func TestFind(t *testing.T) {
	l := opened(t)
	if l.Version != "13.0.1" {
		t.Errorf("version %s", l.Version)
	}
	nccl := build(t, "nccl.c", "libnccl.so.2")
	if v, err := FindNCCL(nccl); v != "2.29.7" || err != nil {
		t.Errorf("NCCL %s, %v", v, err)
	}
	if _, err := Open(nccl); !errors.Is(err, ErrAbsent) ||
		!strings.Contains(err.Error(), "it has no cublasLtGetVersion") {
		t.Errorf("NCCL as cuBLASLt gives %v", err)
	}
	for _, err := range []error{
		func() error { _, err := Open("libcublasLt-not-there.so.13"); return err }(),
		func() error { _, err := FindNCCL("libnccl-not-there.so.2"); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "cannot open shared object file") {
			t.Errorf("an absent library gives %v", err)
		}
	}
}
