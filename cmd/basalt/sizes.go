package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"

	"basalt/models"
	"basalt/runtime"
)

// defaultStepTokens is the token budget of a step on a device that names none.
const defaultStepTokens = 256

// compileOptions sizes the executable: precision of the cache, context and memory.
func (f *modelFlags) compileOptions(m *models.Model, dev runtime.Device) (
	runtime.CompileOptions, error,
) {
	o := runtime.CompileOptions{
		KVDType: defaultKVDType(m), BlockSize: blockSize, MaxTokens: f.stepTokens(dev),
		MaxSeqs: f.MaxSeqs, MaxContext: m.Config.MaxContext,
	}
	if f.MaxSeqs < 1 || f.StepTokens < 0 || o.MaxTokens < f.MaxSeqs {
		return o, fmt.Errorf("--step-tokens %d must be at least --max-seqs %d, and both positive: "+
			"every running sequence takes one token of a step", f.StepTokens, f.MaxSeqs)
	}
	if err := f.parseTypes(&o); err != nil {
		return o, err
	}
	if err := f.setContext(&o, m); err != nil {
		return o, err
	}
	if f.fitExport(&o, dev) {
		return o, nil // its cache has the size that the export gave it
	}
	f.setKVMemory(&o, m, dev.Info())
	return o, nil
}

// stepTokens is --step-tokens, or the device's choice with room for every running sequence.
func (f *modelFlags) stepTokens(dev runtime.Device) int {
	if f.StepTokens != 0 {
		return f.StepTokens
	}
	return max(cmp.Or(dev.Info().StepTokens, defaultStepTokens), f.MaxSeqs)
}

// defaultKVDType keeps the checkpoint's precision: F32 for an F32 model, else BF16.
func defaultKVDType(m *models.Model) runtime.DType {
	for _, w := range m.Program.Weights {
		if t, ok := m.Checkpoint.Tensor(w.Parts[0]); ok && len(t.Shape) == 2 &&
			t.DType != runtime.F32 {
			return runtime.BF16
		}
	}
	return runtime.F32
}

// checkKVDType refuses a type of the cache that nobody knows or that the device does not have,
// before a device is opened and a model read.
func (f *modelFlags) checkKVDType() error {
	if f.KVDtype == "" {
		return nil
	}
	d, err := runtime.ParseKVDType(f.KVDtype)
	if err != nil {
		return fmt.Errorf("--kv-dtype: %w", err)
	}
	if d == runtime.INT8 && (f.Device == "cuda" || f.Device == "neuron") {
		return fmt.Errorf("--kv-dtype %s: device %s keeps its cache in f32 or bf16; leave "+
			"--kv-dtype out, or give --device cpu", f.KVDtype, f.Device)
	}
	return nil
}

func (f *modelFlags) parseTypes(o *runtime.CompileOptions) error {
	var err error
	if f.KVDtype != "" {
		if o.KVDType, err = runtime.ParseKVDType(f.KVDtype); err != nil {
			return fmt.Errorf("--kv-dtype: %w", err)
		}
	}
	if o.Quantize, err = f.deviceFormat(); err != nil {
		return fmt.Errorf("--quantize: %w", err)
	}
	return nil
}

func (f *modelFlags) setContext(o *runtime.CompileOptions, m *models.Model) error {
	switch {
	case f.Ctx < 0:
		return fmt.Errorf("--ctx %d: the context must be positive", f.Ctx)
	case f.Ctx > m.Config.MaxContext:
		return fmt.Errorf("--ctx %d: the model was made for %d tokens; take a model with a longer "+
			"context", f.Ctx, m.Config.MaxContext)
	case f.Ctx > 0:
		o.MaxContext = f.Ctx
	}
	return nil
}

// setKVMemory takes --kv-memory, or what MaxSeqs sequences can use, at most a third of the free
// memory. Where that is too little for the model's whole context, the context is cut, not refused:
// --ctx asks for a certain one.
func (f *modelFlags) setKVMemory(o *runtime.CompileOptions, m *models.Model,
	dev runtime.DeviceInfo,
) {
	perToken := int64(m.Program.KV.BytesPerToken(o.KVDType))
	perSeq := int64(o.MaxContext+blockSize) * perToken
	o.KVBytes = int64(f.KVMemory)
	if o.KVBytes == 0 && dev.Kind == "cuda" {
		return // the device gives the cache what the weights leave
	}
	if o.KVBytes == 0 {
		o.KVBytes = min(perSeq*int64(o.MaxSeqs), max(freeMemory(dev.Memory)/3, 64<<20))
	}
	if f.Ctx == 0 && o.KVBytes < perSeq {
		fits := int(o.KVBytes/perToken/blockSize) * blockSize
		if fits >= 16*blockSize && fits < o.MaxContext {
			fmt.Fprintf(os.Stderr,
				"basalt: the context is cut from %d to %d tokens to fit %s of KV cache "+
					"(--kv-memory gives more)\n", o.MaxContext, fits, formatBytes(o.KVBytes))
			o.MaxContext = fits
		}
	}
}

// freeMemory is MemAvailable of the system, or half of total where that cannot be read.
func freeMemory(total int64) int64 {
	file, err := os.Open("/proc/meminfo")
	if err != nil {
		return total / 2
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "MemAvailable: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return total / 2
}
