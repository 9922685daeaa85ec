package cuda

import "time"

// Config says which GPU is opened and how.
type Config struct {
	// Ordinal is the GPU's number among those that the driver shows.
	Ordinal int
	// Library is the driver's file; "" finds libcuda.so.1.
	Library string
	// Kernels is a folder of kernels to load instead of those in the binary; "" for none.
	Kernels string
	// NVML is the management library's file; "" finds libnvidia-ml.so.1.
	NVML string
	// BLAS and NCCL are the files of cuBLASLt and NCCL; "" finds them by their names.
	BLAS, NCCL string
	// AnyOrder lets cuBLASLt multiply where rows are many, in whatever order it adds: a row's bits
	// may then depend on its batch. Else it multiplies where it is shown to add in ours.
	AnyOrder bool
	// StepTimeout is how long a step may take before the GPU counts as hung; 0 is a minute.
	StepTimeout time.Duration
}
