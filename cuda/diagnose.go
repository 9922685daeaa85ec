//go:build cuda

package cuda

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"basalt/cuda/blas"
	"basalt/cuda/driver"
	"basalt/kernels"
)

// reportHealth says what NVML tells, and which kernels failed their check.
func (d *Device) reportHealth(w io.Writer) error {
	state, why := d.Health()
	switch {
	case d.monitor == nil:
		state, why = "unknown", d.unwatched.Error()+": install NVIDIA's management library"
	case why == "" && d.unwatched != nil:
		why = d.unwatched.Error()
	}
	_, err := fmt.Fprintf(w, "cuda health   %s %s\n", state, why)
	for _, off := range d.disabled {
		if err == nil {
			_, err = fmt.Fprintf(w, "cuda kernels  off: %s\n", off)
		}
	}
	return err
}

// reportLibraries says which of NVIDIA's optional libraries there are.
func reportLibraries(w io.Writer, c Config) error {
	lt, err := blas.Open(c.BLAS)
	if err != nil {
		_, err = fmt.Fprintf(w, "cuBLASLt      none: our own kernels multiply; for its own, "+
			"install libcublas of CUDA 13 or 12 (%s)\n", firstLine(err))
	} else {
		_, err = fmt.Fprintf(w, "cuBLASLt      %s (%s): multiplies in prefill by the "+
			"matrices for which it is shown, at load, to add in our order\n", lt.Version, lt.Path)
		lt.Close()
	}
	if err != nil {
		return err
	}
	if v, err := blas.FindNCCL(c.NCCL); err == nil {
		_, err := fmt.Fprintf(w, "NCCL          %s: a model runs on one GPU, nothing uses it\n", v)
		return err
	}
	_, err = fmt.Fprintln(w, "NCCL          none: a model runs on one GPU, nothing needs it")
	return err
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Diagnose says what the machine has of CUDA, what is missing and what to do.
func Diagnose(w io.Writer, c Config) error {
	d, err := open(c)
	if err != nil {
		if _, err = fmt.Fprintf(w, "cuda device   none: %v\n", advised(err)); err != nil {
			return err
		}
		return reportLibraries(w, c)
	}
	defer func() { _ = d.Close() }()
	v := driver.Version()
	if _, err := fmt.Fprintf(w, "cuda device   ready: %s, sm_%d, %d multiprocessors, %.1f GiB; "+
		"the driver speaks CUDA %d.%d\n", d.gpu.Name, d.gpu.Capability, d.gpu.SMs,
		float64(d.gpu.Memory)/(1<<30), v/1000, v%1000/10); err != nil {
		return err
	}
	if err := errors.Join(d.reportHealth(w), reportLibraries(w, c)); err != nil {
		return err
	}
	images, err := kernels.Native()
	if err != nil {
		return err
	}
	if !d.native {
		_, err = fmt.Fprintf(w, "cuda kernels  portable: compiled by the driver at start, and "+
			"slower; `make release` builds machine code in (%d images here)\n", len(images))
		return err
	}
	_, err = fmt.Fprintln(w, "cuda kernels  native")
	return err
}
