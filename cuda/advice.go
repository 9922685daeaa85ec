//go:build cuda

package cuda

import (
	"errors"
	"fmt"

	"basalt/cuda/driver"
)

// advised adds what the operator can do about a GPU that cannot be opened.
func advised(err error) error {
	if todo := adviceOn(err); todo != "" {
		return fmt.Errorf("%w: %s; see `basalt doctor`", err, todo)
	}
	return err
}

func adviceOn(err error) string {
	var failed *driver.Error
	if !errors.As(err, &failed) {
		if errors.Is(err, driver.ErrNoDriver) {
			return "install NVIDIA's driver, release 580 or later"
		}
		return ""
	}
	switch failed.Code {
	case driver.OutOfMemory:
		return "other processes have its memory: nvidia-smi lists them"
	case driver.StubLibrary:
		return "this libcuda.so.1 is a toolkit's stub: let the driver's be found before it"
	case driver.Unavailable:
		return "another process has the GPU for itself (nvidia-smi lists it; nvidia-smi -c 0 " +
			"lets processes share)"
	case driver.NoDevice:
		return "no GPU is visible: see nvidia-smi and CUDA_VISIBLE_DEVICES, and give a container " +
			"its GPUs (--gpus all)"
	case driver.NoBinary, driver.BadPTX, driver.NewerPTX:
		return "the driver is too old for these kernels: release 580 (CUDA 13.0) or later is needed"
	case driver.FabricNotReady:
		return "the GPUs' fabric is not ready: start nvidia-fabricmanager"
	case driver.Mismatch, driver.CompatMismatch:
		return "libcuda.so.1 is not of the driver that runs: reboot after an update, and take " +
			"compatibility libraries out of a container"
	}
	if failed.Fatal() || failed.Code == driver.Unknown {
		return "the GPU is lost: look for Xid in dmesg and at nvidia-smi -q, then reset it " +
			"(nvidia-smi -r) or reboot"
	}
	return ""
}
