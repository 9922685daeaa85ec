//go:build !cuda

package cuda

import (
	"errors"
	"io"

	"basalt/runtime"
)

// ErrNotBuilt reports a binary without this device.
var ErrNotBuilt = errors.New("this binary was built without the CUDA device: build it by " +
	"`make build`, which needs nothing of NVIDIA's; the CPU device remains (--device cpu)")

// Open fails: the binary has no CUDA device.
func Open(Config) (runtime.Device, error) { return nil, ErrNotBuilt }

// Diagnose says what the machine has of CUDA.
func Diagnose(w io.Writer, _ Config) error {
	_, err := io.WriteString(w, "cuda device   "+ErrNotBuilt.Error()+"\n")
	return err
}
